#!/usr/bin/env python3
"""Time to check whether a host can be trusted: killtrail trust, debsums and rkhunter.

Whole processes in one interleaved run, wall and CPU seconds, largest resident memory; the slow ones run
in the first round alone. Needs root. `--rounds 3`, `--no-rkhunter`.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRUST = [sys.executable, "-m", "killtrail", "trust"]
RKHUNTER = ["rkhunter", "--check", "--skip-keypress", "--nocolors", "--quiet"]


@dataclass
class Row:
    """One contestant and what it took."""

    words: list[str]
    slow: bool = False
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: float = 0


def run(row: Row, env: dict[str, str]) -> None:
    """One process from start to exit."""
    start = time.perf_counter()
    process = subprocess.Popen(
        row.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **env}
    )
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    row.wall.append(time.perf_counter() - start)
    row.cpu.append(usage.ru_utime + usage.ru_stime)
    row.megabytes = max(row.megabytes, usage.ru_maxrss / 1024)


def main() -> None:
    """Runs the rounds, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-rkhunter", action="store_true")
    args = parser.parse_args()
    rows = {
        "killtrail trust": Row(TRUST),
        "killtrail trust --deep": Row([*TRUST, "--deep"]),
        "debsums -s": Row(["debsums", "-s"], slow=True),
        "rkhunter --check": Row(RKHUNTER, slow=True),
    }
    if args.no_rkhunter:
        rows.pop("rkhunter --check")
    rows = {name: row for name, row in rows.items() if shutil.which(row.words[0])}
    with tempfile.TemporaryDirectory(prefix="kt-bench-") as folder:
        env = {
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": folder,
            "KILLTRAIL_HISTORY": f"{folder}/history.db",
        }
        # One round is not counted: after it the page cache is the same for all.
        for row in (Row(rows["killtrail trust"].words), Row(rows["killtrail trust --deep"].words)):
            run(row, env)
        for number in range(args.rounds):
            for row in rows.values():
                if not (row.slow and number):
                    run(row, env)
    ours = {n: statistics.median(r.wall) for n, r in rows.items() if n.startswith("killtrail")}
    print(f"{'':<24} {'wall s':>8} {'CPU s':>8} {'MB':>6}   x trust  x --deep")
    for name, row in rows.items():
        wall = statistics.median(row.wall)
        ratios = "  ".join(f"{wall / other:8.1f}" for other in ours.values())
        print(
            f"{name:<24} {wall:8.2f} {statistics.median(row.cpu):8.2f} {row.megabytes:6.0f}   {ratios}"
        )


if __name__ == "__main__":
    main()

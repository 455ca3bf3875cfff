#!/usr/bin/env python3
"""Questions about big logs through the command, beside grep for the same words, in one run.

Whole processes, start included; interleaved rounds, medians, ratios. The logs are made by
bench/auditgen.py and bench/textgen.py. grep writes to a pipe: into /dev/null it stops at the first
match. `--megabytes 1000`, `--rounds 5`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
import auditgen
import textgen

ENV = {
    **os.environ,
    "PYTHONPATH": str(textgen.ROOT / "src"),
    "LC_ALL": "C",
    "PYTHONDONTWRITEBYTECODE": "",
}
ENDED = "Killed process|segfault|Kernel panic|code=killed"


class Row(NamedTuple):
    """One question, and the words for which grep is asked."""

    log: str
    words: tuple[str, ...]
    grep: tuple[str, ...]


def rows(audit_pid: int, text_pid: int) -> list[Row]:
    """What is asked of either log."""
    return [
        Row("audit", ("why", str(audit_pid)), (str(audit_pid),)),
        Row("audit", ("why", "sleep", "-n", "1"), ("sleep",)),
        Row("audit", ("why", "nowhere", "-n", "1"), ("nowhere",)),
        Row("audit", ("list", "-n", "5"), ("OBJ_PID",)),
        Row("text", ("why", str(text_pid)), (str(text_pid),)),
        Row("text", ("why", "nginx", "-n", "1"), ("nginx",)),
        Row("text", ("why", "nowhere", "-n", "1"), ("nowhere",)),
        Row("text", ("list", "-n", "5"), ("-E", ENDED)),
        Row("text", ("why", "host"), ("-E", ENDED)),
    ]


def seconds(words: list[str]) -> float:
    """Wall time of a process whose output is read, and thrown away."""
    start = time.perf_counter()
    subprocess.run(words, env=ENV, capture_output=True, check=False)
    return time.perf_counter() - start


def measured(row: Row, path: Path, rounds: int) -> tuple[float, float]:
    """Medians of both, in seconds: the command's and grep's."""
    command = [sys.executable, "-m", "killtrail", *row.words, "--from", str(path)]
    peer = ["grep", "-c", *row.grep, str(path)]
    pairs = [(seconds(command), seconds(peer)) for _ in range(rounds)]
    ours, theirs = zip(*pairs, strict=True)
    return statistics.median(ours), statistics.median(theirs)


def rate(path: Path, deaths: int) -> float:
    """Deaths a second that `list --json` writes."""
    command = [
        sys.executable,
        "-m",
        "killtrail",
        "list",
        "--json",
        "-n",
        str(deaths),
        "--from",
        str(path),
    ]
    start = time.perf_counter()
    found = subprocess.run(command, env=ENV, capture_output=True, check=False).stdout.count(b"\n")
    return found / (time.perf_counter() - start)


def killed_at(path: Path, part: float) -> int:
    """The first PID that an audit log has as the target of a signal behind this part of it."""
    with path.open("rb") as log:
        log.seek(int(path.stat().st_size * part))
        for line in log:
            if b"OBJ_PID" in line:
                return int(line.partition(b"opid=")[2].split()[0])
    raise SystemExit(f"{path}: no signal behind {part:.0%}")


def main() -> int:
    """Makes both logs, asks, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = {"audit": Path(folder, "audit.log"), "text": Path(folder, "messages")}
        auditgen.write(logs["audit"], int(options.megabytes * 1e6), enriched=False)
        textgen.write(logs["text"], int(options.megabytes * 1e6))
        pids = killed_at(logs["audit"], 0.5), textgen.last_pid(logs["text"], 0.4, 0.6)
        for row in rows(*pids):
            ours, theirs = measured(row, logs[row.log], options.rounds)
            name = f"{row.log}: {' '.join(row.words)}"
            print(f"{name:<36}{ours:>7.2f} s   grep {theirs:>5.2f} s   x{ours / theirs:.1f}")
        print(
            f"{'audit: list --json -n 1000':<36}{rate(logs['audit'], 1000):>7.0f} deaths a second"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

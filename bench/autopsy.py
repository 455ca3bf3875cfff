#!/usr/bin/env python3
"""How long an autopsy takes, as a whole process, on each dump of the tests; beside crash(8) where it is.

`--crash-with VMLINUX DUMP`: crash, with that kernel's debug symbols, does `bt` and `sys -c` on that dump in
the same run. `--grow DUMP...`: more dumps, of larger machines. Medians of interleaved rounds.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DUMPS = ROOT / "tests/dumps"


def whole(words: list[str], given: bytes = b"") -> tuple[float, float]:
    """(seconds, megabytes) of one process with its children."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        process = subprocess.Popen(
            words, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": ""},
        )  # fmt: skip
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.005)
    return time.perf_counter() - start, peak


# The work is done in a child: its high-water mark, while it is there.
def _memory(pid: int) -> float:
    found = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (str(pid), *children):
            for line in Path(f"/proc/{each}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    found = max(found, int(line.split()[1]) / 1024)
    except (OSError, IndexError, ValueError):
        pass
    return found


def main() -> None:
    """Runs the rounds, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--crash-with", nargs=2, metavar=("VMLINUX", "DUMP"))
    parser.add_argument("--grow", nargs="*", default=[], metavar="DUMP")
    args = parser.parse_args()
    autopsy = [sys.executable, "-m", "killtrail", "autopsy"]
    dumps = [*sorted(DUMPS.glob("*.elf.xz")), *sorted(DUMPS.glob("*.kdump")), *map(Path, args.grow)]
    rows: dict[str, tuple[list[str], bytes]] = {
        f"autopsy {path.name} ({path.stat().st_size >> 20} MB)": ([*autopsy, str(path)], b"")
        for path in dumps
    }
    if args.crash_with and shutil.which("crash"):
        vmlinux, dump = args.crash_with
        rows[f"autopsy {Path(dump).name}"] = ([*autopsy, dump], b"")
        rows["crash: bt, sys -c"] = (["crash", "-s", vmlinux, dump], b"bt\nsys -c\nquit\n")
    times: dict[str, list[float]] = {name: [] for name in rows}
    peaks: dict[str, float] = dict.fromkeys(rows, 0.0)
    for _ in range(args.rounds):
        for name, (words, given) in rows.items():
            seconds, peak = whole(words, given)
            times[name].append(seconds)
            peaks[name] = max(peaks[name], peak)
    for name, taken in times.items():
        print(f"{name:<48} {statistics.median(taken):7.2f} s {peaks[name]:6.0f} MB")


if __name__ == "__main__":
    main()

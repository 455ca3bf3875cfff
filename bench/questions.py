#!/usr/bin/env python3
"""Questions about big logs through the command, beside grep for the same words, in one run.

Whole processes, start included; interleaved rounds, medians, ratios; `--best` takes the best round of
each, for machines that others use, too. The logs are made by bench/auditgen.py, bench/textgen.py and
systemd-journal-remote; the journal's peer is journalctl. grep writes to a pipe: into /dev/null it
stops at the first match. `--megabytes 1000`, `--journal 350`, `--rounds 5`, `--only journal`.
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
import textlog

ENV = {
    **os.environ,
    "PYTHONPATH": str(textgen.ROOT / "src"),
    "LC_ALL": "C",
    "PYTHONDONTWRITEBYTECODE": "",
}
ENDED = "Killed process|segfault|Kernel panic|code=killed"


class Row(NamedTuple):
    """One question, and the words for which grep (of a journal: journalctl) is asked."""

    log: str
    words: tuple[str, ...]
    grep: tuple[str, ...]
    note: str = ""


def rows(audit_pid: int, text_pid: int) -> list[Row]:
    """What is asked of either log."""
    return [
        Row("audit", ("why", str(audit_pid)), (str(audit_pid),)),
        Row("audit", ("why", "sleep", "-n", "1"), ("sleep",)),
        Row("audit", ("why", "nowhere", "-n", "1"), ("nowhere",)),
        Row("audit", ("list", "-n", "5"), ("OBJ_PID",)),
        Row("text", ("why", str(text_pid)), (str(text_pid),)),
        Row("text", ("why", "3999999"), ("3999999",)),
        Row("text", ("why", "nginx", "-n", "1"), ("nginx",)),
        Row("text", ("why", "nowhere", "-n", "1"), ("nowhere",)),
        Row("text", ("list", "-n", "5"), ("-E", ENDED)),
        Row("text", ("why", "host"), ("-E", ENDED)),
    ]


def journal_rows() -> list[Row]:
    """What is asked of the journal. A quiet unit's peer reads a handful of entries by its index."""
    deaths, every = ("-g", textlog.DEATHS), ("-g", f"{textlog.DEATHS}|{textlog.PANICS}")
    return [
        Row("journal", ("why", unit, "-n", "1"), ("-u", unit, *deaths), note)
        for unit, note in (
            ("worker.service", "busy unit"),
            ("mysqld.service", "quiet unit"),
            ("nginx.service", "OOM, kernel alone"),
            ("gone.service", "absent"),
        )
    ] + [
        Row("journal", ("list", "-n", "5"), ("-r", "-n", "5", *every)),
        Row("journal", ("why", "host"), every),
    ]


def seconds(words: list[str]) -> float:
    """Wall time of a process whose output is read, and thrown away."""
    start = time.perf_counter()
    subprocess.run(words, env=ENV, capture_output=True, check=False)
    return time.perf_counter() - start


def measured(row: Row, path: Path, rounds: int, *, best: bool) -> tuple[float, float]:
    """Medians or bests of both, in seconds: the command's and its peer's."""
    command = [sys.executable, "-m", "killtrail", *row.words, "--from", str(path)]
    peer = ["grep", "-c", *row.grep, str(path)]
    if row.log == "journal":
        peer = ["journalctl", "-q", "--no-pager", "--directory", str(path), *row.grep]
    pairs = [(seconds(command), seconds(peer)) for _ in range(rounds)]
    ours, theirs = zip(*pairs, strict=True)
    pick = min if best else statistics.median
    return pick(ours), pick(theirs)


def show(row: Row, path: Path, rounds: int, *, best: bool) -> None:
    """One line."""
    ours, theirs = measured(row, path, rounds, best=best)
    name = f"{row.log}: {' '.join(row.words)}" + (f" ({row.note})" if row.note else "")
    peer = "journalctl" if row.log == "journal" else "grep"
    print(f"{name:<58}{ours:>7.2f} s   {peer} {theirs:>6.3f} s   x{ours / theirs:.1f}", flush=True)


def rate(path: Path, deaths: int) -> tuple[float, float]:
    """Deaths a second that `list --json` writes, and its peak of memory in MB."""
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
    with subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # It writes when it has found all, and waits for who reads.
        found = len(process.stdout.readline()) > 0
        status = Path(f"/proc/{process.pid}/status").read_text()
        found += process.stdout.read().count(b"\n")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return found / (time.perf_counter() - start), int(peak) / 1000


def killed_at(path: Path, part: float) -> int:
    """The first PID that an audit log has as the target of a signal behind this part of it."""
    with path.open("rb") as log:
        log.seek(int(path.stat().st_size * part))
        for line in log:
            if b"OBJ_PID" in line:
                return int(line.partition(b"opid=")[2].split()[0])
    raise SystemExit(f"{path}: no signal behind {part:.0%}")


def made(folder: Path, options: argparse.Namespace) -> dict[str, Path]:
    """The logs; no journal where nothing makes one."""
    logs = {"audit": folder / "audit.log", "text": folder / "messages"}
    size = int(options.megabytes * 1e6)
    if options.only != "journal":
        auditgen.write(logs["audit"], size, enriched=False)
    textgen.write(logs["text"], size)
    wanted = options.journal and options.only in (None, "journal")
    journal = (
        textlog.journal_of(logs["text"], folder / "journal", int(options.journal * 1e6))
        if wanted
        else None
    )
    return {**logs, "journal": journal} if journal is not None else logs


def pids(logs: dict[str, Path]) -> tuple[int, int]:
    """A PID in the middle of either log."""
    return killed_at(logs["audit"], 0.5), textgen.last_pid(logs["text"], 0.4, 0.6)


def lists(folder: Path, log: Path, options: argparse.Namespace) -> None:
    """Long lists of an audit log and of one of a tenth of its size: the fastest round of each."""
    tenth = folder / "tenth.log"
    auditgen.write(tenth, int(options.megabytes * 1e5), enriched=False)
    for path, most in ((tenth, 1000), (log, 1000), (log, 20_000)):
        found = [rate(path, most) for _ in range(options.rounds)]
        speed, memory = max(each[0] for each in found), max(each[1] for each in found)
        name = f"audit: list --json -n {most} ({path.stat().st_size / 1e6:.0f} MB)"
        print(f"{name:<58}{speed:>7.0f} deaths a second, {memory:.0f} MB", flush=True)


def main() -> int:
    """Makes the logs, asks, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--journal", type=float, default=350)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--best", action="store_true", help="the best round of each, not the median"
    )
    parser.add_argument("--only", choices=("audit", "text", "journal"), help="one kind of log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = made(Path(folder), options)
        asked = [] if options.only == "journal" else rows(*pids(logs))
        asked += journal_rows() if "journal" in logs else []
        for row in asked:
            if options.only in (None, row.log):
                show(row, logs[row.log], options.rounds, best=options.best)
        if options.only in (None, "audit"):
            lists(Path(folder), logs["audit"], options)
    return 0


if __name__ == "__main__":
    sys.exit(main())

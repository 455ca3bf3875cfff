#!/usr/bin/env python3
"""Deaths in a big syslog: killtrail's search beside grep for the same words, in one run.

Whole processes, start included; medians of interleaved rounds, ratios, and private memory. The log is
made by bench/textgen.py; a journal of the same lines by systemd-journal-remote, where that is
installed. `--megabytes 1000`, `--journal 350`, `--rounds 5`.
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
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
import textgen

SRC = str(textgen.ROOT / "src")
ASK = """
import os
import sys
from itertools import islice
from killtrail.files.opened import open_piece
from killtrail.model.events import HostEvent, OomKilled, ProcessExited, SignalSent
from killtrail.model.query import Query
from killtrail.model.target import Kind, Target
from killtrail.sources.base import Match
from killtrail.sources.logs import journal, kernlog
DEATHS = (OomKilled, SignalSent, ProcessExited)
words = {"pid": lambda x: Query(pid=int(x), launchers=False),
         "name": lambda x: Query(target=Target(Kind.NAME, x)),
         "unit": lambda x: Query(target=Target(Kind.UNIT, x)),
         "list": lambda _: Query(kinds=(*DEATHS, HostEvent)),
         "host": lambda _: Query(kinds=(HostEvent,))}
path, how, what, most = sys.argv[1:]
descriptor = journal.DESCRIPTOR if os.path.isdir(path) else kernlog.DESCRIPTOR
pieces = [open_piece(os.path.join(path, n)) for n in sorted(os.listdir(path))] if os.path.isdir(path) else [open_piece(path)]
(source,) = descriptor.open_files(pieces).sources
found = list(islice(source.events(words[how](what)), int(most) or None))
source.close()
anon = [l.split()[1] for l in open("/proc/self/status") if l.startswith("RssAnon")][0]
print(len(found), anon)
"""
PANICS = (
    "Kernel panic - not syncing: |BUG: |Oops: |kernel BUG at |Unable to handle kernel |Internal error: |soft lockup"
    r"|hard LOCKUP| blocked for more than |\[Hardware Error\]: |sysrq: |reboot: |: watchdog did not stop!|Linux version "
    "|System is |The system will |Power key pressed| COMMAND=|Reached target |Shutting down\\.|Received SIG"
    "|Switching to runlevel: |shutting down for system |Sending SIGTERM to remaining"
)
DEATHS = (
    "Killed process |Killed /|OOM killer|result 'oom-kill'|: segfault at |traps: | due to hardware memory"
    "|Killing process |Stopping |Main process exited"
)


class Row(NamedTuple):
    """A question, and what its peer searches for."""

    name: str
    ask: list[str]
    peer: list[str]
    most: float


class Measured(NamedTuple):
    """One run."""

    seconds: float
    says: str


def measured(words: list[str]) -> Measured:
    """One process, start included."""
    env = {**os.environ, "LC_ALL": "C", "PYTHONPATH": SRC}
    start = time.perf_counter()
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    return Measured(time.perf_counter() - start, done.stdout.strip().rpartition("\n")[2])


def ask(log: Path, how: str, what: str, most: int) -> list[str]:
    """A question of ours."""
    return [sys.executable, "-c", ASK, str(log), how, what, str(most)]


def grep(log: Path, words: str, *more: str) -> list[str]:
    """The peer."""
    return ["grep", "-c", *more, words, str(log)]


def of_text(log: Path) -> list[Row]:
    """The rows of a text log."""
    late, early = textgen.last_pid(log, 0.9, 1), textgen.last_pid(log, 0, 0.1)
    every = f"{DEATHS}|{PANICS}"
    return [
        Row("PID near the end", ask(log, "pid", str(late), 0), grep(log, str(late)), 2),
        Row("PID near the beginning", ask(log, "pid", str(early), 0), grep(log, str(early)), 2),
        Row("PID that is absent", ask(log, "pid", "3999999", 0), grep(log, "3999999"), 2),
        Row("PID of two digits", ask(log, "pid", "42", 0), grep(log, "42"), 2),
        Row("NAME -n 1 near the end", ask(log, "name", "nginx", 1), grep(log, "nginx"), 2),
        Row("NAME, all of it", ask(log, "name", "nginx", 0), grep(log, "nginx"), 2),
        Row("NAME that is absent", ask(log, "name", "postgresql", 1), grep(log, "postgresql"), 2),
        Row("NAME of chatter", ask(log, "name", "kubelet", 1), grep(log, "kubelet"), 2),
        Row("list -n 5 (last tenth)", ask(log, "list", "", 5), grep(log, every, "-E"), 2),
        Row("list, all of it", ask(log, "list", "", 0), grep(log, every, "-E"), 4),
        Row("host, none in it", ask(log, "host", "", 0), grep(log, PANICS, "-E"), 4),
    ]


def journal_of(log: Path, folder: Path, size: int) -> Path | None:
    """A folder of journal files of the first lines of a log; None where nothing makes them."""
    writer = next(iter(_REMOTE), None) if shutil.which("journalctl") else None
    if writer is None:
        return None
    folder.mkdir()
    process = subprocess.Popen(
        [writer, f"--output={folder}/made.journal", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with log.open() as text, process.stdin as out:
        for number, line in enumerate(text):
            out.write(entry(number, line.rstrip("\n")).encode())
            if number % 10_000 == 0 and sum(f.stat().st_size for f in folder.iterdir()) > size:
                break
    process.wait()
    return folder


_REMOTE = [
    path
    for path in ("/usr/lib/systemd/systemd-journal-remote", "/lib/systemd/systemd-journal-remote")
    if Path(path).exists()
]


def level(text: str) -> int:
    """The level at which the kernel prints a line: mm/oom_kill.c pr_err(), pr_warn(), else pr_info()."""
    if "Killed process" in text:
        return 3
    return 4 if " invoked oom-killer: " in text else 6


def entry(number: int, line: str) -> str:
    """A line in the journal's export format."""
    tag, _, text = line.split(" db1 ", 1)[1].partition(": ")
    name, _, pid = tag.rstrip("]").partition("[")
    fields = {
        "__REALTIME_TIMESTAMP": 1_790_000_000_000_000 + number * 250_000,
        "__MONOTONIC_TIMESTAMP": 1_000_000 + number * 250_000,
        "_BOOT_ID": "0" * 31 + "1",
        "_MACHINE_ID": "0" * 31 + "2",
        "_HOSTNAME": "db1",
        "_TRANSPORT": "kernel" if name == "kernel" else "syslog",
        "SYSLOG_IDENTIFIER": name,
        "PRIORITY": level(text),
        "MESSAGE": text.partition("] ")[2] if name == "kernel" else text,
    }
    if pid:
        # The application is a busy unit that dies now and then.
        unit = {"systemd": "init.scope", "app": "worker.service"}.get(name, f"{name}.service")
        fields |= {
            "_PID": pid,
            "_UID": 0,
            "_GID": 0,
            "_COMM": name[:15],
            "_EXE": "/usr/lib/systemd/systemd" if name == "systemd" else f"/usr/sbin/{name}",
            "_SYSTEMD_CGROUP": f"/{unit}" if name == "systemd" else f"/system.slice/{unit}",
            "_SYSTEMD_UNIT": unit,
        }
    if name == "systemd" and ".service" in text:
        fields["UNIT"] = text.partition(".service")[0].rpartition(" ")[2] + ".service"
    return "".join(f"{key}={value}\n" for key, value in fields.items()) + "\n"


def of_journal(path: Path) -> list[Row]:
    """The rows of a journal."""
    peer = ["journalctl", "-q", "--no-pager", "--directory", str(path)]
    unit = "mysqld.service"
    return [
        Row(
            "journal: UNIT -n 1",
            ask(path, "unit", unit, 1),
            [*peer, "-r", "-u", unit, "-n", "1", "-g", DEATHS],
            2,
        ),
        Row(
            "journal: absent UNIT",
            ask(path, "unit", "gone.service", 1),
            [*peer, "-u", "gone.service", "-g", DEATHS],
            2,
        ),
        Row(
            "journal: list -n 5",
            ask(path, "list", "", 5),
            [*peer, "-r", "-n", "5", "-g", f"{DEATHS}|{PANICS}"],
            2,
        ),
    ]


def main() -> None:
    """Makes the logs, runs the rounds, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--journal", type=float, default=350)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--log", type=Path, help="one that was made before")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kt-bench-") as folder:
        log = args.log or Path(folder) / "messages"
        if args.log is None:
            textgen.write(log, int(args.megabytes * 1e6))
        rows = of_text(log)
        made = (
            journal_of(log, Path(folder) / "journal", int(args.journal * 1e6))
            if args.journal
            else None
        )
        rows += of_journal(made) if made is not None else []
        print(f"{log.stat().st_size / 1e6:.0f} MB of text, {args.rounds} rounds", flush=True)
        show(rows, args.rounds)


def show(rows: list[Row], rounds: int) -> None:
    """Each question and its peer in turn, then the table."""
    taken: dict[str, list[tuple[Measured, Measured]]] = {row.name: [] for row in rows}
    for _ in range(rounds):
        for row in rows:
            taken[row.name].append((measured(row.ask), measured(row.peer)))
    print(f"{'question':<26}{'killtrail':>10}{'peer':>9}{'ratio':>8}{'bar':>5}   found, RssAnon kB")
    for row in rows:
        ours = statistics.median(a.seconds for a, _ in taken[row.name])
        theirs = statistics.median(b.seconds for _, b in taken[row.name])
        says = taken[row.name][-1][0].says
        print(
            f"{row.name:<26}{ours:>9.3f}s{theirs:>8.3f}s{ours / theirs:>7.2f}x{row.most:>4g}   {says}"
        )


if __name__ == "__main__":
    main()

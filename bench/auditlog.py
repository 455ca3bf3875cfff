#!/usr/bin/env python3
"""Who killed a process, from a big audit log: killtrail, ausearch, grep and ripgrep in one run.

Whole processes, start included; medians of interleaved rounds, and the largest resident memory. The log
is made from the real sample (bench/auditgen.py). `--megabytes 1000`, `--rounds 5`, `--enriched`. Peers
that are not installed are left out and said; ausearch runs in every other round, as it takes so long.
"""

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GENERATOR = Path(__file__).resolve().parent / "auditgen.py"
ROOT = Path(__file__).resolve().parent.parent
SRC = str(ROOT / "src")
ALL_KILLS = f"""
import sys; sys.path.insert(0, {SRC!r})
from pathlib import Path
from killtrail.sources.logs.audit.targets import Finder
from killtrail.files.opened import open_piece
from killtrail.files.search import Window
piece, finder, count = open_piece(Path(sys.argv[1])), Finder(None, numeric=False), 0
for window in Window().backwards(piece, 0, piece.size):
    for at in finder.spots(window):
        hit = finder.hit(window, at)
        count += hit is not None and hit.call.success
print(count)
"""


ONE_PID = f"""
import sys; sys.path.insert(0, {SRC!r})
from pathlib import Path
from killtrail.sources.logs.audit.targets import Finder
from killtrail.files.opened import open_piece
from killtrail.files.search import Window
piece, finder = open_piece(Path(sys.argv[1])), Finder(int(sys.argv[2]), numeric=False)
for window in Window().backwards(piece, 0, piece.size):
    for at in finder.spots(window):
        print(finder.hit(window, at))
"""

ASK = f"""
import sys; sys.path.insert(0, {SRC!r})
from itertools import islice
from killtrail.files.opened import open_piece
from killtrail.model.events import HostEvent, LoginSeen, ProcessExited, SignalSent
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.sources.logs.audit.log import AuditLog
log, count = AuditLog([open_piece(sys.argv[1])]), 0
for event in islice(log.events(eval(sys.argv[2])), int(sys.argv[3]) or None):
    count += 1
print(count)
"""
EARLY, LATE, NOWHERE = "zerly", "zlate", "zzyzx"


def ask(log: Path, query: str, most: int = 0) -> list[str]:
    """A question to the source alone, and how many events are taken; 0 = all."""
    return [sys.executable, "-c", ASK, str(log), query, str(most)]


def name_victims(log: Path) -> None:
    """Gives a process that was killed near the beginning, and one near the end, a name of its own."""
    with log.open("r+b") as file:
        for name, start in ((EARLY, 0), (LATE, log.stat().st_size - (2 << 20))):
            file.seek(max(0, start))
            at = file.read(1 << 20).find(b'ocomm="sleep"')
            file.seek(max(0, start) + at)
            file.write(b'ocomm="%s"' % name.encode())


def whole(words: list[str], env: dict[str, str] | None = None) -> tuple[float, int]:
    """(seconds, kilobytes) of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )
    # Not /dev/null: where its output goes there, grep stops at the first line it finds.
    assert process.stdout is not None
    while process.stdout.read(1 << 16):
        pass
    process.stdout.close()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - start, usage.ru_maxrss


def killtrail(*words: str) -> list[str]:
    """A command line of ours."""
    return [sys.executable, "-m", "killtrail", *words]


def a_kill(log: Path) -> tuple[int, float]:
    """A process that was killed late in the log, and when."""
    size = log.stat().st_size
    with log.open("rb") as file:
        file.seek(max(0, size - (1 << 20)))
        text = file.read()
    found = re.findall(rb"type=OBJ_PID msg=audit\((\d+)\.\d+:\d+\): opid=(\d+)", text)
    seconds, pid = found[len(found) // 2]
    return int(pid), float(seconds)


def last_second(log: Path) -> int:
    """The time of the last record."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        return int(re.findall(rb"audit\((\d+)\.", file.read())[-1])


def contestants(log: Path) -> dict[str, list[str]]:
    """What is compared, by what it answers."""
    pid, _ = a_kill(log)
    path, end = str(log), last_second(log)
    rows = {
        "bare interpreter": [sys.executable, "-c", "pass"],
        "killtrail --help": killtrail("--help"),
        "killtrail why PID (sender, launchers)": killtrail("why", f"pid:{pid}", "--from", path),
        "killtrail list (last 10 s)": killtrail("list", "--since", f"@{end - 10}", "--from", path),
        "kills of one pid (library)": [sys.executable, "-c", ONE_PID, path, str(pid)],
        "all kills, joined (library)": [sys.executable, "-c", ALL_KILLS, path],
        "LC_ALL=C grep -c opid=PID": ["env", "LC_ALL=C", "grep", "-c", f"opid={pid} ", path],
        "rg -c opid=PID": ["rg", "-c", "-j1", f"opid={pid} ", path],
        "ausearch -p PID": ["ausearch", "-if", path, "-p", str(pid)],
        "ausearch -k kill": ["ausearch", "-if", path, "-k", "kill", "--raw"],
    }
    rows |= by_query(log, pid)
    return {n: w for n, w in rows.items() if shutil.which(w[0])}


def by_query(log: Path, pid: int) -> dict[str, list[str]]:
    """Questions to the source alone, each in front of the grep that it is measured by."""
    path, end = str(log), last_second(log)
    grep = ["env", "LC_ALL=C", "grep"]
    rows = {}
    for name, where in ((LATE, "near the end"), (EARLY, "near the beginning"), (NOWHERE, "nowhere"), ("python3", "all over")):  # fmt: skip
        query = f"Query(target=Target(Kind.NAME, {name!r}), newest=1)"
        rows[f"name {where}, newest 1 (source)"] = ask(log, query, 1)
        rows[f"grep -c {name}"] = [*grep, "-c", name, path]
    recent = f"window=Window({end - 1} * 10**9, {end + 1} * 10**9)"
    rows |= {
        "PID (source)": ask(log, f"Query(pid={pid})"),
        "PID, 2 s, no launchers (source)": ask(
            log, f"Query(pid={pid}, kinds=(SignalSent,), launchers=False, {recent})"
        ),
        "5 newest (source)": ask(log, "Query()", 5),
        "crashes, all read (source)": ask(log, "Query(kinds=(ProcessExited,))"),
        "kinds that audit has not (source)": ask(log, "Query(kinds=(HostEvent, LoginSeen))"),
        "grep -cE deaths": [*grep, "-cE", "OBJ_PID|ANOM_ABEND|SECCOMP", path],
        "all deaths (source)": ask(log, "Query(launchers=False)"),
    }
    return rows


def main() -> None:
    """Makes the log, runs the rounds, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--enriched", action="store_true")
    parser.add_argument("--no-ausearch", action="store_true")
    parser.add_argument("--only", default="", help="rows with this in their name")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="kt-bench-") as folder:
        log = Path(folder) / "audit.log"
        # By a process of its own: what this one has used would count as its children's memory.
        form = ["--enriched"] if args.enriched else []
        subprocess.run([sys.executable, GENERATOR, log, str(args.megabytes), *form], check=True)
        name_victims(log)
        rows = {n: w for n, w in contestants(log).items() if args.only in n}
        times: dict[str, list[float]] = {name: [] for name in rows}
        memory: dict[str, int] = dict.fromkeys(rows, 0)
        # Bytecode is kept, as it is where killtrail is installed.
        env = {"PYTHONPATH": SRC, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        for name, words in rows.items():
            if "ausearch" not in name:
                whole(words, env)
        for number in range(args.rounds):
            for name, words in rows.items():
                if "ausearch" in name and (number % 2 or args.no_ausearch):
                    continue
                seconds, kilobytes = whole(words, env)
                times[name].append(seconds)
                memory[name] = max(memory[name], kilobytes)
    slow = [statistics.median(t) for n, t in times.items() if n == "ausearch -p PID" and t]
    print(
        f"{args.megabytes:.0f} MB, {'enriched' if args.enriched else 'raw'}, {args.rounds} rounds"
    )
    for name, taken in times.items():
        if taken:
            middle = statistics.median(taken)
            ratio = f"{slow[0] / middle:7.1f}x faster than one ausearch" if slow else ""
            print(f"{name:<36} {middle:8.3f} s {memory[name] / 1024:7.0f} MB {ratio}")


if __name__ == "__main__":
    main()

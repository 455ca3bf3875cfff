#!/usr/bin/env python3
"""What history costs: adding, asking, and bringing a file of schema 1 up to date.

Builds files of 1,000 and 100,000 deaths (a signal and an exit each, and as many ordinary exits) through
the model's own codec, then asks the source. Each question runs in a process of its own, which prints its
time without start-up and its private memory (RssAnon). `--old SRC` adds the same events through an older
killtrail's store too (a folder with its `killtrail` package), for a ratio, and migrates that file.
"""

# ruff: noqa: PLC0415 -- each measurement imports one killtrail or another
import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = (1_000, 100_000)
BATCH = 2_000
NS = 1_000_000_000
PROGRAMS = 200
BEGIN_NS = 3_600 * NS
EVERY_NS = 20_000_000
FIRST, LAST, ABSENT = "onlyfirst", "onlylast", "nowhere"


def named(count: int, number: int) -> str:
    """The name of one victim: the first and the last have names of their own."""
    if number in (0, count - 1):
        return FIRST if number == 0 else LAST
    return f"worker{number * 7919 % PROGRAMS}"


def events(count: int) -> Iterator[list]:
    """Batches as the recorder drains them."""
    from killtrail.model.events import ProcessExited, Provenance, SignalSent
    from killtrail.model.process import Argv, Key, Process
    from killtrail.model.signal_context import KernelContext
    from killtrail.model.wait_status import WaitStatus

    def ancestor(pid: int, name: str) -> Process:
        argv = Argv((name, "--config", "/etc/thing.conf"))
        return Process(Key(pid, pid * 1000), comm=name, argv=argv, uid=0, user="root", reaper=False)

    ancestors = ((900, "bash"), (800, "sshd-session"), (700, "sshd"), (1, "systemd"))
    chain = tuple(ancestor(pid, name) for pid, name in ancestors)

    def death(number: int) -> Iterator[object]:
        start, at = BEGIN_NS + number * EVERY_NS, BEGIN_NS + number * EVERY_NS + EVERY_NS // 2
        name, pid = named(count, number), 1000 + number % 30_000
        seen = {"uid": 1000, "loginuid": 1000, "session": 3, "pidns": 4026531836, "ns_pid": pid, "tid": pid, "thread": name, "user": "alice", "login_user": "alice"}  # fmt: skip
        unit = (
            f"/system.slice/{name}.service"
            if number % 2
            else "/user.slice/user-1000.slice/session-3.scope"
        )
        argv = Argv((name, "--listen", "0.0.0.0:8080", "--log", f"/var/log/{name}.log"))
        victim = Process(
            Key(pid, start), comm=name, exe=f"/usr/bin/{name}", argv=argv, cgroup=unit, **seen
        )
        sender = Process(Key(600 + number % 50, 5), comm="bash", exe="/usr/bin/bash", argv=Argv(("bash",)), uid=0, user="root", cgroup=unit, tid=1)  # fmt: skip
        gone = Process(Key(pid, start), comm=name, argv=argv, cgroup=unit, exiting=True, **seen)
        place = Provenance("bpf", f"kills:{number}")
        yield SignalSent(at, place, 9, 0, 0, group=True, target=victim, current=sender, kernel=KernelContext(lineage=chain, stack=(None, "kill_pid_info_type", "kill_something_info", "__x64_sys_kill")))  # fmt: skip
        yield ProcessExited(at + 9000, Provenance("bpf", f"deaths:{number}"), gone, WaitStatus(9), parent=chain[0], asked=0, called_exit=False)  # fmt: skip
        tool = f"tool{number % 90}"
        short = Process(Key(40_000 + number % 30_000, start), comm=tool, argv=Argv((tool, "--list", "/var/lib/thing")), cgroup="/system.slice/cron.service", exiting=True, **{**seen, "thread": tool})  # fmt: skip
        yield ProcessExited(at + 12000, Provenance("bpf", f"exits:{number}"), short, WaitStatus(0), parent=chain[0], asked=0, called_exit=True)  # fmt: skip

    waiting = (event for number in range(count) for event in death(number))
    while batch := list(islice(waiting, BATCH * 3)):
        yield batch


def timed(work: Callable[[], object]) -> float:
    """Seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory_kib() -> int:
    """Private memory of this process."""
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])


def fill(path: Path, count: int) -> float:
    """Adds all events with the killtrail on sys.path; seconds in add() alone."""
    from killtrail.host import boot

    host, took = boot.this_host(), 0.0
    try:
        from killtrail.recorder.history.writer import Progress, WritableHistory

        history = WritableHistory(path)
        row = history.begin_boot(host, 1)

        def add(batch: list) -> None:
            history.add(row, host, batch, Progress(armed_ns=2471427644716))
    except ImportError:
        from killtrail.recorder.history.store import History

        old = history = History(path, writable=True)
        row = old.begin_boot(host, 1)

        def add(batch: list) -> None:
            old.add(
                row,
                host,
                batch,
                lost=0,
                complete_ns=0,
                seen='{"armed_ns": 2471427644716, "next": {}}',
            )

    for batch in events(count):
        took += timed(lambda batch=batch: add(batch))
    history.close()
    return took


def migrate(path: Path) -> dict[str, float]:
    """Brings a file up to date; seconds in all, and of the longest step."""
    from killtrail.recorder.history.writer import WritableHistory

    history, steps, more = WritableHistory(path), [], True
    while more:
        start = time.perf_counter()
        more = history.migrate()
        steps.append(time.perf_counter() - start)
    history.close()
    return {"s": sum(steps), "longest step s": max(steps)}


def ask(path: Path, what: str) -> dict[str, float]:
    """One question to the source, opening the file included."""
    import os

    os.environ["KILLTRAIL_HISTORY"] = str(path)
    from killtrail.sources import history

    start = time.perf_counter()
    source = history.open_all()[0]
    found = QUESTIONS[what](source)
    return {"s": time.perf_counter() - start, "found": found, "RssAnon KiB": memory_kib()}


def newest(source, most: int, **asked) -> int:
    """Newest exits."""
    from killtrail.model.events import ProcessExited
    from killtrail.model.query import Query

    query = Query(kinds=(ProcessExited,), ordinary=False, newest=most, **asked)
    return sum(1 for _ in islice(source.events(query), most))


def name(source, text: str) -> int:
    """The newest exit of that name."""
    from killtrail.model.target import Kind, Target

    return newest(source, 1, target=Target(Kind.NAME, text))


def follow_ups(source) -> int:
    """1,000 deaths, each with all that a case asks for."""
    from killtrail.model import events as ev
    from killtrail.model.query import Query, Window

    exits = source.events(Query(kinds=(ev.ProcessExited,), ordinary=False, newest=1000))
    found = 0
    for gone in islice(exits, 1000):
        key, at = gone.process.key, gone.time_ns
        around = Window(at - 60 * NS, at + 60 * NS)
        signals = list(source.events(Query(kinds=(ev.SignalSent,), key=key)))
        for query in (
            Query(kinds=(ev.ProcessExited,), key=key),
            Query(kinds=(ev.OomVictimMarked, ev.ThreadDied, ev.ImageReplaced), pid=key.tgid),
            Query(kinds=(ev.OrphanedBy,), key=gone.parent.key),
            Query(kinds=(ev.KernelLine, ev.ManagerAsked), window=around),
            Query(kinds=(ev.ProcessExited,), parent=key.tgid, window=around),
        ):
            found += sum(1 for _ in source.events(query))
        acts = Query(
            kinds=(ev.SignalSent,), sender=signals[0].current.key, window=Window(at - 3 * NS, at)
        )
        found += sum(1 for _ in islice(source.events(acts), 1))
    return found


QUESTIONS: dict[str, Callable] = {
    "newest 5 exits": lambda s: newest(s, 5),
    "NAME newest 1, the last death": lambda s: name(s, LAST),
    "NAME newest 1, the first death": lambda s: name(s, FIRST),
    "NAME newest 1, absent": lambda s: name(s, ABSENT),
    "1,000 deaths, no follow-ups": lambda s: newest(s, 1000),
    "1,000 deaths with follow-ups": follow_ups,
}


def apart(source: Path, *words: str) -> dict:
    """This script in a process of its own, with one killtrail or another; what it prints."""
    done = subprocess.run(
        [sys.executable, __file__, "--as", str(source), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def child(words: list[str]) -> dict:
    """One measurement."""
    sys.path.insert(0, words[0])
    what, path, *more = words[1:]
    if what == "fill":
        return {"s": fill(Path(path), int(more[0])), "RssAnon KiB": memory_kib()}
    return migrate(Path(path)) if what == "migrate" else ask(Path(path), more[0])


def report(label: str, numbers: dict) -> None:
    """One line."""
    print(
        f"  {label:<40}",
        "  ".join(
            f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in numbers.items()
        ),
    )


def main() -> int:
    """Builds, asks, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="src of an older killtrail, to compare with")
    parser.add_argument("--as", nargs="+", dest="child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child)))
        return 0
    now = ROOT / "src"
    for count in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            path, old = Path(folder) / "new.db", Path(folder) / "old.db"
            print(f"{count} deaths")
            filled = apart(now, "fill", str(path), str(count))
            report("add", {**filled, "MiB": path.stat().st_size / (1 << 20)})
            for question in QUESTIONS:
                report(question, apart(now, "ask", str(path), question))
            if args.old:
                filled = apart(args.old, "fill", str(old), str(count))
                report("add, older", {**filled, "MiB": old.stat().st_size / (1 << 20)})
                for question in list(QUESTIONS)[:4]:
                    report(f"{question}, schema 1", apart(now, "ask", str(old), question))
                report(
                    "migrate",
                    {**apart(now, "migrate", str(old)), "MiB": old.stat().st_size / (1 << 20)},
                )
                report(f"{LAST} after migrating", apart(now, "ask", str(old), list(QUESTIONS)[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

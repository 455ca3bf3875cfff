"""Random events, and what a query means said without any index."""

import random
from collections.abc import Iterable

from killtrail.model import events as ev
from killtrail.model.events import Event, ProcessExited, Provenance, Recorded, SignalSent
from killtrail.model.process import Argv, Key, Process
from killtrail.model.query import Query, key_of
from killtrail.model.target import Kind
from killtrail.model.wait_status import WaitStatus

CONTAINERS = tuple(letter * 64 for letter in "0abf")
NAMES = ("nginx", "java", "sh", "a-name-of-many-letters", "wörker", "bad\udcff", "x.y")
CGROUPS = (
    None,
    "/system.slice/nginx.service",
    "/system.slice/x.y.service",
    "/user.slice/app-gnome-org.mozilla.java-22.scope",
    *(f"/system.slice/docker-{number}.scope" for number in CONTAINERS),
)


class Maker:
    """Makes events of few processes, so that much is found under each word."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.places = 0
        self.gone: set[Key] = set()

    def many(self, count: int) -> list[Recorded]:
        """Events in no order of time."""
        return [self._event() for _ in range(count)]

    def _place(self) -> Provenance:
        self.places += 1
        return Provenance("bpf", f"kills:{self.places}")

    def _process(self, *, bare: bool = False) -> Process:
        pick = self.rng.choice
        key = Key(pick(range(1, 25)), pick((100, 20_000_000_000, 40_000_000_000)))
        if bare:
            return Process(key, comm=pick(NAMES)[:15])
        folder = pick(("/usr/bin/", "/opt/", ""))
        exe = pick((None, folder + pick(NAMES)))
        argv = pick((None, Argv((folder + pick(NAMES), "-x")), Argv(())))
        return Process(key, pick(NAMES)[:15], key.tgid + pick((0, 3)), pick((None, "thread")), exe, argv, cgroup=pick(CGROUPS))  # fmt: skip

    def _event(self) -> Recorded:
        pick = self.rng.choice
        # Few moments: several events of one are the hard case.
        time_ns, place = pick(range(1000, 1400)), self._place()
        rare = ("oom", "thread", "replaced", "note", "orphaned")
        kind = pick(("signal",) * 5 + ("exit",) * 5 + rare)
        if kind == "signal":
            return SignalSent(time_ns, place, 9, 0, 0, True, self._process(), self._process())
        return self._exit(time_ns, place) if kind == "exit" else self._rare(kind, time_ns, place)

    def _rare(self, kind: str, time_ns: int, place: Provenance) -> Recorded:
        process = self._process()
        made: dict[str, Recorded] = {
            "oom": ev.OomVictimMarked(time_ns, place, process.key, self._process()),
            "thread": ev.ThreadDied(time_ns, place, process, WaitStatus.of_signal(11)),
            "replaced": ev.ImageReplaced(time_ns, place, process, self.rng.choice((1, 2, 40))),
            "note": self._note(time_ns, place, process),
            "orphaned": ev.OrphanedBy(time_ns, place, process),
        }
        return made[kind]

    # Each kind in turn.
    def _note(self, time_ns: int, place: Provenance, process: Process) -> Recorded:
        notes: tuple[Recorded, ...] = (
            ev.KernelLine(time_ns, place, process, "sysrq: text"),
            ev.ManagerAsked(time_ns, place, process),
            ev.LimitSet(time_ns, place, process, Key(5, 100), "RLIMIT_CPU", 1, None),
        )
        return notes[self.places % len(notes)]

    # A process exits once.
    def _exit(self, time_ns: int, place: Provenance) -> Recorded:
        pick = self.rng.choice
        gone = self._process(bare=pick((True, False)))
        if gone.key in self.gone:
            return ev.KernelLine(time_ns, place, gone, "sysrq: text")
        self.gone.add(gone.key)
        pipes = {"stdin_pipe": pick((None, 7, 8)), "exec_pipe": pick((None, 7, 9))}
        parent = pick((None, self._process(bare=True)))
        status = pick((WaitStatus.of_signal(9), WaitStatus.of_exit(0)))
        return ProcessExited(time_ns, place, gone, status, parent, **pipes)


def expected(events: Iterable[Recorded], query: Query) -> list[Recorded]:
    """What a query means, event by event."""
    held = list(events)
    signals = [e for e in held if isinstance(e, SignalSent)]
    found = [e for e in held if query.wants(type(e)) and query.window.covers(e.time_ns)]
    return [
        e for e in found if _about(e, query) and _related(e, query) and _named(e, query, signals)
    ]


def _about(event: Event, query: Query) -> bool:
    key = key_of(event)
    if query.key is not None and not (key and key.same_life(query.key)):
        return False
    pid = query.target.pid if query.target is not None and query.target.pid else query.pid
    if pid is None:
        return True
    pids = {key.tgid if key else None}
    if isinstance(event, ev.ThreadDied):
        pids.add(event.process.tid)
    if isinstance(event, ev.ImageReplaced):
        pids.add(event.old_tid)
    about = pid in pids
    return about and (query.pid is None or not isinstance(event, ev.Note | ev.OrphanedBy))


def _related(event: Event, query: Query) -> bool:
    if query.sender is not None:
        return isinstance(event, SignalSent) and event.current.key.same_life(query.sender)
    if isinstance(event, ProcessExited):
        ordinary = not event.signal and not event.asked
        return query.relates(event) and (query.ordinary or not ordinary)
    return query.parent is None and query.pipe is None


def _named(event: Event, query: Query, signals: list[SignalSent]) -> bool:
    target = query.target
    if target is None or target.kind is Kind.PID:
        return True
    if isinstance(event, ev.OomVictimMarked | ev.Note | ev.OrphanedBy):
        return False
    victim = event.target if isinstance(event, SignalSent) else event.process
    own = [victim]
    if isinstance(event, ProcessExited):
        own += [s.target for s in signals if s.target.key.same_life(victim.key)]
    return any(target.matches(each) for each in own)

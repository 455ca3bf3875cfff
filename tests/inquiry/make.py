"""Sources that hold what a test gives them, behind the real contract."""

from collections.abc import Iterator

from killtrail.inquiry.merged import Merged, OnClock
from killtrail.model.clock import NS, Boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import Event, ProcessExited, Provenance, SignalRefused, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.query import Query, key_of
from killtrail.model.signal_context import Basis
from killtrail.model.verdict import Host
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs.stream import about

BOOT = Boot("b", 1_795_000_000 * NS)
HOST = Host(BOOT, "db1", "6.18")


class Memory:
    """A source of given events. `asked` keeps the queries, `taken` counts what was read of it."""

    names = ()

    def __init__(self, kind: str, *events: Event, exact: bool = False, host: Host = HOST) -> None:
        self.id, self.exact, self.host = kind, exact, host
        self._events = sorted(events, key=lambda e: -e.time_ns)
        self.asked: list[Query] = []
        self.taken = 0

    def events(self, query: Query) -> Iterator[Event]:
        """The events for a query, the newest first."""
        self.asked.append(query)
        for event in self._events:
            key = key_of(event)
            if not query.window.covers(event.time_ns) or not query.wants(type(event)):
                continue
            if query.key is not None and (key is None or not key.same_life(query.key)):
                continue
            if isinstance(event, ProcessExited) and not query.relates(event):
                continue
            if about(event, query):
                self.taken += 1
                yield event

    def coverage(self) -> Coverage:
        """Complete from the beginning, if it is a recorder."""
        return Coverage(0, 0, 0, 0) if self.exact else Coverage()

    def close(self) -> None:
        """Nothing is open."""


def merged(*sources: Memory) -> Merged:
    """Recorders and logs of one boot, all on its clock."""
    return Merged(
        HOST,
        [s for s in sources if s.exact],
        lambda: [OnClock(s, 0) for s in sources if not s.exact],
    )


def sent(
    at: float, sig: int = 9, *, pid: int = 42, by: int = 7, source: str = "auditlog", **more
) -> SignalSent:
    """A call of kill(2) in a log."""
    kw = {"target": Process(Key(pid, None), comm="job", user=""), **more}
    return SignalSent(
        time_ns=int(at * NS), origin=Provenance(source, f"{source}:{at}:{sig}:{pid}"), sig=sig, code=0,
        result=0, group=True, current=Process(Key(by, None), comm=f"p{by}", user=""), basis=Basis.TRACER, **kw,
    )  # fmt: skip


def refused(at: float, *, pid: int = 42, by: int = 7) -> SignalRefused:
    """A kill(2) that found no process."""
    origin = Provenance("auditlog", f"refused:{at}")
    return SignalRefused(
        int(at * NS), origin, 9, "ESRCH", Process(Key(by, None), comm=f"p{by}"), pid
    )


def exited(
    at: float, status: int, *, pid: int = 42, source: str = "auditlog", **more
) -> ProcessExited:
    """An exit in a log."""
    process = Process(Key(pid, None), comm="job", user="")
    return ProcessExited(
        int(at * NS),
        Provenance(source, f"{source}:exit:{at}:{pid}"),
        process,
        WaitStatus(status),
        **more,
    )

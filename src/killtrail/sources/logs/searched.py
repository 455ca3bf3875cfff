"""One file of a text format as a source that searches, and parses only around what it finds."""

from collections.abc import Iterator
from typing import Final

from killtrail._slotted import replace
from killtrail.files.opened import Piece
from killtrail.model.clock import Boot
from killtrail.model.coverage import Coverage, Unread
from killtrail.model.events import Event, HostEvent, LoginSeen, ParseProblem
from killtrail.model.query import ALWAYS, Query
from killtrail.model.verdict import Host
from killtrail.sources.logs.literals import Form, Sought, pid_of
from killtrail.sources.logs.regions import Region, aligned, regions
from killtrail.sources.logs.stream import OF_PROCESSES, about
from killtrail.sources.logs.time_order import TimeOrder

_PROBLEMS_KEPT: Final = 100
_KEPT_MOST: Final = 4 << 20
_ASKED_OFTEN: Final = 2


class SearchedLog:
    """One file; answers by searching it backwards, so that memory is constant."""

    exact = False

    def __init__(self, kind: str, piece: Piece, form: Form, boot: Boot) -> None:
        self.id = kind
        self.host: Host = Host(boot)
        self._piece = piece
        self._form = form
        self._order = None if form.slack_ns is None else TimeOrder(piece, form.time, form.slack_ns)
        self._asked = 0
        self._kept: list[Event] | None = None
        self._problems: dict[str, ParseProblem] = {}
        if piece.cut:
            self._problems[""] = ParseProblem(kind, piece.path, piece.cut)

    @property
    def names(self) -> tuple[str, ...]:
        """The file."""
        return (self._piece.path,)

    def events(self, query: Query) -> Iterator[Event]:
        """Its events for this query, the newest first as far as the file is in order."""
        if query.window.empty:
            return iter(())
        query = resolved(query)
        self._asked += 1
        found = self._all() if self._often() else self._found(query)
        return (e for e in found if wanted(e, query))

    # Small files are read once, however many deaths are asked about.
    def _often(self) -> bool:
        return self._piece.size <= _KEPT_MOST and self._asked > _ASKED_OFTEN

    def _all(self) -> list[Event]:
        if self._kept is None:
            self._kept = list(self._found(Query()))
        return self._kept

    def _found(self, query: Query) -> Iterator[Event]:
        if self._order is None or self._order.in_order:
            return self._backwards(query)
        # Several logs in one file: what stands last need not be the newest.
        return iter(sorted(self._backwards(query), key=lambda e: -e.time_ns))

    def _backwards(self, query: Query) -> Iterator[Event]:
        window = query.window
        low, high = 0, self._piece.size
        if self._order is not None and window != ALWAYS:
            low, high = self._order.span(window)
        if query.reach is not None:
            low = max(low, high - query.reach)
        sought = Sought(self._form, query)
        for together in regions(self._piece, self._form, sought, low, high):
            found = [e for region in together for e in self._parsed(region, query)]
            found.sort(key=lambda pair: (-pair[1].time_ns, -pair[0]))
            yield from (event for _, event in found)

    def _parsed(self, region: Region, query: Query) -> Iterator[tuple[int, Event]]:
        whole = aligned(self._piece, region)
        for at, each in self._form.parse(whole.low, whole.high):
            if at not in whole.own:
                continue
            if isinstance(each, ParseProblem):
                if len(self._problems) < _PROBLEMS_KEPT:
                    self._problems.setdefault(each.where, each)
            elif wanted(each, query):
                yield at, each

    def coverage(self) -> Coverage:
        """Text proves no absence; what could not be read is known once it was tried."""
        files = (self._piece.path,) if self._piece.cut else ()
        return Coverage(
            problems=tuple(self._problems.values()),
            unread=Unread(lines=len(self._problems) - len(files), files=files),
        )

    def close(self) -> None:
        """Closes the file."""
        self._piece.close()


def resolved(query: Query) -> Query:
    """The query in full: who asks about one process wants no logins and no panics unless he says so."""
    pid = pid_of(query)
    if pid is not None and query.pid is None:
        query = replace(query, pid=pid)
    if query.kinds is not None or (pid is None and query.target is None and query.sender is None):
        return query
    return replace(query, kinds=OF_PROCESSES)


def wanted(event: Event, query: Query) -> bool:
    """Whether an event is about what a resolved query asks for."""
    if not query.wants(type(event)) or not query.window.covers(event.time_ns):
        return False
    if isinstance(event, LoginSeen) and query.pid is not None:
        return event.process.pid == query.pid
    return isinstance(event, HostEvent) or about(event, query)

"""All that a log has about one PID: hits with their senders' launchers, execs and exits, refused calls."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.model.events import (
    Event,
    LoginSeen,
    ParseProblem,
    ProcessExited,
    ProcessSeen,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import NO_ID
from killtrail.model.query import Query
from killtrail.sources.logs.audit import to_events
from killtrail.sources.logs.audit.anomalies import marks
from killtrail.sources.logs.audit.identity import login_of
from killtrail.sources.logs.audit.launch_chain import Span, Trail, Walk, chain
from killtrail.sources.logs.audit.mixed import Form
from killtrail.sources.logs.audit.names import calls
from killtrail.sources.logs.audit.record import head
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, ID, Call, parse
from killtrail.sources.logs.audit.targets import Finder, Note

_NEAR: Final = 8 << 20
"""How far around a hit the sender's failed tries are looked for."""
_TRIES_MOST: Final = 1000
_TURNS: Final = EXEC_CALLS | {"exit_group"}


class PidSearch:
    """One question about a PID; what it noticed on the way can be read afterwards."""

    def __init__(self, spans: list[Span], forms: dict[str, Form], note: Note) -> None:
        self._spans = spans
        self._forms = forms
        self._note = note
        self.gaps: list[str] = []
        self.problems: dict[str, ParseProblem] = {}

    def events(self, query: Query) -> Iterator[Event]:
        """The newest first; `query.pid` says which."""
        # Its clock ticks every few milliseconds: within a tick the serial has the order.
        order = sorted(self._about(query.pid or 0, query), key=lambda e: (e.time_ns, _serial(e)))
        return reversed(order)

    def _about(self, pid: int, query: Query) -> Iterator[Event]:
        trails = self._trails(pid, query)
        for trail in trails:
            yield to_events.sent(trail.hit, trail, _login(trail) if query.launchers else None)
        tries = _Tries(pid, trails)
        window = Window()
        for span in self._around(trails):
            texts = self._forms[span.piece.path].of_pid(pid)
            for each in window.backwards(span.piece, span.low, span.high, texts):
                yield from self._in_window(pid, each, span.piece, query, tries)

    # One pass for all of it: on a large log the reading costs as much as the search.
    def _in_window(
        self, pid: int, window: Window, piece: Piece, query: Query, tries: "_Tries"
    ) -> Iterator[Event]:
        if query.wants(ProcessSeen, ProcessExited):
            yield from self._own(pid, window, piece)
        if query.wants(SignalSent, ProcessExited):
            yield from self._crashes(pid, window, piece)
        if query.wants(SignalSent, SignalRefused) and tries.left:
            yield from tries.among(self._calls(window, piece, tries.needle))

    def _trails(self, pid: int, query: Query) -> list[Trail]:
        found: list[Trail] = []
        launchers = query.launchers and query.wants(SignalSent)
        for numeric in sorted({self._forms[s.piece.path].numeric for s in self._spans}):
            spans = [s for s in self._spans if self._forms[s.piece.path].numeric is numeric]
            walk = Walk(Finder(pid, numeric=numeric, note=self._note), launchers=launchers)
            walk.through(spans, lambda span: self._forms[span.piece.path].of_pid(pid))
            if walk.finder.orphans:
                what = f"{walk.finder.orphans} records of a target whose call is not in the log"
                path = spans[0].piece.path
                self.problems[f"{path} targets"] = ParseProblem(ID, path, what)
            found.extend(t for t in walk.trails if query.window.covers(t.hit.call.head.time_ns))
        return found

    # Hits have 8 MiB around them searched, as far as was asked about; without any it is all of that.
    def _around(self, trails: list[Trail]) -> Iterator[Span]:
        asked = [span for span in self._spans if span.asked]
        if not trails:
            yield from asked
            return
        for span in asked:
            near = sorted(t.hit.offset for t in trails if t.hit.piece is span.piece)
            end = span.low
            for offset in near:
                low, high = max(end, offset - _NEAR), min(span.high, offset + _NEAR)
                if high > low:
                    yield Span(span.piece, low, high)
                end = max(end, high)

    # What the process itself did that marks the beginning or the exit of one of its PID.
    def _own(self, pid: int, window: Window, piece: Piece) -> Iterator[Event]:
        turn = calls(_TURNS)
        for at in reversed(window.hits(b" pid=%d auid=" % pid)):
            offset, line = window.line(at)
            if turn is not None and turn.search(line):
                call = self._parsed(piece, offset, line)
                if call is not None and call.pid == pid:
                    yield from to_events.turned(call)

    def _crashes(self, pid: int, window: Window, piece: Piece) -> Iterator[Event]:
        for mark in marks(window, numeric=self._forms[piece.path].numeric):
            if mark.gap is not None:
                self.gaps.append(mark.gap)
            if to_events.process_of(mark).pid == pid:
                yield from to_events.ended(mark)

    def _calls(self, window: Window, piece: Piece, needle: bytes) -> Iterator[Call]:
        for at in reversed(window.hits(needle)):
            call = self._parsed(piece, *window.line(at))
            if call is not None and call.name in to_events.NUMBERED:
                yield call

    def _parsed(self, piece: Piece, offset: int, line: bytes) -> Call | None:
        call = parse(piece, offset, line)
        if call is None and (of := head(line)) is not None and of.kind == b"SYSCALL":
            self._note(piece, offset, line)
        return call


class _Tries:
    """Calls with a PID's number for which no record names the target.

    Around a hit those of the same sender count: tries that found no process show a killer with a stale
    PID. Without any hit they are all there is.
    """

    def __init__(self, pid: int, trails: list[Trail]) -> None:
        self._pid = pid
        self._known = {t.hit.call.head.event for t in trails}
        self._proven = {t.hit.call.pid for t in trails if t.hit.call.args[0] == pid}
        self._all = not trails
        self.needle: bytes = b" a0=%x a1=" % pid
        self.left: int = _TRIES_MOST

    def among(self, found: Iterator[Call]) -> Iterator[Event]:
        """Those of these calls that count, at most as many as are left."""
        for call in islice(found, self.left):
            self.left -= 1
            proven = call.pid in self._proven
            if (self._all or proven) and call.signal and call.head.event not in self._known:
                yield to_events.by_number(call, self._pid, proven=proven)


def _serial(event: Event) -> int:
    return int(event.origin.where.rpartition(":")[2].rstrip(")"))


def _login(trail: Trail) -> LoginSeen | None:
    session = trail.hit.call.session
    if session == NO_ID:
        return None
    records: list[Call] = [n.record for n in chain(trail.sender) if n.record is not None]
    same = [r for r in records if r.session == session and r.piece is trail.hit.piece]
    return login_of(same[-1] if same else trail.hit.call)

"""The audit log of one host as kept evidence."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.model import syscalls
from killtrail.model.clock import Boot
from killtrail.model.events import Event, LoginSeen, Loss, ParseProblem, SignalSent
from killtrail.model.process import NO_ID
from killtrail.model.verdict import Host
from killtrail.sources.kept import Asked
from killtrail.sources.logs.audit import to_events
from killtrail.sources.logs.audit.anomalies import Mark, marks
from killtrail.sources.logs.audit.identity import login_of
from killtrail.sources.logs.audit.launch_chain import Span, Trail, Walk, chain
from killtrail.sources.logs.audit.record import HEAD, head
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, ID, Call, parse
from killtrail.sources.logs.audit.targets import Finder, Hit
from killtrail.sources.logs.audit.time_ranges import in_order, spans

_NEAR: Final = 8 << 20
"""How far around a hit the sender's failed tries are looked for."""
_TRIES_MOST: Final = 1000
_ENDS: Final = syscalls.numbers(EXEC_CALLS | {"exit_group"})
_TURN: Final = rb" syscall=(?:%s) " % b"|".join(b"%d" % n for n in sorted(_ENDS))
"""By call number on all known ABIs; parsed, then checked. Compiled at the first use."""


def looks(sample: bytes) -> bool:
    """Whether the beginning of a file is an audit log's."""
    return any(head(line) is not None for line in sample.split(b"\n")[:200])


class AuditLog:
    """Answers by searching; nothing is loaded, indexed or kept."""

    id = ID
    newest_first = True

    def __init__(self, pieces: list[Piece], name: str | None = None) -> None:
        self._pieces = in_order(pieces)
        self.host = Host(Boot("", 0), name)
        self._numeric = {p.path: _numeric(p.head()) for p in pieces}
        self._gaps: dict[str, None] = {}
        self._problems = [ParseProblem(ID, p.path, p.cut) for p in pieces if p.cut]

    @property
    def names(self) -> tuple[str, ...]:
        """The files, oldest first."""
        return tuple(piece.path for piece in self._pieces)

    def events(self, asked: Asked) -> Iterator[Event]:
        """Signals to a process, with the launchers of their senders; its crashes; failed attempts."""
        if asked.pid is None:
            yield from self._all(asked)
        else:
            # Its clock ticks every few milliseconds: within a tick the serial gives the order.
            yield from sorted(self._about(asked.pid, asked), key=lambda e: (e.time_ns, _serial(e)))

    def _about(self, pid: int, asked: Asked) -> Iterator[Event]:
        trails = self._trails(asked)
        for trail in trails:
            yield to_events.sent(trail.hit, trail, _login(trail))
        around = list(self._around(asked, trails))
        yield from _own(pid, around)
        yield from self._crashes(pid, around)
        yield from self._by_number(pid, around, trails)

    def _trails(self, asked: Asked) -> list[Trail]:
        found: list[Trail] = []
        for numeric in sorted(set(self._numeric.values())):
            pieces = [p for p in self._pieces if self._numeric[p.path] is numeric]
            walk = Walk(Finder(asked.pid, numeric=numeric), launchers=asked.launchers)
            walk.through(spans(pieces, asked.since_ns, asked.until_ns))
            if walk.finder.orphans:
                what = f"{walk.finder.orphans} records of a target whose call is not in the log"
                self._problems.append(ParseProblem(ID, pieces[-1].path, what))
            found.extend(t for t in walk.trails if asked.within(t.hit.call.head.time_ns))
        return found

    # Everything, newest first: a list of deaths stops when it is long enough.
    def _all(self, asked: Asked) -> Iterator[Event]:
        for window, numeric in self._windows(asked):
            finder = Finder(None, numeric=numeric, within=asked.within)
            found: list[tuple[int, Hit | Mark]] = []
            for at in finder.spots(window):
                hit = finder.hit(window, at)
                if hit is not None and hit.call.signal:
                    found.append((hit.offset, hit))
            inside = (m for m in marks(window, numeric=numeric) if asked.within(m.head.time_ns))
            found.extend((mark.offset, mark) for mark in inside)
            for _, each in sorted(found, key=lambda pair: -pair[0]):
                yield from _converted(each)

    def _crashes(self, pid: int, around: list[Span]) -> Iterator[Event]:
        window = Window()
        for span in around:
            numeric = self._numeric[span.piece.path]
            for each in window.backwards(span.piece, span.low, span.high):
                for mark in marks(each, numeric=numeric):
                    self._note_gap(mark)
                    yield from (e for e in to_events.ended(mark) if _about(e, pid))

    def _note_gap(self, mark: Mark) -> None:
        if mark.head.kind in (b"DAEMON_END", b"DAEMON_ABORT"):
            place = mark.piece.place(mark.offset)
            self._gaps[f"auditd was not running (it stopped at {place}, {mark.head.id})"] = None

    def _windows(self, asked: Asked) -> Iterator[tuple[Window, bool]]:
        window = Window()
        for span in spans(self._pieces, asked.since_ns, asked.until_ns):
            if span.asked:
                for each in window.backwards(span.piece, span.low, span.high):
                    yield each, self._numeric[span.piece.path]

    # Calls with its PID for which no record names the target. Around a signal those of the same
    # sender count: attempts without a target show a killer with a stale PID. Without any signal
    # they are all there is.
    def _by_number(self, pid: int, around: list[Span], trails: list[Trail]) -> Iterator[Event]:
        known = {t.hit.call.head.event for t in trails}
        proven = {t.hit.call.pid for t in trails if t.hit.call.args[0] == pid}
        for call in islice(_calls(around, b" a0=%x a1=" % pid), _TRIES_MOST):
            theirs = not trails or call.pid in proven
            if theirs and call.signal and call.head.event not in known:
                yield to_events.by_number(call, pid, proven=call.pid in proven)

    def _around(self, asked: Asked, trails: list[Trail]) -> Iterator[Span]:
        if not trails:
            whole = spans(self._pieces, asked.since_ns, asked.until_ns)
            yield from (span for span in whole if span.asked)
            return
        for path in {t.hit.piece.path for t in trails}:
            near = sorted(
                (t.hit for t in trails if t.hit.piece.path == path), key=lambda h: h.offset
            )
            end = -1
            for hit in near:
                low, high = max(end, hit.offset - _NEAR, 0), min(hit.piece.size, hit.offset + _NEAR)
                if high > low:
                    yield Span(hit.piece, low, high)
                end = max(end, high)

    def loss(self) -> Loss:
        """The log does not count missing records, but it shows when its daemon was not running."""
        return Loss(events=None, problems=tuple(self._problems), gaps=tuple(self._gaps))

    def close(self) -> None:
        """Closes the files."""
        for piece in self._pieces:
            piece.close()


def _numeric(sample: bytes) -> bool:
    for line in sample.split(b"\n")[:200]:
        match = HEAD.match(line)
        if match is not None and head(line) is not None:
            return match["number"] is not None
    return False


def _converted(each: Hit | Mark) -> list[Event]:
    return [to_events.sent(each)] if isinstance(each, Hit) else to_events.ended(each)


def _calls(around: list[Span], needle: bytes) -> Iterator[Call]:
    window = Window()
    for span in around:
        for each in window.backwards(span.piece, span.low, span.high):
            for at in reversed(each.hits(needle)):
                call = parse(span.piece, *each.line(at))
                if call is not None and call.name in to_events.NUMBERED:
                    yield call


# The process's own calls that mark its start or its exit.
def _own(pid: int, around: list[Span]) -> Iterator[Event]:
    window, turn = Window(), re.compile(_TURN)
    needle = b" pid=%d auid=" % pid
    for span in around:
        for each in window.backwards(span.piece, span.low, span.high):
            for at in reversed(each.hits(needle)):
                offset, line = each.line(at)
                call = parse(span.piece, offset, line) if turn.search(line) else None
                if call is not None and call.pid == pid:
                    yield from to_events.turned(call)


def _serial(event: Event) -> int:
    return int(event.origin.where.rpartition(":")[2].rstrip(")"))


def _about(event: Event, pid: int) -> bool:
    return (event.target.pid if isinstance(event, SignalSent) else event.process.pid) == pid  # type: ignore[union-attr]


def _login(trail: Trail) -> LoginSeen | None:
    session = trail.hit.call.session
    if session == NO_ID:
        return None
    records: list[Call] = [n.record for n in chain(trail.sender) if n.record is not None]
    same = [r for r in records if r.session == session and r.piece is trail.hit.piece]
    return login_of(same[-1] if same else trail.hit.call)

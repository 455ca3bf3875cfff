"""Processes that were started under a name and hit under another: by their exec, and what came after.

OBJ_PID has the victim's name of that moment and no program: a server that calls itself "worker 3", a
script by its interpreter. What a PID did last before it was hit shows whether it was still that program.
"""

from collections.abc import Iterator
from typing import Final

from killtrail._slotted import replace
from killtrail.files.search import Window
from killtrail.model.events import Event, SignalSent
from killtrail.model.target import Target
from killtrail.sources.logs.audit import commandline, to_events
from killtrail.sources.logs.audit.launch_chain import Span
from killtrail.sources.logs.audit.newest_first import Found
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, Call, parse
from killtrail.sources.logs.audit.targets import Finder, Hit

_NEAR: Final = 1 << 17
_READ_MOST: Final = 1 << 30
"""Bytes that may be searched for what processes did last; hits beyond are left out."""


class Renamed:
    """The hits on processes of which an exec is known.

    `target`: hits on who had its name are left out; `spans`: what may be searched, newest first.
    """

    def __init__(self, target: Target, execs: list[Call], spans: list[Span]) -> None:
        self._target = target
        self._execs: dict[int, list[Call]] = {}
        for each in execs:
            self._execs.setdefault(each.pid, []).append(each)
        self._spans = spans
        self._left = _READ_MOST

    @property
    def pids(self) -> frozenset[int]:
        """What a finder is to look for."""
        return frozenset(self._execs)

    def found(self, window: Window, finder: Finder) -> Iterator[Found]:
        """The hits in a window, of those that `finder` finds."""
        for at in finder.spots(window):
            hit = finder.hit(window, at)
            if hit is None or not hit.call.signal or self._target.matches(to_events.target(hit)):
                continue
            started = self._program(hit)
            if started is not None:
                yield _found(hit, started)

    # Whatever the PID did before, back to its exec, has to be that program's doing.
    def _program(self, hit: Hit) -> Call | None:
        ran: str | None = None
        for call in self._before(hit):
            if call.name in EXEC_CALLS:
                known = [e for e in self._execs[hit.pid] if e.head.event == call.head.event]
                return known[0] if known and ran in (None, call.exe) else None
            if ran is not None and call.exe != ran:
                return None
            ran = call.exe
        return None

    def _before(self, hit: Hit) -> Iterator[Call]:
        window, needle = Window(_NEAR), b" pid=%d auid=" % hit.pid
        first = next(n for n, span in enumerate(self._spans) if span.piece is hit.piece)
        for span in self._spans[first:]:
            high = min(span.high, hit.offset) if span.piece is hit.piece else span.high
            for each in window.backwards(span.piece, span.low, high):
                self._left -= each.last - each.first
                if self._left < 0:
                    return
                for at in reversed(each.hits(needle)):
                    call = parse(span.piece, *each.line(at))
                    if call is not None and call.pid == hit.pid and _tells(call):
                        yield call


# A refused exec changes nothing, and its record has the program that asked for it.
def _tells(call: Call) -> bool:
    return call.name not in EXEC_CALLS or call.success


def _found(hit: Hit, started: Call) -> Found:
    def events() -> Iterator[Event]:
        event = to_events.sent(hit)
        if isinstance(event, SignalSent):
            program = started.process(commandline.of_exec(started))
            known = replace(event.target, exe=program.exe, argv=program.argv)
            yield replace(event, target=known)

    return Found(hit.call.head, hit.offset, hit.pid, events)

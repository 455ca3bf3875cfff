"""Text formats that are parsed from the beginning: one file as a source, and their descriptor."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.clock import Boot
from killtrail.model.coverage import Coverage, Unread
from killtrail.model.events import (
    Event,
    ImageReplaced,
    OomKilled,
    OomVictimMarked,
    ParseProblem,
    ProcessExited,
    ProcessSeen,
    SignalRefused,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Process
from killtrail.model.query import Query
from killtrail.model.verdict import Host
from killtrail.sources.base import Descriptor, Match, Opened
from killtrail.sources.logs.literals import holds

Parser = Callable[[Piece], Iterator[Event | ParseProblem]]
WALL: Final = Boot("", 0)
"""The clock of entries with dates."""
SINCE_BOOT: Final = Boot("", None)
"""The clock of entries that count from a boot whose date is not known."""
UNTIMED: Final = Boot("", None, timed=False)
"""Entries without times: only their order is known."""
OF_PROCESSES: Final = (
    SignalSent,
    SignalRefused,
    OomKilled,
    OomVictimMarked,
    ProcessExited,
    ProcessSeen,
    ThreadDied,
    ImageReplaced,
)
"""Events that have a victim: all that a question about one process is answered with."""
_PROBLEMS_KEPT: Final = 100
_KEPT_MOST: Final = 4 << 20


class Stream:
    """One file of a format as a source.

    `plain`: its PIDs and names stand in the file as they are, in ASCII, and all its events are about
    processes.
    """

    exact = False

    def __init__(
        self, kind: str, piece: Piece, parse: Parser, boot: Boot, *, plain: bool = False
    ) -> None:
        self.id = kind
        self.host: Host = Host(boot)
        self._piece = piece
        self._parse = parse
        self._plain = plain
        self._kept: list[Event | ParseProblem] | None = None
        self._problems: dict[str, ParseProblem] = {}
        if piece.cut:
            self._problems[""] = ParseProblem(kind, piece.path, piece.cut)

    @property
    def names(self) -> tuple[str, ...]:
        """The file."""
        return (self._piece.path,)

    def events(self, query: Query) -> Iterator[Event]:
        """Its events for this query, the newest first."""
        if self._plain and self._piece.size > _KEPT_MOST and not holds(self._piece, query):
            return iter(())
        found: list[Event] = []
        for each in self._all():
            if isinstance(each, ParseProblem):
                self._note(each)
            elif (
                query.window.covers(each.time_ns) and query.wants(type(each)) and about(each, query)
            ):
                found.append(each)
        found.sort(key=lambda e: e.time_ns)
        return reversed(found)

    def _note(self, problem: ParseProblem) -> None:
        if len(self._problems) < _PROBLEMS_KEPT:
            self._problems.setdefault(problem.where, problem)

    # Small files are read once for any number of deaths.
    def _all(self) -> Iterable[Event | ParseProblem]:
        if self._piece.size > _KEPT_MOST:
            return self._parse(self._piece)
        if self._kept is None:
            self._kept = list(self._parse(self._piece))
        return self._kept

    def coverage(self) -> Coverage:
        """Text proves no absence; what could not be read is known once it was tried."""
        files = (self._piece.path,) if self._piece.cut else ()
        return Coverage(problems=tuple(self._problems.values()), unread=Unread(files=files))

    def close(self) -> None:
        """Closes the file."""
        self._piece.close()


def about(event: Event, query: Query) -> bool:
    """Whether an event is about the PID, the sender and the target of a query.

    Events without a victim (logins, host events) pass: whose they are shows only beside others.
    """
    if query.sender is not None:
        return isinstance(event, SignalSent) and event.current.pid == query.sender.tgid
    if isinstance(event, SignalRefused):
        return query.pid in (None, event.pid) and query.target is None
    victim = victim_of(event)
    if victim is None:
        return True
    if query.pid is not None and victim.pid != query.pid:
        return False
    return query.names(victim)


def victim_of(event: Event) -> Process | None:
    """The process whose exit an event bears on; None where it bears on no single one."""
    if isinstance(event, SignalSent):
        return event.target
    if isinstance(event, OomKilled):
        return event.victim
    if isinstance(event, OomVictimMarked):
        return Process(event.victim)
    if isinstance(event, ProcessExited | ProcessSeen | ThreadDied | ImageReplaced):
        return event.process
    return None


def text_format(  # noqa: PLR0913 -- a descriptor has this many sides
    kind: str,
    looks: Callable[[bytes], bool],
    parse: Parser,
    clock: Callable[[bytes], Boot] | Boot,
    *,
    what: str,
    yields: str,
    silent_about: str,
    says_of_clock: str,
    needs: str = "the file; no root, nothing installed",
    completeness: str = "text: what is missing does not show",
    places: tuple[str, ...] = (),
) -> Descriptor:
    """The descriptor of a format whose files are read one by one from their beginning."""

    def opened(pieces: list[Piece]) -> Opened:
        return Opened(
            tuple(
                Stream(
                    kind,
                    p,
                    parse,
                    clock if isinstance(clock, Boot) else clock(p.head()),
                    plain=b"\\x" not in p.head() and b"\0" not in p.head(),
                )
                for p in pieces
            )
        )

    return Descriptor(
        id=kind,
        what=what,
        yields=yields,
        silent_about=silent_about,
        needs=needs,
        clock=says_of_clock,
        completeness=completeness,
        places=places,
        looks=lambda _piece, sample: Match.WHOLE if looks(sample) else Match.NO,
        open_files=opened,
    )

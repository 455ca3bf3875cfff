"""Small text formats: read from the start each time; only requested events are kept."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.clock import Boot
from killtrail.model.events import (
    Event,
    HostEvent,
    KernelLine,
    LoginSeen,
    Loss,
    OomKilled,
    OomVictimMarked,
    ParseProblem,
    SignalRefused,
    SignalSent,
)
from killtrail.model.verdict import Host
from killtrail.sources.kept import Asked

Parser = Callable[[Piece], Iterator[Event | ParseProblem]]
_PROBLEMS_KEPT: Final = 100
_KEPT_MOST: Final = 4 << 20


class Stream:
    """One file of a text format as kept evidence."""

    newest_first = False

    def __init__(self, kind: str, piece: Piece, parse: Parser, boot: Boot) -> None:
        self.id = kind
        self.host = Host(boot)
        self._piece = piece
        self._parse = parse
        self._kept: list[Event | ParseProblem] | None = None
        self._problems: dict[str, ParseProblem] = {}
        if piece.cut:
            self._problems[""] = ParseProblem(kind, piece.path, piece.cut)

    @property
    def names(self) -> tuple[str, ...]:
        """The file."""
        return (self._piece.path,)

    def events(self, asked: Asked) -> Iterator[Event]:
        """Its events about that process, in the order of the file."""
        for found in self._all():
            if isinstance(found, ParseProblem):
                if len(self._problems) < _PROBLEMS_KEPT:
                    self._problems.setdefault(found.where, found)
            elif isinstance(found, LoginSeen):
                # Whether it is a launcher is known only when the chain is known.
                yield found
            elif asked.within(found.time_ns) and (asked.pid is None or asked.pid in about(found)):
                yield found

    # Small files are read once for any number of deaths.
    def _all(self) -> Iterable[Event | ParseProblem]:
        if self._piece.size > _KEPT_MOST:
            return self._parse(self._piece)
        if self._kept is None:
            self._kept = list(self._parse(self._piece))
        return self._kept

    def loss(self) -> Loss:
        """What could not be read."""
        return Loss(events=None, problems=tuple(self._problems.values()))

    def close(self) -> None:
        """Closes the file."""
        self._piece.close()


def about(event: Event) -> set[int]:
    """The PIDs whose exit an event concerns."""
    if isinstance(event, SignalSent):
        return {event.target.pid}
    if isinstance(event, OomVictimMarked):
        return {event.victim.tgid}
    if isinstance(event, OomKilled):
        return {event.victim.pid}
    if isinstance(event, SignalRefused):
        return set() if event.pid is None else {event.pid}
    if isinstance(event, KernelLine | HostEvent | LoginSeen):
        return set()
    return {event.process.pid}

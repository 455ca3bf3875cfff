"""What a format's lines are found by before any of them is parsed."""

from collections.abc import Iterator
from typing import Final, Protocol

from killtrail._slotted import dataclass
from killtrail.files.opened import Piece
from killtrail.model.events import Event, HostEvent, LoginSeen, ParseProblem
from killtrail.model.query import Query
from killtrail.model.target import Kind

_VICTIMLESS: Final = (HostEvent, LoginSeen)
"""Whose they are shows only beside others: no PID and no name leaves them out."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes of which one stands in every line that gives an event of these kinds."""

    text: bytes
    kinds: tuple[type[Event], ...]
    report: bytes = b""
    """To a line that holds this, too, lines before it belong, back to where its report begins."""
    before: int = 0
    """Bytes of context that it needs before it."""
    after: int = 0
    """Bytes after it in which its event may be completed."""
    opaque: bool = False
    """The line's text is encoded: no name can be sought in it."""

    def narrowed(self, query: Query) -> bool:
        """Whether the PID or the name asked for has to stand near it."""
        if self.opaque or query.kinds is None:
            return not self.opaque
        return not any(kind in self.kinds for kind in _VICTIMLESS if query.wants(kind))


class Form(Protocol):
    """One file of a format whose lines can be parsed from anywhere."""

    literals: tuple[Literal, ...]
    carriers: tuple[bytes, ...]
    """Lines with one of these may hold a name that counts for a later line of the same report."""
    near: int
    """How far before a line a carrier may stand, in bytes."""
    slack_ns: int | None
    """How far a line's time may be out of order; None = times don't order the file."""

    def parse(self, low: int, high: int) -> Iterator[tuple[int, Event | ParseProblem]]:
        """(offset of its line, event) of the lines in [low, high); both are beginnings of lines."""
        ...

    def begins(self, offset: int) -> int:
        """Where the report begins that the line at an offset is the last of."""
        ...

    def time(self, raw: bytes) -> int | None:
        """When a line was written."""
        ...


class Sought:
    """What a query makes of a form's literals."""

    def __init__(self, form: Form, query: Query) -> None:
        self.literals: list[Literal] = [
            each for each in form.literals if any(query.wants(kind) for kind in each.kinds)
        ]
        self.near: int = form.near
        self.carriers: tuple[bytes, ...] = form.carriers
        self.needles: tuple[bytes, ...] = needles(query)
        self.digits: bool = bool(self.needles) and self.needles[0].isdigit()
        self._narrowed = {each.text: each.narrowed(query) for each in self.literals}
        self.always: list[Literal] = [e for e in self.literals if not self.narrows(e)]
        self.texts: tuple[bytes, ...] = (*self.needles, *(each.text for each in self.always))
        """Of which one stands in, or beside, whatever is found."""

    def narrows(self, literal: Literal) -> bool:
        """Whether a needle has to stand near this literal."""
        return bool(self.needles) and self._narrowed[literal.text]


def needles(query: Query) -> tuple[bytes, ...]:
    """Bytes of which one stands near everything that this query is about; empty = nothing is known."""
    pid = pid_of(query)
    if query.sender is not None:
        # systemd sends as PID 1, and its lines don't say so.
        return (b"%d" % query.sender.tgid,) if query.sender.tgid > 1 else ()
    if pid is not None:
        # Lines about a unit name no PID: their processes have PID 0.
        return (b"%d" % pid,) if pid else ()
    if query.target is None:
        return ()
    return tuple(word.encode("utf-8", "surrogateescape") for word in query.target.words())


def pid_of(query: Query) -> int | None:
    """The PID that a query is about, however it says so."""
    if query.pid is not None:
        return query.pid
    if query.key is not None:
        return query.key.tgid
    target = query.target
    return target.pid if target is not None and target.kind is Kind.PID else None


def holds(piece: Piece, query: Query) -> bool:
    """Whether a file holds any of a query's needles at all."""
    from killtrail.files.search import Window  # noqa: PLC0415 -- small files are just parsed

    wanted = needles(query)
    if not wanted:
        return True
    return any(
        window.within(needle, window.first, window.end, 1)
        for window in Window().backwards(piece, 0, piece.size, wanted)
        for needle in wanted
    )

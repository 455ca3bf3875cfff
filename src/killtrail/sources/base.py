"""One contract for all evidence, live and kept, and how a kind of evidence describes itself."""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Protocol, runtime_checkable

from killtrail._slotted import dataclass
from killtrail.files.opened import Piece
from killtrail.model.coverage import Coverage
from killtrail.model.events import Event
from killtrail.model.query import Query
from killtrail.model.verdict import Host


class Source(Protocol):
    """Evidence of one host on one clock.

    `exact`: its processes have start times, so that two of one PID can be told apart. All others
    know PIDs alone.
    """

    @property
    def id(self) -> str:
        """The descriptor it belongs to."""
        ...

    @property
    def exact(self) -> bool:
        """Whether its processes have start times."""
        ...

    @property
    def host(self) -> Host:
        """The machine and the clock it speaks of."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The files it stands in, if it stands in files."""
        ...

    def events(self, query: Query) -> Iterator[Event]:
        """What it holds for this query, the newest first, read no further than the caller reads."""
        ...

    def coverage(self) -> Coverage:
        """How far it can be relied on. What could not be read counts from when it was tried."""
        ...

    def close(self) -> None:
        """Closes descriptors."""
        ...


@runtime_checkable
class ListsUnits(Protocol):
    """A source with an index of units."""

    def units(self) -> list[str]:
        """Units that it has entries about: no search, and no proof that any of them died."""
        ...


class Match(Enum):
    """How much of a file is of one format."""

    NO = auto()
    PART = auto()
    """Some of its lines are: other formats may claim the rest."""
    WHOLE = auto()


@dataclass(frozen=True, slots=True)
class Usable:
    """Whether a source is usable here: a reason and a remedy if not."""

    usable: bool
    says: str
    remedy: str | None = None
    damaged: bool = False
    """It is there, but can't be read."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What could be made of a set of files: sources, and files that could not be read, with reasons."""

    sources: tuple[Source, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    """(path, reason)"""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A kind of evidence in its own words: doctor, docs and what is absent from verdicts come from it.

    It is declared in the format's own module, which `catalogue` lists. A source that can be asked on
    this host has `probe` and `open_here`; a format of files has `looks` and `open_files`.
    """

    id: str
    what: str
    yields: str
    silent_about: str
    needs: str
    clock: str
    completeness: str
    places: tuple[str, ...] = ()
    """Where a host keeps it: absolute paths, may hold `*`."""
    probe: Callable[[], Usable] | None = None
    open_here: Callable[[], list[Source]] | None = None
    looks: Callable[[Piece, bytes], Match] | None = None
    """From a file and its first 64 KiB."""
    open_files: Callable[[list[Piece]], Opened] | None = None
    """All the files of this format together; it closes those it makes no source of."""

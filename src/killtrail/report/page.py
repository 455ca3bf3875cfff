"""What a person reads, as structure: a page of sections. Renderers decide how it looks.

Text is one renderer (`report.text`). Nothing here counts columns, draws or colours. All text on a
page is safe to print: `page()` escapes every string of it, once, whatever process or log it came
from.
"""

from typing import Any, TypeAlias

from killtrail._slotted import dataclass, fields, is_dataclass
from killtrail.model.certainty import Certainty
from killtrail.model.text import visible


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One thought; `note` qualifies it, `depth` says below which of the blocks before it stands."""

    text: str
    note: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step back in a chain: the process that started the one before it."""

    text: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Cited:
    """What a record says, apart from where it can be looked up; `time` as `report.when` writes it."""

    says: str
    source: str
    where: str
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A named value; a page may have many of one name."""

    name: str
    text: str
    note: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run, as one could type it, and what it gives."""

    line: str
    gives: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `rank` 0 is always shown; where room is short the highest goes first."""

    name: str
    right: bool = False
    rank: int = 0
    width: int = 0
    """Columns kept for it at least, where rows are printed one by one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table; the last cell may be cut, its `tail` is not.

    `lead` stands before the last cell where a ranked column is left out: what may not be lost.
    """

    cells: tuple[str, ...]
    tail: str | None = None
    lead: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a header."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


Block: TypeAlias = Paragraph | Step | Cited | Field | Command | Table


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under one label; `heading` says that the label stands over them, not beside them."""

    label: str
    blocks: tuple[Block, ...]
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. Made by `page()`, which makes it safe to print.

    `title` is a sentence for a ticket, empty for a bare list; `certainty` is how sure it is, where
    the page makes one claim.
    """

    title: str
    certainty: Certainty | None
    sections: tuple[Section, ...]

    def text(self, width: int = 100) -> str:
        """The page as plain text, in lines of at most `width` characters."""
        from killtrail.report import text  # noqa: PLC0415 -- one renderer of several

        return "\n".join(text.lines(self, width))


def page(title: str, certainty: Certainty | None, sections: tuple[Section, ...]) -> Page:
    """A page without the empty sections, every string of it escaped."""
    made: Page = safe(Page(title, certainty, tuple(s for s in sections if s.blocks)))
    return made


def safe(value: Any) -> Any:  # noqa: ANN401 -- a walk over any field
    """The same page, section, block or row with every string escaped."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(safe(item) for item in value)
    if is_dataclass(value):
        return type(value)(*(safe(getattr(value, each.name)) for each in fields(value)))
    return value

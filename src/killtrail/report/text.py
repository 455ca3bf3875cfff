"""Pages as text: plain anywhere, colour on a terminal."""

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final, TextIO, TypeAlias

from killtrail._slotted import dataclass
from killtrail.model.certainty import Certainty
from killtrail.report.columns import columns, screen_columns
from killtrail.report.page import (
    Block,
    Cited,
    Column,
    Command,
    Field,
    Page,
    Paragraph,
    Row,
    Section,
    Step,
    Table,
)

NARROWEST, WIDEST = 40, 120
"""Lines of prose are never narrower or wider, whatever the terminal."""
_LABEL: Final = 12
_HANGING: Final = "  "
_ROOM: Final = 44
"""What the last column of a table gets before others are left out."""
_LEAST: Final = 6
"""What a cut cell keeps beside its tail."""

# ECMA-48 SGR: 1 bold, 2 dim, 3x colours.
_BOLD, _DIM, _NAME = "1", "2", "1;36"
_COLOUR: Final = {
    Certainty.ESTABLISHED: "1;32",
    Certainty.LIKELY: "1;33",
    Certainty.POSSIBLE: "1;33",
    Certainty.NOT_ESTABLISHED: "1;31",
}
_Span: TypeAlias = tuple[str, str]
"""Text and the SGR parameters for it."""


@dataclass(frozen=True, slots=True)
class _Style:
    """How lines are written: width (None = unlimited), colour, and what the stream can encode."""

    width: int | None
    colour: bool
    encoding: str

    def clean(self, text: str) -> str:
        """The text in characters that the stream has; escaping changes lengths, so before wrapping."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            plain = text.replace("…", "...")
            return plain.encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text


def width() -> int:
    """Columns for prose: the terminal's (COLUMNS overrides), within reason."""
    return max(NARROWEST, min(WIDEST, columns()))


def wants_colour(stream: TextIO) -> bool:
    """NO_COLOR (no-color.org) and TERM=dumb say no, FORCE_COLOR yes, else a terminal decides."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def show(page: Page, stream: TextIO | None = None) -> None:
    """Prints a page."""
    out = stream or sys.stdout
    made = lines(
        page, width(), wants_colour(out), encoding=_encoding(out), table_width=screen_columns(out)
    )
    out.write("".join(f"{line}\n" for line in made))


def show_row(head: tuple[Column, ...], row: Row | None, stream: TextIO | None = None) -> None:
    """Prints one row of a table that grows, or (None) its header; `row` is safe to print."""
    out = stream or sys.stdout
    style = _Style(screen_columns(out), wants_colour(out), _encoding(out))
    sizes = [max(each.width, len(each.name)) for each in head]
    out.write(_row(head, sizes, row, style) + "\n")
    out.flush()


def _encoding(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def lines(
    page: Page,
    columns: int,
    colour: bool = False,  # noqa: FBT001, FBT002 -- lines(page, 80, True) is what a test reads best
    *,
    encoding: str = "utf-8",
    table_width: int | None = None,
) -> list[str]:
    """The page in lines of at most `columns` characters, and colour codes.

    Tables have `table_width`, None for as wide as they are: what reads a pipe wants whole rows.
    """
    style = _Style(columns, colour, encoding)
    made: list[str] = []
    if page.title:
        shade = _BOLD if page.certainty is None else _COLOUR[page.certainty]
        made += _wrap([(page.title, shade)], style, "", "")
    indent = _label_width(page, columns)
    previous: Section | None = None
    for section in page.sections:
        if made and (previous is None or section.heading or previous.heading):
            made.append("")
        made += _section(section, indent, style, table_width)
        previous = section
    return made


def _label_width(page: Page, columns: int) -> int:
    beside = [len(s.label) for s in page.sections if not s.heading and s.label]
    return min(max([_LABEL, *(size + 2 for size in beside)]), columns // 4)


def _section(section: Section, indent: int, style: _Style, table_width: int | None) -> list[str]:
    if section.heading:
        head = _wrap([(section.label, _NAME)], style, "", _HANGING) if section.label else []
        left = _HANGING if section.label else ""
        return head + list(_blocks(section.blocks, left, style, table_width))
    if not section.label:
        return list(_blocks(section.blocks, "", style, table_width))
    body = list(_blocks(section.blocks, " " * indent, style, table_width))
    label = style.clean(section.label)
    name = _shaded(label, _NAME, style)
    if len(label) >= indent:
        return [name, *body]
    return [name + body[0][len(label) :], *body[1:]]


def _blocks(
    blocks: Iterable[Block], left: str, style: _Style, table_width: int | None
) -> Iterator[str]:
    listed = tuple(blocks)
    names = {depth: _name_width(listed, depth) for depth in {_depth(b) for b in listed}}
    for block in listed:
        inner = left + _HANGING * _depth(block)
        if isinstance(block, Table):
            yield from _table(block, _Style(table_width, style.colour, style.encoding))
        elif isinstance(block, Field):
            yield from _field(block, names[block.depth], inner, style)
        else:
            yield from _wrap(_spans(block), style, inner, inner + _HANGING)


def _depth(block: Block) -> int:
    return block.depth if isinstance(block, Paragraph | Field) else 0


def _name_width(blocks: tuple[Block, ...], depth: int) -> int:
    return max(
        (len(b.name) for b in blocks if isinstance(b, Field) and b.depth == depth), default=0
    )


def _field(field: Field, size: int, left: str, style: _Style) -> list[str]:
    size = min(size, ((style.width or WIDEST) - len(left)) // 2)
    hanging = left + " " * (size + 2)
    note = [(f"  [{field.note}]", _DIM)] if field.note else []
    if len(style.clean(field.name)) > size:
        return [
            *_wrap([(field.name, "")], style, left, left),
            *_wrap([(field.text, ""), *note], style, hanging, hanging),
        ]
    return _wrap([(f"{field.name:<{size}}  ", ""), (field.text, ""), *note], style, left, hanging)


def _spans(block: Block) -> list[_Span]:
    if isinstance(block, Cited):
        at = f" at {block.time}" if block.time else ""
        return [(block.says, ""), (f"  [{block.source} {block.where}{at}]", _DIM)]
    if isinstance(block, Command):
        gives = [(f"  # {block.gives}", _DIM)] if block.gives else []
        return [(block.line, _BOLD), *gives]
    assert isinstance(block, Paragraph | Step)  # noqa: S101 -- the others have been dealt with
    arrow = "<- " if isinstance(block, Step) else ""
    note = [(f"  [{block.note}]", _DIM)] if block.note else []
    return [(arrow + block.text, ""), *note]


def _wrap(spans: list[_Span], style: _Style, first: str, hanging: str) -> list[str]:
    cleaned = [(style.clean(text), shade) for text, shade in spans]
    text = "".join(piece for piece, _ in cleaned)
    # A name's padding at the front is layout, not text: textwrap keeps white space there.
    rows = textwrap.wrap(
        text,
        style.width or sys.maxsize,
        initial_indent=first,
        subsequent_indent=hanging,
        break_on_hyphens=False,
        replace_whitespace=False,
    ) or [first.rstrip()]
    return list(_coloured(rows, cleaned)) if style.colour else rows


# Wrapping only leaves white space out and puts indents in: what remains is in the same order.
def _coloured(rows: list[str], spans: list[_Span]) -> Iterator[str]:
    letters = ((letter, shade) for text, shade in spans for letter in text)
    for row in rows:
        body = row.lstrip(" ")
        made, current = row[: len(row) - len(body)], ""
        for letter in body:
            shade = next(s for each, s in letters if each == letter) if letter != " " else current
            if shade != current:
                made += ("\x1b[0m" if current else "") + (f"\x1b[{shade}m" if shade else "")
                current = shade
            made += letter
        yield made + ("\x1b[0m" if current else "")


def _shaded(text: str, shade: str, style: _Style) -> str:
    return f"\x1b[{shade}m{text}\x1b[0m" if style.colour and text else text


def _table(table: Table, style: _Style) -> Iterator[str]:
    sizes = [
        max([len(column.name), *(len(style.clean(row.cells[i])) for row in table.rows)])
        for i, column in enumerate(table.columns)
    ]
    yield _row(table.columns, sizes, None, style)
    for row in table.rows:
        yield _row(table.columns, sizes, row, style)


def _row(head: tuple[Column, ...], sizes: list[int], row: Row | None, style: _Style) -> str:
    kept = _kept(head, sizes, style.width)
    cells = tuple(column.name for column in head) if row is None else row.cells
    parts = [
        style.clean(cells[i]).rjust(sizes[i])
        if head[i].right
        else style.clean(cells[i]).ljust(sizes[i])
        for i in kept[:-1]
    ]
    left = "".join(f"{part}  " for part in parts)
    last = cells[kept[-1]]
    if row is not None and row.lead and len(kept) < len(head):
        last = f"{row.lead}: {last}"
    tail = f" {row.tail}" if row is not None and row.tail else ""
    room = None if style.width is None else style.width - len(left)
    text = (left + _cut(style.clean(last), style.clean(tail), room, style)).rstrip()
    return _shaded(text, _BOLD, style) if row is None else text


# The highest ranks go until the last column has room; the last column always stays.
def _kept(head: tuple[Column, ...], sizes: list[int], width: int | None) -> list[int]:
    kept = list(range(len(head)))
    while width is not None:
        room = width - sum(sizes[i] + 2 for i in kept[:-1])
        worst = max(kept[:-1], key=lambda i: head[i].rank, default=None)
        if room >= _ROOM or worst is None or not head[worst].rank:
            return kept
        kept.remove(worst)
    return kept


def _cut(text: str, tail: str, room: int | None, style: _Style) -> str:
    if room is None or len(text) + len(tail) <= room:
        return text + tail
    dots = style.clean("…")
    if len(tail) + len(dots) > room - _LEAST:
        return (text + tail)[: max(0, room - len(dots))] + dots
    return text[: room - len(tail) - len(dots)] + dots + tail

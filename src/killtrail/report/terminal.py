"""Lays the screen out: plain text anywhere, colour on a terminal."""

import os
import sys
import textwrap
from typing import TYPE_CHECKING, Final, TextIO

from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Verdict
from killtrail.report import screen
from killtrail.report.columns import columns

if TYPE_CHECKING:
    from rich.text import Text

_NARROWEST, _WIDEST = 40, 120
_LABEL: Final = 12
_COLOUR: Final = {
    Certainty.ESTABLISHED: "bold green",
    Certainty.LIKELY: "bold yellow",
    Certainty.POSSIBLE: "bold yellow",
    Certainty.NOT_ESTABLISHED: "bold red",
}


def width() -> int:
    """Columns to use: the terminal's (COLUMNS overrides), within reason."""
    return max(_NARROWEST, min(_WIDEST, columns()))


def wants_colour(stream: TextIO) -> bool:
    """NO_COLOR (no-color.org) and TERM=dumb say no, FORCE_COLOR yes, else a terminal decides."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def show(verdict: Verdict, stream: TextIO | None = None) -> None:
    """Prints the one screen."""
    out = stream or sys.stdout
    if wants_colour(out) and _colour(verdict, out):
        return
    out.write("\n".join(plain(verdict, width())) + "\n")


def plain(verdict: Verdict, columns: int) -> list[str]:
    """The screen as lines of at most `columns` characters."""
    lines = [*_wrap(screen.headline(verdict), columns, ""), ""]
    for row in screen.rows(verdict):
        label = row.label
        for paragraph in row.paragraphs:
            lines.extend(_labelled(label, paragraph, columns))
            label = ""
    return lines


def _labelled(label: str, text: str, columns: int) -> list[str]:
    indent = min(_LABEL, columns // 4)
    wrapped = _wrap(text, columns - indent, "  ")
    head = f"{label:<{indent}}"
    if len(label) >= indent and label:
        return [label, *(" " * indent + line for line in wrapped)]
    return [head + wrapped[0], *(" " * indent + line for line in wrapped[1:])]


def _wrap(text: str, columns: int, hanging: str) -> list[str]:
    return textwrap.wrap(
        text, columns, subsequent_indent=hanging, break_on_hyphens=False, replace_whitespace=False
    ) or [""]


def _colour(verdict: Verdict, stream: TextIO) -> bool:
    # Rich only where colour is drawn: it takes 40 ms to import, and a suspect host may lack it.
    try:
        from rich.console import Console  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        return False
    console = Console(
        file=stream, width=width(), force_terminal=True, highlight=False, markup=False
    )
    console.print(_styled(Text("\n".join(plain(verdict, width()))), verdict), soft_wrap=True)
    return True


def _styled(text: "Text", verdict: Verdict) -> "Text":
    head = text.plain.find("\n\n")
    text.stylize(_COLOUR[verdict.certainty], 0, head)
    for row in screen.rows(verdict):
        text.highlight_regex(rf"(?m)^{row.label}", "bold cyan")
    text.highlight_regex(r"\[[^\]\n]*\]", "dim")
    return text

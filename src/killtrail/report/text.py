"""Lays the screen out: plain text anywhere, colour on a terminal."""

import os
import re
import sys
import textwrap
from typing import Final, TextIO

from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Verdict
from killtrail.report.columns import columns
from killtrail.report.pages import verdict as page

_NARROWEST, _WIDEST = 40, 120
_LABEL: Final = 12
_COLOUR: Final = {
    Certainty.ESTABLISHED: "1;32",
    Certainty.LIKELY: "1;33",
    Certainty.POSSIBLE: "1;33",
    Certainty.NOT_ESTABLISHED: "1;31",
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
    text = _coloured(verdict) if wants_colour(out) else "\n".join(plain(verdict, width()))
    out.write(text + "\n")


def plain(verdict: Verdict, columns: int) -> list[str]:
    """The screen as lines of at most `columns` characters."""
    lines = [*_wrap(page.headline(verdict), columns, ""), ""]
    for row in page.rows(verdict):
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


# ECMA-48 SGR: 1 bold, 2 dim, 3x colours, 0 back to normal.
def _coloured(verdict: Verdict) -> str:
    text = "\n".join(plain(verdict, width()))
    head, body = text.split("\n\n", 1)
    labels = "|".join(re.escape(row.label) for row in page.rows(verdict))
    body = re.sub(rf"(?m)^(?:{labels})(?= |$)", "\x1b[1;36m\\g<0>\x1b[0m", body)
    body = re.sub(r"\[[^\]\n\x1b]*\](?!\d)", "\x1b[2m\\g<0>\x1b[0m", body)
    return f"\x1b[{_COLOUR[verdict.certainty]}m{head}\x1b[0m\n\n{body}"

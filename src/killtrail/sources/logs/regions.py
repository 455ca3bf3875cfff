"""Which parts of a big file have to be parsed for a query: the neighbourhoods of rare literals."""

from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.sources.logs.literals import Form, Literal, Sought

_FEW: Final = 256
"""More occurrences of a PID or name than this in a mebibyte, and literals of events are rarer."""
_ZERO, _NINE = ord("0"), ord("9")


@dataclass(slots=True)
class Region:
    """[low, high) of a file, and the beginnings of those lines in it that were found."""

    low: int
    high: int
    own: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Spot:
    """A line that was found: where it begins and ends, and what its literals need around it."""

    end: int
    report: bool
    before: int
    after: int


def regions(
    piece: Piece, form: Form, sought: Sought, low: int, high: int
) -> Iterator[list[Region]]:
    """The regions of [low, high), those of one window together, the last ones first.

    No line is in the `own` of two of them.
    """
    if not sought.literals:
        return
    lowest = high
    for window in Window().backwards(piece, low, high, sought.texts):
        spots = {at: spot for at, spot in _spots(window, sought).items() if at < lowest}
        if spots:
            lowest = min(spots)
            yield _joined(form, spots)


def _spots(window: Window, sought: Sought) -> dict[int, _Spot]:
    found: dict[int, _Spot] = {}
    searched = sought.literals
    if sought.needles:
        lines = _few(window, sought)
        if lines is not None:
            for at, text in lines.items():
                _add(found, at, text, sought)
            searched = sought.always
    for literal in searched:
        for hit in window.hits(literal.text):
            at, text = window.line(hit)
            if at in found or (
                sought.narrows(literal) and not _near(window, sought, literal, hit, text)
            ):
                continue
            _add(found, at, text, sought)
    return found


# All of its literals count, also those that lie in another window.
def _add(found: dict[int, _Spot], at: int, text: bytes, sought: Sought) -> None:
    literals = [each for each in sought.literals if each.text in text]
    if literals:
        found[at] = _Spot(
            at + len(text) + 1,
            any(each.report in text for each in literals if each.report),
            max(each.before for each in literals),
            max(each.after for each in literals),
        )


# The lines that hold a needle; None where they are many, or where one of them speaks of a later line.
def _few(window: Window, sought: Sought) -> dict[int, bytes] | None:
    lines: dict[int, bytes] = {}
    low = 0 if sought.carriers and not sought.digits else window.first
    for needle in sought.needles:
        hits = window.within(needle, low, window.end, _FEW)
        if len(hits) == _FEW:
            return None
        for hit in hits:
            if sought.digits and _longer(window.buffer, hit, hit + len(needle), window.end):
                continue
            at, text = window.line(hit)
            if not sought.digits and any(carrier in text for carrier in sought.carriers):
                return None
            # The rest is context: those lines are another window's own.
            if window.first <= hit < window.last:
                lines[at] = text
    return lines


# Zeros before it may belong to it.
def _longer(buffer: bytearray, begin: int, stop: int, end: int) -> bool:
    if begin and _ZERO < buffer[begin - 1] <= _NINE:
        return True
    return stop < end and _ZERO <= buffer[stop] <= _NINE


# On its line, or on an earlier one of its report that speaks for it.
def _near(window: Window, sought: Sought, literal: Literal, hit: int, text: bytes) -> bool:
    if any(needle in text for needle in sought.needles):
        return True
    if sought.digits or not literal.report or literal.report not in text:
        return False
    low = max(0, hit - sought.near)
    return any(
        needle in window.line(at)[1]
        for carrier in sought.carriers
        for at in window.within(carrier, low, hit)
        for needle in sought.needles
    )


def _joined(form: Form, spots: dict[int, _Spot]) -> list[Region]:
    found: list[Region] = []
    last_report: int | None = None
    for at in sorted(spots):
        spot = spots[at]
        low = at - spot.before
        if spot.report:
            # The report of a kill that follows another closely begins no earlier than that one's.
            close = last_report is not None and at - last_report <= form.near
            low = min(low, last_report if close and last_report is not None else form.begins(at))
            last_report = at
        _join(found, Region(max(0, low), spot.end + spot.after, {at}))
    return found[::-1]


def _join(found: list[Region], new: Region) -> None:
    while found and found[-1].high >= new.low:
        old = found.pop()
        new = Region(min(old.low, new.low), max(old.high, new.high), old.own | new.own)
    found.append(new)


def aligned(piece: Piece, region: Region) -> Region:
    """A region that begins where a line does."""
    first = min(region.own)
    low = piece.line_start(region.low)
    return Region(min(low, first), region.high, region.own)

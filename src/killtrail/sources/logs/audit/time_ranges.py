"""Which parts of which files a time window means, by bisection."""

import os
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.clock import NS
from killtrail.sources.logs.audit.launch_chain import Span
from killtrail.sources.logs.audit.record import Head, head

SLACK_NS: Final = 5 * NS
"""Records of one event were seen 40 ms apart; events can be completed later, and clocks step."""
_PROBE: Final = 1 << 14
_LONGEST: Final = 4 << 20


def spans(pieces: list[Piece], since_ns: int | None, until_ns: int | None) -> Iterator[Span]:
    """Parts to walk through, newest first: the requested window, then everything before it."""
    for piece in reversed(pieces):
        high = piece.size if until_ns is None else offset_of(piece, until_ns + SLACK_NS)
        low = 0 if since_ns is None else offset_of(piece, since_ns - SLACK_NS)
        if high > low:
            yield Span(piece, low, high)
        if min(low, high):
            yield Span(piece, 0, min(low, high), asked=False)


def in_order(pieces: list[Piece]) -> list[Piece]:
    """Oldest first, by the time of the first record."""
    return sorted(pieces, key=lambda piece: _time(_record_at(piece, 0)))


def offset_of(piece: Piece, time_ns: int) -> int:
    """Where the first record of that time or later begins; the size where there is none."""
    low, high = 0, piece.size
    while high - low > _PROBE:
        middle = (low + high) // 2
        found = _record_at(piece, middle)
        if found is None or found[1].time_ns >= time_ns:
            high = middle
        else:
            low = max(found[0], low + 1)
    at = low
    while at < piece.size:
        found = _record_at(piece, at)
        if found is None:
            return piece.size
        if found[1].time_ns >= time_ns:
            return found[0]
        at = found[0] + 1
    return piece.size


def _time(found: tuple[int, Head] | None) -> int:
    return found[1].time_ns if found else 0


def _record_at(piece: Piece, offset: int) -> tuple[int, Head] | None:
    """The first record that begins at or after an offset."""
    reach = _PROBE
    while True:
        low = max(0, offset - 1)
        block = os.pread(piece.fd, reach, low)
        begin = 0 if offset == 0 else block.find(b"\n") + 1
        while begin or not offset:
            found = head(block, begin)
            if found is not None:
                return low + begin, found
            begin = block.find(b"\n", begin) + 1
            if not begin:
                break
        if len(block) < reach or reach >= _LONGEST:
            return None
        reach *= 4

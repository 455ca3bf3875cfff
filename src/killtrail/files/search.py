"""Searching big files without mapping or loading them.

Windows of one mebibyte are read into one buffer again and again: memory is constant, and a file that
is cut while it is read gives short reads, not SIGBUS.
"""

import os
from collections.abc import Iterator
from typing import Final

from killtrail.files import blocks
from killtrail.files.memmem import Search, searcher
from killtrail.files.opened import Piece

WINDOW: Final = 1 << 20
BEFORE: Final = 1 << 16
"""Bytes kept before a window: they hold the other records of an event."""
AFTER: Final = 1 << 13
_LONGEST: Final = 4 << 20
_FEW: Final = 4
"""So many windows are read as fast as it is found out which are worth it."""
_ANY_NUMBER: Final = 1 << 62


class Window:
    """A part of a piece in memory: `buffer[first:last]` is its own, the rest is context."""

    def __init__(self, size: int = WINDOW) -> None:
        self._size = size
        self.buffer: bytearray = bytearray(BEFORE + size + AFTER)
        self._view = memoryview(self.buffer)
        self._search: Search | None = None
        self._absent: frozenset[bytes] = frozenset()
        self.piece: Piece | None = None
        self.start: int = 0
        self.first: int = 0
        self.last: int = 0
        self.end: int = 0

    def backwards(
        self, piece: Piece, low: int, high: int, texts: tuple[bytes, ...] = ()
    ) -> Iterator["Window"]:
        """The windows of [low, high), the last one first. All are this object.

        With `texts` only those that hold one of them, and their neighbours.
        """
        if not texts or high - low <= _FEW * self._size:
            self._absent = frozenset()
            yield from self._all(piece, low, high)
            return
        for begin, end, there in blocks.holding(piece, texts, low, high, self._size):
            self._absent = frozenset(texts) - there
            yield from self._all(piece, begin, end)

    def _all(self, piece: Piece, low: int, high: int) -> Iterator["Window"]:
        while high > low:
            size = min(self._size, high - low)
            self._load(piece, high - size, high)
            if self.last <= self.first:
                return
            yield self
            high -= size

    def _load(self, piece: Piece, low: int, high: int) -> None:
        self.piece = piece
        self.start = max(0, low - BEFORE)
        wanted = high + AFTER - self.start
        got = os.preadv(piece.fd, [self._view[:wanted]], self.start)
        self.first = min(low - self.start, got)
        self.last = min(high - self.start, got)
        self.end = got

    def hits(self, needle: bytes) -> list[int]:
        """Positions in the buffer where a needle begins inside the window."""
        if needle in self._absent:
            return []
        # It may extend beyond the window's end.
        return self.within(needle, self.first, min(self.end, self.last + len(needle) - 1))

    def within(self, needle: bytes, low: int, high: int, most: int = _ANY_NUMBER) -> list[int]:
        """Positions of a needle in `buffer[low:high]`, at most so many."""
        if self._search is None:
            self._search = searcher(self.buffer)
        return self._search(needle, low, high, most)

    def line(self, at: int) -> tuple[int, bytes]:
        """(offset in the piece, text) of the line around a position; at most 4 MiB of it."""
        begin = self.buffer.rfind(b"\n", 0, at) + 1
        stop = self.buffer.find(b"\n", at, self.end)
        whole = begin > 0 or self.start == 0
        if whole and stop >= 0:
            return self.start + begin, bytes(self._view[begin:stop])
        assert self.piece is not None  # noqa: S101 -- a loaded window has one
        return line_at(self.piece, self.start + at)


def line_at(piece: Piece, offset: int) -> tuple[int, bytes]:
    """(offset, text) of the line that holds `offset`; at most 4 MiB of it on either side."""
    reach = 1 << 13
    while True:
        low = max(0, offset - reach)
        block = os.pread(piece.fd, offset - low + reach, low)
        begin = block.rfind(b"\n", 0, offset - low) + 1
        stop = block.find(b"\n", offset - low)
        ended = stop >= 0 or low + len(block) >= piece.size or len(block) < offset - low + reach
        if ((begin or low == 0) and ended) or reach >= _LONGEST:
            return low + begin, block[begin:] if stop < 0 else block[begin:stop]
        reach *= 8

"""Which blocks of a big file hold a text at all: found out once for each text, by two threads.

Several formats may read one file, and ask it more than once. What the first search has found out is
kept with the piece: one byte for each block and text.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from killtrail.files.memmem import searcher
from killtrail.files.opened import Piece

_ABSENT, _PRESENT = 1, 2
_AHEAD_LEAST, _AHEAD_MOST = 2, 32
"""Blocks that are searched at once, ahead of who asks: few for who finds soon what he wants."""
_SHARED_LEAST: Final = 4
"""Fewer blocks than this are searched before a thread has started."""
_TEXTS_MOST: Final = 256
"""Texts of which is kept where they are."""
_Known = dict[bytes, bytearray]


def holding(
    piece: Piece, texts: tuple[bytes, ...], low: int, high: int, block: int
) -> Iterator[tuple[int, int, frozenset[bytes]]]:
    """(low, high, texts) of the blocks of [low, high) that hold a text, and of those beside, last first.

    A text is in the block where it begins; a line may reach into the next one.
    """
    known = _known(piece, texts, block)
    first, last = low // block, (high - 1) // block
    bottom, filled = max(0, first - 1), min(last + 1, (piece.size - 1) // block) + 1
    ahead = _AHEAD_LEAST
    for number in range(last, first - 1, -1):
        if filled > max(bottom, number - 1):
            start = max(bottom, number - ahead)
            _fill(piece, known, range(start, filled), block)
            filled, ahead = start, min(ahead * 2, _AHEAD_MOST)
        around = slice(max(0, number - 1), number + 2)
        there = frozenset(t for t, states in known.items() if _PRESENT in states[around])
        if there:
            yield max(low, number * block), min(high, (number + 1) * block), there


def _known(piece: Piece, texts: tuple[bytes, ...], block: int) -> _Known:
    count = -(-piece.size // block)
    if len(piece.searched) > _TEXTS_MOST:
        piece.searched.clear()
    return {t: piece.searched.setdefault((t, block), bytearray(count)) for t in texts}


# Whatever the other thread could not do is done here.
def _fill(piece: Piece, known: _Known, numbers: Sequence[int], block: int) -> None:
    shared = len(numbers) >= _SHARED_LEAST and len(os.sched_getaffinity(0)) > 1
    if shared:
        from threading import Thread  # noqa: PLC0415 -- small files need none

        other = Thread(target=_half, args=(piece, known, numbers[1::2], block))
        with suppress(RuntimeError):
            other.start()
            _search(piece, known, numbers[::2], block)
            other.join()
    _search(piece, known, numbers, block)


def _half(piece: Piece, known: _Known, numbers: Sequence[int], block: int) -> None:
    with suppress(OSError):
        _search(piece, known, numbers, block)


def _search(piece: Piece, known: _Known, numbers: Sequence[int], block: int) -> None:
    unknown = [n for n in numbers if any(not states[n] for states in known.values())]
    if not unknown:
        return
    buffer = bytearray(block + max(map(len, known)) - 1)
    search = searcher(buffer)
    for number in unknown:
        got = os.preadv(piece.fd, [buffer], number * block)
        for text, states in known.items():
            if not states[number]:
                # It may extend beyond the block's end.
                found = search(text, 0, min(got, block + len(text) - 1), 1)
                states[number] = _PRESENT if found else _ABSENT

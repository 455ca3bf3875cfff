"""Raw ring-buffer pages (trace_pipe_raw) -> (time, record) pairs.

Binary on purpose: in the text files a file name with newlines in it could pose as a record.
Layout: kernel/trace/ring_buffer.c; a page is a 64-bit time, a 64-bit commit (length and flags),
then entries of a 32-bit header (5 bits type or length, 27 bits time delta) and data.
"""

import struct
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass

_HEAD: Final = struct.Struct("<QQ")
_LENGTH: Final = (1 << 20) - 1
_MISSED, _MISSED_STORED = 1 << 31, 1 << 30
_PADDING, _EXTEND, _STAMP = 29, 30, 31
_MOST_DELTA: Final = 27


@dataclass(frozen=True, slots=True)
class Page:
    """A page's records, and how many were lost before it (None = some, count unknown)."""

    records: tuple[tuple[int, bytes], ...]
    missed: int | None
    damaged: bool


def parse(raw: bytes) -> Page:
    """Any bytes in, no exception; a damaged page gives the records before the damage."""
    if len(raw) < _HEAD.size:
        return Page((), 0, damaged=True)
    base, commit = _HEAD.unpack_from(raw)
    length = commit & _LENGTH
    end = _HEAD.size + length
    missed: int | None = 0
    if commit & _MISSED:
        stored = commit & _MISSED_STORED and end + 8 <= len(raw)
        missed = struct.unpack_from("<Q", raw, end)[0] if stored else None
    damaged = end > len(raw)
    records: list[tuple[int, bytes]] = []
    try:
        records.extend(_entries(raw[: min(end, len(raw))], base))
    except struct.error:
        damaged = True
    return Page(tuple(records), missed, damaged)


def _entries(raw: bytes, now: int) -> Iterator[tuple[int, bytes]]:
    at = _HEAD.size
    while at + 4 <= len(raw):
        head = struct.unpack_from("<I", raw, at)[0]
        kind, delta = head & 31, head >> 5
        at += 4
        if kind == _PADDING:
            if delta == 0:
                return
            at += struct.unpack_from("<I", raw, at)[0]
            now += delta
        elif kind == _EXTEND:
            now += delta + (struct.unpack_from("<I", raw, at)[0] << _MOST_DELTA)
            at += 4
        elif kind == _STAMP:
            # Absolute, its upper five bits those of the page's time.
            now = (
                (now & ~((1 << 59) - 1))
                | delta
                | (struct.unpack_from("<I", raw, at)[0] << _MOST_DELTA)
            )
            at += 4
        else:
            size = kind * 4
            start = at
            if kind == 0:
                size = struct.unpack_from("<I", raw, at)[0]
                start, size = at + 4, max(size - 4, 0)
            now += delta
            if start + size > len(raw):
                raise struct.error("an entry extends beyond its page")
            yield now, raw[start : start + size]
            at = start + (size + 3 & ~3)

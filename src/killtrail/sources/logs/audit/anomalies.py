"""Records that are rare and say much: crashes, sandbox kills, and when auditd was not there.

ANOM_ABEND is written for signals that dump core, without any rule; a fault and a `kill -SEGV` look
the same in it. SECCOMP is the only trace of a strict sandbox's kill.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.sources.logs.audit.record import Head, fields, head

CRASHES: Final = {b"1701": b"ANOM_ABEND", b"1326": b"SECCOMP"}
GAPS: Final = {b"1201": b"DAEMON_END", b"1202": b"DAEMON_ABORT"}
_NAMES: Final = frozenset({*CRASHES.values(), *GAPS.values()})
# `M` is in the names of them all, and not frequent elsewhere.
_AFTER_M: Final = re.compile(rb"M(?:_ABEND msg=|P msg=|ON_END msg=|ON_ABORT msg=)")
_DENSE: Final = 4096


@dataclass(frozen=True, slots=True)
class Mark:
    """One such record."""

    head: Head
    piece: Piece
    offset: int
    fields: dict[str, bytes]

    @property
    def gap(self) -> str | None:
        """What a daemon's last word says of the time after it; None for other marks."""
        if self.head.kind not in GAPS.values():
            return None
        place = self.piece.place(self.offset)
        return f"auditd was not running (it ended at {place}, {self.head.id})"


def marks(window: Window, *, numeric: bool) -> Iterator[Mark]:
    """Those in a window, in order."""
    places = _numbered(window) if numeric else _behind_m(window)
    for at in places:
        offset, line = window.line(at)
        of = head(line)
        if of is not None and of.kind in _NAMES and window.piece is not None:
            yield Mark(of, window.piece, offset, fields(line, of.end))


def texts(kinds: dict[bytes, bytes], *, numeric: bool) -> tuple[bytes, ...]:
    """What stands in records of these kinds."""
    if numeric:
        return tuple(b" type=%s audit(" % number for number in kinds)
    return tuple(name + b" msg=" for name in kinds.values())


def _numbered(window: Window) -> list[int]:
    wanted = texts(CRASHES | GAPS, numeric=True)
    return sorted(at for text in wanted for at in window.hits(text))


# As for the `J` of OBJ_PID: one byte is searched at memory speed, unless arguments are full of it.
def _behind_m(window: Window) -> Iterator[int]:
    buffer, false = window.buffer, 0
    at = buffer.find(b"M", window.first, window.last)
    while at >= 0:
        if _AFTER_M.match(buffer, at):
            yield at
        else:
            false += 1
        if false > _DENSE:
            yield from _found(_AFTER_M, window, at + 1)
            return
        at = buffer.find(b"M", at + 1, window.last)


def _found(pattern: re.Pattern[bytes], window: Window, start: int) -> Iterator[int]:
    for match in pattern.finditer(window.buffer, start, window.end):
        if match.start() >= window.last:
            return
        yield match.start()

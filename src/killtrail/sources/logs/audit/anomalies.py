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

KINDS: Final = frozenset(
    {
        b"ANOM_ABEND", b"SECCOMP", b"DAEMON_START", b"DAEMON_END", b"DAEMON_ABORT",
        b"SYSTEM_BOOT", b"SYSTEM_SHUTDOWN",
    }
)  # fmt: skip
# `M` is in the names of them all, and not frequent elsewhere.
_AFTER_M: Final = re.compile(rb"M(?:_ABEND msg=|P msg=|ON_[A-Z]+ msg=|_BOOT msg=|_SHUTDOWN msg=)")
_DENSE: Final = 4096
_NUMERIC: Final = re.compile(rb" type=(?:1701|1326|120[012]|112[78])$")
_BEFORE_ID: Final = len(b" type=1701")


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
        if self.head.kind not in (b"DAEMON_END", b"DAEMON_ABORT"):
            return None
        place = self.piece.place(self.offset)
        return f"auditd was not running (it ended at {place}, {self.head.id})"


def marks(window: Window, *, numeric: bool) -> Iterator[Mark]:
    """Those in a window, in order."""
    places = _behind_type(window) if numeric else _behind_m(window)
    for at in places:
        offset, line = window.line(at)
        of = head(line)
        if of is not None and of.kind in KINDS and window.piece is not None:
            yield Mark(of, window.piece, offset, fields(line, of.end))


def _behind_type(window: Window) -> Iterator[int]:
    for at in window.hits(b" audit("):
        if _NUMERIC.search(window.buffer, max(0, at - _BEFORE_ID), at):
            yield at


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

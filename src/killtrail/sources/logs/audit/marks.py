"""Records that are rare and say much: crashes, sandbox kills, and when auditd was not there.

ANOM_ABEND is written for signals that dump core, without any rule; a fault and a `kill -SEGV` look
the same in it. SECCOMP is the only trace of a strict sandbox's kill.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from killtrail.sources.logs.audit.record import Head, fields, head
from killtrail.sources.logs.pieces import Piece
from killtrail.sources.logs.windows import Window

KINDS: Final = frozenset(
    {
        b"ANOM_ABEND", b"SECCOMP", b"DAEMON_START", b"DAEMON_END", b"DAEMON_ABORT",
        b"SYSTEM_BOOT", b"SYSTEM_SHUTDOWN",
    }
)  # fmt: skip
# `M` is in the names of them all, and not frequent elsewhere.
_AFTER_M: Final = re.compile(rb"M(?:_ABEND msg=|P msg=|ON_[A-Z]+ msg=|_BOOT msg=|_SHUTDOWN msg=)")
_NUMERIC: Final = re.compile(rb" type=(?:1701|1326|120[012]|112[78]) audit\(")


@dataclass(frozen=True, slots=True)
class Mark:
    """One such record."""

    head: Head
    piece: Piece
    offset: int
    fields: dict[str, bytes]


def marks(window: Window, *, numeric: bool) -> Iterator[Mark]:
    """Those in a window, in order."""
    pattern = _NUMERIC if numeric else _AFTER_M
    for match in pattern.finditer(window.buffer, window.first, window.end):
        if match.start() >= window.last:
            return
        offset, line = window.line(match.start())
        of = head(line)
        if of is not None and of.kind in KINDS and window.piece is not None:
            yield Mark(of, window.piece, offset, fields(line, of.end))

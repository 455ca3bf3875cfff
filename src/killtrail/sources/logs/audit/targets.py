"""Senders and targets: OBJ_PID records joined to the calls they belong to.

OBJ_PID is the only trustworthy target: a0 is a PID in the caller's PID namespace, or a file
descriptor. It is written before the permission check, so a call on a group or on all processes also
lists those that it could not signal (audit_signal_info_syscall, kernel/auditsc.c).
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.files.opened import Piece
from killtrail.files.search import BEFORE, Window
from killtrail.sources.logs.audit.record import Head, head
from killtrail.sources.logs.audit.syscall_record import SIGNAL_CALLS, Call, of_head, parse

_OBJECT: Final = re.compile(rb"_PID msg=audit\(\d+\.\d+:\d+\) ?: ?opid=(\d{1,18}) ")
_NUMERIC: Final = re.compile(rb" type=1318 audit\(\d+\.\d+:\d+\) ?: ?opid=(\d{1,18}) ")
_OPID: Final = re.compile(rb"opid=(\d{1,18}) ")
_TOKEN: Final = b"OBJ_PID msg=audit("
_DENSE: Final = 4096
_REACHES: Final = (BEFORE, 1 << 19, 1 << 22)
Note = Callable[[Piece, int, bytes], None]
"""Takes a record that begins like one, but can't be read: file, place, text."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One process that one call was aimed at."""

    call: Call
    pid: int
    piece: Piece
    offset: int
    line: bytes


class Finder:
    """Finds hits in windows, last first; remembers the last call, as one may hit thousands."""

    def __init__(
        self,
        pid: int | frozenset[int] | None,
        *,
        numeric: bool,
        within: Callable[[int], bool] | None = None,
        note: Note | None = None,
    ) -> None:
        pids = frozenset({pid}) if isinstance(pid, int) else pid
        self._pids = None if pids is None else frozenset(b"%d" % each for each in pids)
        self._within = within
        self._note = note
        self._numeric = numeric
        self._rare = True
        self._false = 0
        self._last: tuple[tuple[object, ...], Call | None] | None = None
        self.orphans: int = 0
        """Records whose call is not in the log."""

    def spots(self, window: Window) -> list[int]:
        """Positions of records about the requested process, in the window, in order."""
        return [at for at, pid in self._objects(window) if self._pids is None or pid in self._pids]

    # `J` occurs in OBJ_PID and hardly anywhere else, and one byte is sought at memory speed. Where
    # arguments are full of it (base64), the whole token is searched instead.
    def _objects(self, window: Window) -> Iterator[tuple[int, bytes]]:
        if self._numeric:
            for at in window.hits(b" type=1318 audit("):
                if match := _NUMERIC.match(window.buffer, at):
                    yield at, match[1]
            return
        for at in self._rarely(window) if self._rare else [p + 2 for p in window.hits(_TOKEN)]:
            if match := _OBJECT.match(window.buffer, at + 1):
                yield at, match[1]
            else:
                self._false += 1

    def _rarely(self, window: Window) -> Iterator[int]:
        self._false = 0
        buffer, last = window.buffer, window.last
        at = buffer.find(b"J", window.first, last)
        while at >= 0:
            yield at
            if self._false > _DENSE:
                self._rare = False
                yield from (p + 2 for p in window.hits(_TOKEN) if p + 2 > at)
                return
            at = buffer.find(b"J", at + 1, last)

    def hit(self, window: Window, at: int) -> Hit | None:
        """The hit at a position; None for a forged or orphaned record, another time or kind of call."""
        offset, line = window.line(at)
        of = head(line)
        if of is None or of.kind != b"OBJ_PID" or window.piece is None:
            return None
        if self._within is not None and not self._within(of.time_ns):
            return None
        if self._last is None or self._last[0] != of.event:
            call = right_before(window, offset, of) or call_of(window.piece, offset, line)
            self._last = (of.event, call)
            self.orphans += self._last[1] is None
        call = self._last[1]
        if call is None or call.name not in SIGNAL_CALLS:
            return None
        return self._of(call, window.piece, offset, line, of)

    def _of(self, call: Call, piece: Piece, offset: int, line: bytes, of: Head) -> Hit | None:
        match = _OPID.match(line, of.end)
        if match is None and self._note is not None:
            self._note(piece, offset, line)
        return Hit(call, int(match[1]), piece, offset, line) if match else None

    def of_call(self, call: Call) -> list[Hit]:
        """Whom a call was aimed at; the records stand behind it, parted by those of other events."""
        stamp = f"audit({call.head.id})".encode("ascii")
        found: list[Hit] = []
        start = max(0, call.offset - BEFORE)
        for reach in _REACHES:
            block = os.pread(call.piece.fd, call.offset - start + reach, start)
            found = [
                hit
                for offset, line, of in _stamped(block, start, stamp)
                if of.kind == b"OBJ_PID" and of.event == call.head.event
                and (hit := self._of(call, call.piece, offset, line, of)) is not None
            ]  # fmt: skip
            last = block.rfind(stamp)
            # With nothing of it in the second half there is hardly more behind.
            if len(block) < call.offset - start + reach or last < len(block) - reach // 2:
                break
        return found


def right_before(window: Window, offset: int, of: Head) -> Call | None:
    """The call of an event whose next record stands at `offset`: mostly the line before, in sight."""
    end = offset - window.start - 1
    if end <= 0 or window.piece is None:
        return None
    begin = window.buffer.rfind(b"\n", 0, end) + 1
    if not begin and window.start:
        return None
    line = bytes(window.buffer[begin:end])
    if not of.wrapped and line.startswith(of.sibling):
        # The same node and stamp: no need to read the head once more.
        own = replace(of, kind=b"SYSCALL", end=len(of.sibling) + 1)
        return of_head(window.piece, window.start + begin, line, own)
    call = parse(window.piece, window.start + begin, line)
    return call if call is not None and call.head.event == of.event else None


def call_of(piece: Piece, offset: int, line: bytes) -> Call | None:
    """The SYSCALL record of the event that the record at `offset` belongs to; it comes before."""
    of = head(line)
    if of is None:
        return None
    stamp = f"audit({of.id})".encode("ascii")
    for reach in _REACHES:
        low = max(0, offset - reach)
        block = os.pread(piece.fd, offset - low, low)
        stop = len(block)
        while (at := block.rfind(stamp, 0, stop)) >= 0:
            begin = block.rfind(b"\n", 0, at) + 1
            end = block.find(b"\n", at)
            if begin or not low:
                call = parse(piece, low + begin, block[begin : end if end >= 0 else None])
                if call is not None and call.head.event == of.event:
                    return call
            stop = at
        if not low:
            break
    return _right_behind(piece, offset, line, of)


# ausearch(8) prints the records of an event the other way round.
def _right_behind(piece: Piece, offset: int, line: bytes, of: Head) -> Call | None:
    start = offset + len(line) + 1
    block = os.pread(piece.fd, BEFORE, start)
    at = block.find(f"audit({of.id})".encode("ascii"))
    while at >= 0:
        begin, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
        call = parse(piece, start + begin, block[begin : end if end >= 0 else None])
        if call is not None and call.head.event == of.event:
            return call
        at = block.find(b"audit(", end) if end >= 0 else -1
        if at >= 0 and not block.startswith(f"audit({of.id})".encode("ascii"), at):
            return None
    return None


def _stamped(block: bytes, start: int, stamp: bytes) -> Iterator[tuple[int, bytes, Head]]:
    at = block.find(stamp)
    while at >= 0:
        begin, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
        line = block[begin : end if end >= 0 else None]
        of = head(line)
        if of is not None and (begin or not start):
            yield start + begin, line, of
        at = block.find(stamp, end) if end >= 0 else -1

"""Command lines: EXECVE records, over several records and in hex, else PROCTITLE."""

import os
import re
from collections.abc import Iterator
from typing import Final

from killtrail.model.process import Argv
from killtrail.model.redact import redact
from killtrail.sources.logs.audit.record import Head, fields, head, number, text
from killtrail.sources.logs.audit.syscall_record import Call

_REACHES: Final = (1 << 13, 1 << 16, 1 << 19, 1 << 22)
_LAST: Final = {b"PROCTITLE", b"EOE"}
_WORD: Final = re.compile(r"a(\d{1,18})(?:\[(\d{1,18})\])?$")
_WORDS_MOST: Final = 256
_LONGEST: Final = 4096
_TITLE_MOST: Final = 128
"""What the kernel keeps of a PROCTITLE (MAX_PROCTITLE_AUDIT_LEN, kernel/audit.h)."""


def of_exec(call: Call) -> Argv | None:
    """What a program was started with, from the EXECVE records of its exec."""
    parts: dict[int, dict[int, str]] = {}
    count = 0
    for found in _siblings(call, b"EXECVE", _REACHES):
        count = number(found.get("argc")) or count
        _collect(found, parts)
    if not parts:
        return None
    words = ["".join(parts[i][j] for j in sorted(parts[i])) for i in sorted(parts)][:_WORDS_MOST]
    cut = len(words) < count or any(len(word) > _LONGEST for word in words)
    return _kept(tuple(word[:_LONGEST] for word in words), cut=cut)


def of_title(call: Call) -> Argv | None:
    """What the caller looked like to ps(1), from the PROCTITLE of the event.

    The kernel keeps a task's title from the first record on, also across an exec
    (audit_log_proctitle, kernel/auditsc.c): one that does not fit the program is an earlier one's.
    """
    for found in _title(call) or _siblings(call, b"PROCTITLE", _REACHES[:2]):
        title = text(found.get("proctitle"))
        words = tuple((title or "").rstrip("\0").split("\0"))
        program = words[0].rsplit("/", 1)[-1].lstrip("-")
        if program and program in (call.comm, (call.exe or "").rsplit("/", 1)[-1]):
            return _kept(words, cut=len(title or "") >= _TITLE_MOST - 1)
    return None


def _kept(words: tuple[str, ...], *, cut: bool) -> Argv:
    shown, redacted = redact(words)
    return Argv(shown, cut=cut, redacted=redacted)


# The records of one event follow its SYSCALL, parted by those of other events: 135 were seen in
# between. There is often no EOE to wait for; PROCTITLE, if enabled, comes last.
def _siblings(call: Call, wanted: bytes, reaches: tuple[int, ...]) -> list[dict[str, bytes]]:
    stamp = _stamp(call)
    records: list[tuple[Head, bytes]] = []
    for reach in reaches:
        block = os.pread(call.piece.fd, reach, call.offset + len(call.line))
        records = list(_stamped(block, stamp, call.head))
        kinds = {of.kind for of, _ in records}
        if kinds & _LAST or len(block) < reach or (wanted in kinds and reach > reaches[0]):
            break
    return [fields(line, of.end) for of, line in records if of.kind == wanted]


# It is usually close: a list of deaths needs hundreds.
def _title(call: Call) -> list[dict[str, bytes]]:
    block = os.pread(call.piece.fd, _REACHES[0], call.offset + len(call.line))
    at = block.find(b"\ntype=PROCTITLE msg=" + _stamp(call)) + 1
    end = block.find(b"\n", at)
    of = head(block, at) if 0 < at < end else None
    same = of is not None and of.event == call.head.event
    return [fields(block[at:end], of.end - at)] if of is not None and same else []


def _stamp(call: Call) -> bytes:
    return f"audit({call.head.id})".encode("ascii")


def _stamped(block: bytes, stamp: bytes, event: Head) -> Iterator[tuple[Head, bytes]]:
    at = block.find(stamp)
    while at >= 0:
        begin, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
        line = block[begin:] if end < 0 else block[begin:end]
        of = head(line)
        if of is not None and of.event == event.event:
            yield of, line
        at = block.find(stamp, at + len(stamp))


# a0="ls", a1=2D6C; a long one as a2_len=9000 a2[0]=... a2[1]=... over several records.
def _collect(found: dict[str, bytes], parts: dict[int, dict[int, str]]) -> None:
    for name, raw in found.items():
        match = _WORD.match(name)
        if match:
            word = text(raw)
            parts.setdefault(int(match[1]), {})[int(match[2] or 0)] = word or ""

"""Command lines: EXECVE records, over several records and in hex, else PROCTITLE."""

import os
import re
from typing import Final

from killtrail.model.process import Argv
from killtrail.model.redact import redact
from killtrail.sources.logs.audit.call import Call
from killtrail.sources.logs.audit.record import fields, head, number, text

_REACHES: Final = (1 << 13, 1 << 16, 1 << 19, 1 << 22)
_WORD: Final = re.compile(r"a(\d{1,18})(?:\[(\d{1,18})\])?$")
_WORDS_MOST: Final = 256
_LONGEST: Final = 4096
_TITLE_MOST: Final = 128
"""What the kernel keeps of a PROCTITLE (MAX_PROCTITLE_AUDIT_LEN, kernel/audit.h)."""


def of_exec(call: Call) -> Argv | None:
    """What a program was started with, from the EXECVE records of its exec."""
    parts: dict[int, dict[int, str]] = {}
    count = 0
    for kind, found in _siblings(call, b"EXECVE"):
        if kind == b"EXECVE":
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
    for kind, found in _siblings(call, b"PROCTITLE"):
        title = text(found.get("proctitle")) if kind == b"PROCTITLE" else None
        words = tuple((title or "").rstrip("\0").split("\0"))
        program = words[0].rsplit("/", 1)[-1].lstrip("-")
        if program and program in (call.comm, (call.exe or "").rsplit("/", 1)[-1]):
            return _kept(words, cut=len(title or "") >= _TITLE_MOST - 1)
    return None


def _kept(words: tuple[str, ...], *, cut: bool) -> Argv:
    shown, redacted = redact(words)
    return Argv(shown, cut=cut, redacted=redacted)


# The records of one event follow its SYSCALL, parted by those of other events: 135 were seen in
# between. An EOE is often not there to wait for; PROCTITLE, where it is on, comes last.
def _siblings(call: Call, wanted: bytes) -> list[tuple[bytes, dict[str, bytes]]]:
    stamp = f"audit({call.head.id})".encode("ascii")
    found: list[tuple[bytes, dict[str, bytes]]] = []
    start = call.offset + len(call.line)
    for reach in _REACHES:
        block = os.pread(call.piece.fd, reach, start)
        found = []
        at = block.find(stamp)
        while at >= 0:
            begin = block.rfind(b"\n", 0, at) + 1
            end = block.find(b"\n", at)
            line = block[begin:] if end < 0 else block[begin:end]
            of = head(line)
            if of is not None and of.event == call.head.event:
                found.append((of.kind, fields(line, of.end)))
            at = block.find(stamp, at + len(stamp))
        kinds = {kind for kind, _ in found}
        if b"PROCTITLE" in kinds or b"EOE" in kinds or len(block) < reach:
            break
        if wanted in kinds and reach > _REACHES[0]:
            break
    return found


# a0="ls", a1=2D6C; a long one as a2_len=9000 a2[0]=... a2[1]=... over several records.
def _collect(found: dict[str, bytes], parts: dict[int, dict[int, str]]) -> None:
    for name, raw in found.items():
        match = _WORD.match(name)
        if match:
            word = text(raw)
            parts.setdefault(int(match[1]), {})[int(match[2] or 0)] = word or ""

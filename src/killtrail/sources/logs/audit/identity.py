"""The user of an audit session: the LOGIN that opened it, and what the login service logged."""

import os
import re
from typing import Final

from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.model.events import LoginSeen
from killtrail.model.process import Key, Process
from killtrail.sources.logs.audit.record import Head, fields, head, text
from killtrail.sources.logs.audit.syscall_record import Call, parse, place, unsigned

_BACK_MOST: Final = 64 << 20
"""A session's first program starts right after its LOGIN; at most so many bytes of other records.
"""
_ON: Final = 1 << 20
_SAID: Final = rb"(\w+)=(\"[^\"]*\"|[^\s']*)"
_SERVICE: Final = frozenset({b"USER_LOGIN", b"USER_START", b"CRED_ACQ"})


def login_of(call: Call) -> LoginSeen | None:
    """The opening of the session in which a call was made, if it is shortly before it."""
    window = Window()
    low = max(0, call.offset - _BACK_MOST)
    for each in window.backwards(call.piece, low, call.offset):
        for at in reversed(each.hits(b" ses=%d res=" % call.session)):
            offset, line = each.line(at)
            of = head(line)
            if of is not None and of.kind == b"LOGIN":
                return _login(call.piece, offset, line, of)
    return None


def _login(piece: Piece, offset: int, line: bytes, of: Head) -> LoginSeen:
    found = fields(line, of.end)
    pid, session = unsigned(found.get("pid")), unsigned(found.get("ses"))
    caller, said = _behind(piece, offset + len(line), of, pid, session)
    return LoginSeen(
        time_ns=of.time_ns,
        origin=place(piece, offset, of),
        process=Process(
            Key(pid, None),
            comm=caller.comm if caller else None,
            exe=text(said.get("exe")) or (caller.exe if caller else None),
            loginuid=unsigned(found.get("auid")),
            login_user=text(found.get("AUID")) or "",
            session=session,
            user="",
        ),
        came_from=text(said.get("addr")) or text(said.get("hostname")),
        terminal=text(said.get("terminal")),
    )


# The write to loginuid is a call of its own in the same event; the login service speaks up a little
# later, in records of user space: msg='op=login ... addr=192.0.2.7 terminal=/dev/pts/0 res=success'.
def _behind(
    piece: Piece, start: int, of: Head, pid: int, session: int
) -> tuple[Call | None, dict[str, bytes]]:
    block = os.pread(piece.fd, _ON, start)
    caller: Call | None = None
    said: dict[str, bytes] = {}
    begin = 0
    while begin < len(block):
        end = block.find(b"\n", begin)
        line = block[begin : end if end >= 0 else len(block)]
        here = head(line)
        if here is not None and here.event == of.event and here.kind == b"SYSCALL":
            caller = parse(piece, start + begin, line)
        elif here is not None and here.kind in _SERVICE:
            found = fields(line, here.end)
            if unsigned(found.get("pid")) == pid and unsigned(found.get("ses")) == session:
                told = {
                    m[1].decode("ascii"): m[2] for m in re.finditer(_SAID, found.get("msg", b""))
                }
                said = {**told, **{k: v for k, v in said.items() if v not in (b"?", b"")}}
        if end < 0:
            break
        begin = end + 1
    return caller, said

"""`ausearch -i` text: audit events with ids turned into names, records of an event in any order.

ausearch(8). Names are printed as they are, without quotes: a name with ` exe=` makes the record
ambiguous; it is counted, not used.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model import signals as sg
from killtrail.model.circumstances import SystemCall
from killtrail.model.clock import NS
from killtrail.model.events import Event, ParseProblem, Provenance, SignalRefused, SignalSent
from killtrail.model.process import NO_ID, Argv, Key, Process
from killtrail.model.redact import redact
from killtrail.model.signal_context import Basis
from killtrail.sources.logs.stream import WALL, text_format

ID: Final = "ausearch"
_HEAD: Final = re.compile(
    rb"(?:node=(?P<node>\S+) )?type=(?P<type>\w+) msg=audit\((?P<date>\d+[/.-]\d+[/.-]\d+) "
    rb"(?P<time>\d\d:\d\d:\d\d)\.(?P<ms>\d{3}):(?P<serial>\d{1,18})\) : (?P<rest>.*)$"
)
_CALL: Final = re.compile(
    rb"arch=(\S+) syscall=(\S+)(?: per=\S+)?(?: success=(\w+) exit=(\S+?)(?:\([^)]*\))?)? a0=(\S+) a1=(\S+)"
    rb" a2=(\S+) a3=\S+ items=\d+ ppid=(\d{1,18}) pid=(\d{1,18}) auid=(\S+) uid=(\S+) .*?ses=(\S+) comm=(.*?) exe=(.*?)"
    rb" (?:subj=\S+ )?key=.*$"
)
_OBJECT: Final = re.compile(
    rb"opid=(\d{1,18}) oauid=\S+ ouid=(\S+) oses=\S+ (?:obj=\S+ )?ocomm=(.*?) ?$"
)
_FORMATS: Final = ("%m/%d/%y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y")
_SIGNALS: Final = {
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
}
_BY_THREAD: Final = {"tgkill", "rt_tgsigqueueinfo"}
_BLOCK_MOST: Final = 100_000


def looks(sample: bytes) -> bool:
    """Whether a file is interpreted ausearch output."""
    return any(_HEAD.match(line) for line in sample.split(b"\n")[:50])


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Its signals, in the local time of the user who printed it."""
    block: list[tuple[int, re.Match[bytes]]] = []
    for offset, line in piece.lines():
        match = _HEAD.match(line)
        if match is not None and len(block) < _BLOCK_MOST:
            block.append((offset, match))
        elif line.startswith(b"----"):
            yield from _event(piece, block)
            block = []
    yield from _event(piece, block)


def _event(
    piece: Piece, block: list[tuple[int, re.Match[bytes]]]
) -> Iterator[Event | ParseProblem]:
    calls = [(o, m) for o, m in block if m["type"] == b"SYSCALL"]
    if not calls:
        return
    offset, head = calls[-1]
    call = _CALL.match(head["rest"])
    if call is None or head["rest"].count(b" exe=") != 1 or head["rest"].count(b" comm=") != 1:
        yield ParseProblem(ID, piece.place(offset), "a call with ambiguous names")
        return
    if call[3] is None:
        yield ParseProblem(ID, piece.place(offset), "a call without a success field")
        return
    name = call[2].decode("ascii", "replace")
    time_ns = _time(head)
    if name not in _SIGNALS or time_ns is None:
        return
    sig = _signal(call[7 if name in _BY_THREAD else 6])
    if not sig:
        return
    sender = _sender(call, block)
    for where, each in block:
        target = _OBJECT.match(each["rest"]) if each["type"] == b"OBJ_PID" else None
        if target is not None:
            yield _sent(piece, where, head, call, (time_ns, sig, sender, target))


def _sent(
    piece: Piece,
    offset: int,
    head: re.Match[bytes],
    call: re.Match[bytes],
    parts: tuple[int, int, Process, re.Match[bytes]],
) -> Event:
    time_ns, sig, sender, target = parts
    node = head["node"].decode("utf-8", "surrogateescape") if head["node"] else None
    origin = Provenance(ID, f"{piece.place(offset)} ({head['serial'].decode('ascii')})", node)
    pid = int(target[1])
    if call[3] != b"yes":
        error = call[4].decode("ascii", "replace")
        return SignalRefused(time_ns, origin, sig, error, sender, pid)
    name = call[2].decode("ascii", "replace")
    return SignalSent(
        time_ns=time_ns,
        origin=origin,
        sig=sig,
        code=sg.SI_TKILL if name in {"tkill", "tgkill"} else sg.SI_USER,
        result=0,
        group=name not in {"tkill", "tgkill", "rt_tgsigqueueinfo"},
        target=Process(Key(pid, None), comm=_text(target[3]), user=_text(target[2]) or ""),
        current=sender,
        basis=Basis.CALL,
        same_group=sender.pid == pid,
        syscall=SystemCall(-1, call[1].decode("ascii", "replace"), name, ()),
        call_id=head["serial"].decode("ascii"),
    )


def _sender(call: re.Match[bytes], block: list[tuple[int, re.Match[bytes]]]) -> Process:
    session = int(call[12]) if call[12].isdigit() else NO_ID
    titles = [m["rest"] for _, m in block if m["type"] == b"PROCTITLE"]
    argv = None
    if titles and titles[0].startswith(b"proctitle="):
        # Blanks separate words here and also occur in them: the words are approximate.
        words, redacted = redact(tuple((_text(titles[0][10:]) or "").split()))
        program = words[0].rsplit("/", 1)[-1] if words else ""
        if (
            program == (_text(call[13]) or "")
            or program == (_text(call[14]) or "").rsplit("/", 1)[-1]
        ):
            argv = Argv(words, redacted=redacted)
    return Process(
        Key(int(call[9]), None),
        comm=_text(call[13]),
        exe=_text(call[14]),
        argv=argv,
        user=_text(call[11]) or "",
        login_user=_text(call[10]) or "",
        session=session,
        ppid=int(call[8]),
    )


def _text(raw: bytes) -> str | None:
    text = raw.strip().decode("utf-8", "surrogateescape")
    return text if text not in ("(null)", "?", "unset", "") else None


def _signal(raw: bytes) -> int:
    text = raw.decode("ascii", "replace")
    try:
        return int(text, 16) & 0xFFFFFFFF if text.startswith("0x") else sg.number(text) or 0
    except ValueError:
        return 0


def _time(head: re.Match[bytes]) -> int | None:
    day, clock = head["date"].decode("ascii"), head["time"].decode("ascii")
    for form in _FORMATS:
        try:
            moment = datetime.strptime(f"{day} {clock}", f"{form} %H:%M:%S").astimezone()
        except (ValueError, OverflowError, OSError):
            continue
        passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (passed.days * 86_400 + passed.seconds) * NS + int(head["ms"]) * 1_000_000
    return None


DESCRIPTOR: Final = text_format(
    ID,
    looks,
    parse,
    WALL,
    what="`ausearch -i` text",
    yields="signal calls and their targets",
    silent_about="launch chains; names that hold ` exe=` make a record unreadable",
    says_of_clock="wall clock, local time of the host that printed it",
)

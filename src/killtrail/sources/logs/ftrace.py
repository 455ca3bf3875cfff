"""ftrace's text (`trace`, `trace_pipe`): signal_generate, process exits, forks and execs.

Documentation/trace/ftrace.rst. A line is `COMM-PID [(TGID)] [CPU] FLAGS TIME: EVENT: FIELDS`. COMM
may hold anything, even a newline, so a name can look like a whole line. A line counts only if it
can be parsed from both ends.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.clock import NS
from killtrail.model.events import Event, ParseProblem, ProcessExited, Provenance, SignalSent
from killtrail.model.process import Key, Process
from killtrail.sources.logs.stream import SINCE_BOOT, text_format

ID: Final = "ftrace"
_LINE: Final = re.compile(
    rb"(?P<comm>.{1,16})-(?P<pid>\d{1,18})\s+(?:\(\s*(?P<tgid>\d+|-+)\)\s+)?\[(?P<cpu>\d{3,})\]\s+"
    rb"(?:[\w.#+]{4,8}\s+)?(?P<sec>\d{1,18})\.(?P<frac>\d{6,9}): (?P<event>\w+): (?P<rest>.*)$"
)
_GENERATE: Final = re.compile(
    rb"sig=(\d{1,18}) errno=(-?\d{1,18}) code=(-?\d{1,18}) comm=(.{0,16}) pid=(\d{1,18}) grp=(\d{1,18}) res=(\d{1,18})$"
)
_EXIT: Final = re.compile(rb"comm=(.{0,16}) pid=(\d{1,18}) prio=\d+(?: group_dead=(\w+))?$")
# perf script(1): names are padded, not joined to the thread id, and events carry their subsystem.
_PERF: Final = re.compile(
    rb"\s*(?P<comm>\S.{0,15}?)\s+(?P<tgid>\d{1,18})(?:/(?P<pid>\d{1,18}))?\s+\[(?P<cpu>\d{3,})\]\s+"
    rb"(?P<sec>\d{1,18})\.(?P<frac>\d{6,9}):\s+(?:signal|sched):(?P<event>\w+): (?P<rest>.*)$"
)
_COMMENT: Final = re.compile(rb"#|cpus=\d+$|CPU:\d+ \[LOST (\d{1,18}) EVENTS\]|\s*$")


def looks(sample: bytes) -> bool:
    """Whether the beginning of a file is ftrace's text."""
    if sample.startswith(b"# tracer:"):
        return True
    lines = sample.split(b"\n")[:50]
    return any((m := _match(line)) and m["event"] in _EVENTS for line in lines)


def _match(line: bytes) -> re.Match[bytes] | None:
    return _LINE.match(line) or _PERF.match(line)


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Its events. The time is that of the trace clock: seconds since boot by default."""
    for offset, line in piece.lines():
        match = _match(line)
        if match is None:
            yield from _other(piece, offset, line)
            continue
        event = _EVENTS.get(match["event"])
        if event is not None:
            yield event(piece, offset, match)


def _other(piece: Piece, offset: int, line: bytes) -> Iterator[ParseProblem]:
    comment = _COMMENT.match(line)
    if comment and comment[1]:
        yield ParseProblem(ID, piece.place(offset), f"{int(comment[1])} events were lost here")
    elif comment is None:
        yield ParseProblem(ID, piece.place(offset), "not an ftrace line")


def _time(match: re.Match[bytes]) -> int:
    return int(match["sec"]) * NS + int(match["frac"].ljust(9, b"0"))


def _current(match: re.Match[bytes]) -> Process:
    tgid = match["tgid"]
    pid = int(match["pid"] or tgid)
    known = int(tgid) if tgid and tgid.isdigit() else pid
    comm = text(match["comm"].lstrip(b" "))
    return Process(Key(known, None), comm=comm, tid=pid, user="")


def text(raw: bytes) -> str:
    """A name as the kernel has it."""
    return raw.decode("utf-8", "surrogateescape")


def _generated(piece: Piece, offset: int, match: re.Match[bytes]) -> SignalSent | ParseProblem:
    fields = _GENERATE.match(match["rest"].strip())
    place = piece.place(offset)
    if fields is None:
        return ParseProblem(ID, place, "a signal_generate with ambiguous fields")
    pid = int(fields[5])
    current = _current(match)
    return SignalSent(
        time_ns=_time(match),
        origin=Provenance(ID, place),
        sig=int(fields[1]),
        code=int(fields[3]),
        result=int(fields[7]),
        group=fields[6] == b"1",
        target=Process(Key(pid, None), comm=text(fields[4]), tid=pid, user=""),
        current=current,
        same_task=current.tid == pid,
        same_group=pid in {current.tid, current.pid},
    )


def _exited(piece: Piece, offset: int, match: re.Match[bytes]) -> ProcessExited | ParseProblem:
    fields = _EXIT.match(match["rest"].strip())
    place = piece.place(offset)
    if fields is None:
        return ParseProblem(ID, place, "a sched_process_exit with ambiguous fields")
    return ProcessExited(
        time_ns=_time(match),
        origin=Provenance(ID, place),
        process=Process(Key(int(fields[2]), None), comm=text(fields[1]), user=""),
        status=None,
    )


_EVENTS: Final = {b"signal_generate": _generated, b"sched_process_exit": _exited}


DESCRIPTOR: Final = text_format(
    ID,
    looks,
    parse,
    SINCE_BOOT,
    what="text of ftrace, `trace-cmd report` and `perf script`",
    yields="signal_generate: signal, target, and the task that was running",
    silent_about="whether that task sent it, where no signal call did (timers, terminals)",
    says_of_clock="seconds since boot; the date is not in it",
)

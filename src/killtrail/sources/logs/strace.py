"""strace text: signals to a process, its calls and its exit, as its tracer saw them.

strace(1). With -f lines begin with `[pid N]` (on a terminal) or `N ` (in a file); -t, -tt, -ttt put a
time before the call. Only catchable signals show their siginfo; SIGKILL shows only the exit.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, field, replace
from killtrail.files.opened import Piece
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    ParseProblem,
    ProcessExited,
    ProcessSeen,
    Provenance,
    Sighting,
    SignalSent,
)
from killtrail.model.process import Argv, Key, Process
from killtrail.model.redact import redact
from killtrail.model.signal_context import Basis
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs.stream import UNTIMED, WALL, text_format

ID: Final = "strace"
_PID: Final = re.compile(
    rb"(?:\[pid +(\d{1,18})\] |(\d{1,18}) +)?(?:(\d{1,18})\.(\d{6})\d* |\d\d:\d\d:\d\d(?:\.\d+)? )?"
)
_ATTACHED: Final = re.compile(rb"(?:strace: )?Process (\d{1,18}) attached")
_CLONED: Final = re.compile(
    rb"(?:\[pid +(\d{1,18})\] )?(?:clone3?|v?fork)\(.*Process (\d{1,18}) attached"
)
_PERSONALITY: Final = re.compile(rb"\[ Process PID=(\d{1,18}) runs in ")
_SIGNAL: Final = re.compile(rb"--- (SIG\w+|SIG_\d+|SIGRT_?\d+) \{(.*)\} ---$")
_KILLED: Final = re.compile(rb"\+\+\+ killed by (\w+)( \(core dumped\))? \+\+\+$")
_EXITED: Final = re.compile(rb"\+\+\+ exited with (\d{1,18}) \+\+\+$")
_EXEC: Final = re.compile(rb"execve\(\"((?:[^\"\\]|\\.)*)\", \[(.*?)\](\.\.\.)?[,)]")
_EXIT_CALL: Final = re.compile(rb"exit_group\((-?\d{1,18})\)")
_LOOKED_AT: Final = 100_000
_WORD: Final = re.compile(rb"\"((?:[^\"\\]|\\.)*)\"(\.\.\.)?")
_FIELD: Final = re.compile(rb"(\w{1,20})=([\w+-]{1,18})(?![\w+-])")
_CODES: Final = {
    b"SI_USER": sg.SI_USER, b"SI_KERNEL": sg.SI_KERNEL, b"SI_QUEUE": sg.SI_QUEUE,
    b"SI_TIMER": sg.SI_TIMER, b"SI_MESGQ": sg.SI_MESGQ, b"SI_TKILL": sg.SI_TKILL,
    b"SEGV_MAPERR": 1, b"SEGV_ACCERR": 2, b"BUS_ADRALN": 1, b"BUS_ADRERR": 2, b"FPE_INTDIV": 1,
    b"ILL_ILLOPN": 2, b"ILL_ILLOPC": 1, b"SYS_SECCOMP": sg.SYS_SECCOMP,
    b"SYS_USER_DISPATCH": sg.SYS_USER_DISPATCH,
}  # fmt: skip


@dataclass(slots=True)
class _Family:
    """The process of lines without a PID, the creators, and each process as last seen."""

    first: int = 0
    parents: dict[int, int] = field(default_factory=dict)
    known: dict[int, Process] = field(default_factory=dict)

    def process(self, pid: int) -> Process:
        """What is known of a process so far."""
        return self.known.get(pid) or Process(Key(pid, None), user="", ppid=self.parents.get(pid))

    def parent(self, pid: int) -> Process | None:
        """Its creator, where strace saw it being created."""
        above = self.parents.get(pid)
        return None if above is None else replace(self.process(above), reaper=False)


def looks(sample: bytes) -> bool:
    """Whether the beginning of a file is strace's."""
    marks = 0
    for line in sample.split(b"\n")[:200]:
        rest = line[_PID.match(line).end() :]  # type: ignore[union-attr]  # it matches nothing too
        if (
            _SIGNAL.match(rest)
            or _KILLED.match(rest)
            or _EXITED.match(rest)
            or _ATTACHED.match(line)
        ):
            return True
        marks += bool(re.match(rb"execve\(\"|\w+\(.*\) += (-?\d+|0x[0-9a-f]+|\?)", rest))
    return marks >= 3  # noqa: PLR2004 -- one call may stand in any text


def dated(sample: bytes) -> bool:
    """Whether its times are seconds of the epoch (-ttt)."""
    for line in sample.split(b"\n")[:200]:
        match = _PID.match(line)
        if match and match[3]:
            return True
    return False


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Its events; without dates the line number replaces the time."""
    family = _family(piece)
    for number, (offset, line) in enumerate(piece.lines(), 1):
        if _ATTACHED.match(line):
            continue
        match = _PID.match(line)
        assert match is not None  # noqa: S101 -- it matches nothing too
        pid = int(match[1] or match[2] or family.first)
        time_ns = int(match[3]) * NS + int(match[4]) * 1000 if match[3] else number
        found = _event(
            line[match.end() :], pid, time_ns, Provenance(ID, piece.place(offset)), family
        )
        if found is not None:
            yield found


# With one traced process no line has a PID; it appears at the latest when a
# second one is attached.
def _family(piece: Piece) -> _Family:
    family = _Family()
    numbered = []
    for _, line in piece.lines():
        if match := _PERSONALITY.match(line):
            family.first = family.first or int(match[1])
        elif match := _CLONED.search(line):
            family.parents[int(match[2])] = int(match[1] or 0)
        elif match := _ATTACHED.match(line):
            family.first = family.first or int(match[1])
        elif (match := _PID.match(line)) and (match[1] or match[2]):
            numbered.append(int(match[1] or match[2]))
        if len(numbered) > _LOOKED_AT:
            break
    others = [pid for pid in numbered if pid not in family.parents]
    family.first = family.first or (others[0] if others else 0)
    family.parents = {child: above or family.first for child, above in family.parents.items()}
    return family


def _event(
    rest: bytes, pid: int, time_ns: int, origin: Provenance, family: _Family
) -> Event | None:
    process = family.process(pid)
    if match := _SIGNAL.match(rest):
        return _delivered(match, process, time_ns, origin)
    status = _status(rest)
    if status is not None:
        return ProcessExited(
            time_ns, origin, process, status, parent=family.parent(pid), second_hand=True
        )
    if match := _EXEC.match(rest):
        family.known[pid] = replace(_started(match, pid), ppid=family.parents.get(pid))
        return ProcessSeen(time_ns, origin, family.known[pid], Sighting.EXEC)
    return None


def _status(rest: bytes) -> WaitStatus | None:
    if match := _KILLED.match(rest):
        return WaitStatus.of_signal(
            sg.number(match[1].decode("ascii")) or 0, core_dumped=bool(match[2])
        )
    match = _EXITED.match(rest) or _EXIT_CALL.match(rest)
    return WaitStatus.of_exit(int(match[1])) if match else None


def _delivered(match: re.Match[bytes], target: Process, time_ns: int, origin: Provenance) -> Event:
    fields = {m[1]: m[2] for m in _FIELD.finditer(match[2])}
    sender = _number(fields.get(b"si_pid"))
    uid = _number(fields.get(b"si_uid"))
    code = _CODES.get(fields.get(b"si_code", b""), _number(fields.get(b"si_code")))
    own = b"si_addr" in fields or b"si_call_addr" in fields or sender == target.pid
    current = target if own else Process(Key(sender or 0, None), uid=uid, user="")
    return SignalSent(
        time_ns=time_ns,
        origin=origin,
        sig=sg.number(match[1].decode("ascii")) or 0,
        code=sg.SI_KERNEL if code is None else code,
        result=0,
        group=not own,
        target=target,
        current=current,
        basis=Basis.SIGINFO,
        si_pid=sender,
        si_uid=uid,
        same_task=own,
        same_group=own,
    )


def _number(raw: bytes | None) -> int | None:
    return int(raw) if raw is not None and raw.lstrip(b"-").isdigit() else None


def _started(match: re.Match[bytes], pid: int) -> Process:
    words, redacted = redact(tuple(_unescaped(m[1]) for m in _WORD.finditer(match[2])))
    cut = bool(match[3]) or any(m[2] for m in _WORD.finditer(match[2]))
    exe = _unescaped(match[1])
    return Process(
        Key(pid, None),
        comm=exe.rsplit("/", 1)[-1][:15],
        exe=exe,
        argv=Argv(words, cut=cut, redacted=redacted),
        user="",
    )


def _unescaped(raw: bytes) -> str:
    return (
        raw.decode("utf-8", "surrogateescape")
        .encode("latin-1", "backslashreplace")
        .decode("unicode_escape", "replace")
    )


DESCRIPTOR: Final = text_format(
    ID,
    looks,
    parse,
    lambda sample: WALL if dated(sample) else UNTIMED,
    what="strace's text, with and without -f, -t and -o",
    yields="siginfo of signals that can be caught, execs, how the traced process exited",
    silent_about="who sent a SIGKILL: the receiving side never sees its sender",
    says_of_clock="seconds of the epoch with -ttt, else only the order",
)

"""Who has a name: literals to search for, and the records that a literal was found in.

The kernel writes names in quotes, or as upper-case hex where they hold a blank, a quote or a byte
beyond ASCII (audit_log_untrustedstring, kernel/audit.c). So what stands behind `comm=` is known to the
byte, and of a path its end is.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import replace
from killtrail.files.opened import Piece
from killtrail.files.search import Window
from killtrail.model import syscalls
from killtrail.model.process import Argv
from killtrail.model.target import Kind, Target
from killtrail.sources.logs.audit import commandline, to_events
from killtrail.sources.logs.audit.anomalies import Mark
from killtrail.sources.logs.audit.newest_first import Found
from killtrail.sources.logs.audit.record import Head, fields, head
from killtrail.sources.logs.audit.syscall_record import EXEC_CALLS, Call, of_head
from killtrail.sources.logs.audit.targets import Finder, Note, call_of, right_before

_COMM_MOST: Final = 15
_EXECS_MOST: Final = 64
_QUOTED: Final = re.compile(rb"[!#-~]*")
"""What the kernel writes in quotes."""
_OTHER: Final = re.compile(
    rb"(?:node=\S+ )?type=(?:PATH|PROCTITLE|CWD|SOCKADDR|BPRM_FCAPS|EOE|CONFIG_CHANGE|USER_\w+) "
)
"""Records that name no process that was hit, in logs that nothing wrapped: dropped without being read."""
_ARGUMENTS: Final = re.compile(rb"(?:node=\S+ )?type=EXECVE ")

_NAMED: Final = frozenset({Kind.COMM, Kind.EXE, Kind.NAME})


def written(name: str) -> bytes:
    """A string as the kernel writes it."""
    raw = name.encode("utf-8", "surrogateescape")
    return b'"%s"' % raw if _plain(raw) else _hex(raw)


def _plain(raw: bytes) -> bool:
    return _QUOTED.fullmatch(raw) is not None


def _hex(raw: bytes) -> bytes:
    return raw.hex().upper().encode("ascii")


def literals(target: Target) -> tuple[bytes, ...]:
    """Of which one stands in every record that gives this name; none where audit has no such names."""
    if not target.text or target.kind not in _NAMED:
        return ()
    comm = b"comm=" + written(target.text[:_COMM_MOST])
    if target.kind is Kind.COMM:
        return (comm,)
    if "/" in target.text:
        exe = b" exe=" + written(target.text)
        return (exe,) if target.kind is Kind.EXE else (comm, exe)
    return _of_base(target, comm)


def _of_base(target: Target, comm: bytes) -> tuple[bytes, ...]:
    raw = target.text.encode("utf-8", "surrogateescape")
    short = target.text[:_COMM_MOST].encode("utf-8", "surrogateescape")
    # A folder may have a blank where the name has none.
    path = _hex(b"/" + raw)
    if target.kind is Kind.EXE:
        return (b'/%s"' % raw, path) if _plain(raw) else (path,)
    if _plain(raw):
        # One literal for `comm="NAME"`, `exe="/usr/bin/NAME"` and `a0="NAME"`.
        whole = (b'%s"' % raw, path)
        return whole if short == raw else (*whole, comm)
    return (_hex(short), comm) if _plain(short) else (_hex(short),)


class NameSearch:
    """The records that give a name, window by window from the end; remembers execs for `renamed`."""

    def __init__(self, target: Target, note: Note, *, exits: bool, execs: bool) -> None:
        self._target = target
        self._literals = literals(target)
        self._note = note
        self._exits = exits
        self._execs_wanted = execs and target.kind is not Kind.COMM
        wanted = frozenset({"exit_group"}) if exits else frozenset()
        self._exit_turn = calls(wanted)
        self._turn = calls(wanted | EXEC_CALLS)
        self._lowest: tuple[str, int] | None = None
        self.execs: list[Call] = []
        """The newest execs of programs with the name, or under it."""

    def found(self, window: Window, finder: Finder | None) -> Iterator[Found]:
        """Hits, crashes and exits of processes with the name; `finder` None = hits are not wanted."""
        if window.piece is None:
            return
        for at in self._places(window):
            offset, line = window.line(at)
            if (window.piece.path, offset) == self._lowest:
                continue
            self._lowest = (window.piece.path, offset)
            of = head(line)
            if of is None:
                continue
            if of.kind == b"OBJ_PID":
                yield from self._hit(window, at, finder)
            elif of.kind in (b"ANOM_ABEND", b"SECCOMP"):
                yield from self._mark(Mark(of, window.piece, offset, fields(line, of.end)))
            elif of.kind == b"SYSCALL":
                yield from self._call(window.piece, offset, line, of)
            elif of.kind == b"EXECVE":
                self._started(window, offset, line, of)

    # Last first, each line once.
    def _places(self, window: Window) -> Iterator[int]:
        buffer, begin = window.buffer, -1
        places = [at for literal in self._literals for at in window.hits(literal)]
        places.sort(reverse=True)
        for at in places:
            if 0 <= begin <= at:
                continue
            begin = buffer.rfind(b"\n", 0, at) + 1
            if not begin and window.start:
                # Longer than what is in sight.
                yield at
            elif _ARGUMENTS.match(buffer, begin):
                if self._asks_execs() and buffer.find(b" a1", begin, at) < 0:
                    yield at
                else:
                    # Its program's name may stand further in front.
                    begin = -1
            elif not _OTHER.match(buffer, begin) and self._may_count(buffer, begin, at):
                yield at

    # A busy program's name stands in every call it makes; only those that begin or end it count.
    # In SECCOMP records the call stands behind the names.
    def _may_count(self, buffer: bytearray, begin: int, at: int) -> bool:
        call = buffer.find(b" syscall=", begin, at)
        if call < 0:
            return True
        turn = self._turn if self._asks_execs() else self._exit_turn
        return turn is not None and turn.match(buffer, call) is not None

    def _asks_execs(self) -> bool:
        return self._execs_wanted and len(self.execs) < _EXECS_MOST

    def _hit(self, window: Window, at: int, finder: Finder | None) -> Iterator[Found]:
        hit = finder.hit(window, at) if finder is not None else None
        if hit is not None and hit.call.signal and self._target.matches(to_events.target(hit)):
            yield Found(hit.call.head, hit.offset, hit.pid, lambda: [to_events.sent(hit)])

    def _mark(self, mark: Mark) -> Iterator[Found]:
        process = to_events.process_of(mark)
        if self._target.matches(process):
            yield Found(mark.head, mark.offset, process.pid, lambda: to_events.ended(mark)[::-1])

    def _call(self, piece: Piece, offset: int, line: bytes, of: Head) -> Iterator[Found]:
        call = of_head(piece, offset, line, of)
        if call is None:
            self._note(piece, offset, line)
        elif call.name == "exit_group" and self._exits:
            if self._target.matches(call.process()):
                yield Found(of, offset, call.pid, lambda: to_events.turned(call))
        elif call.name in EXEC_CALLS:
            self._keep(call, None)

    def _started(self, window: Window, offset: int, line: bytes, of: Head) -> None:
        if not self._asks_execs() or self._target.kind is not Kind.NAME or window.piece is None:
            return
        call = right_before(window, offset, of) or call_of(window.piece, offset, line)
        if call is not None and call.name in EXEC_CALLS:
            self._keep(call, commandline.of_exec(call))

    # The name of the task at its exec is not one that it could be found by when it is hit.
    def _keep(self, call: Call, argv: Argv | None) -> None:
        if not call.success or not self._asks_execs():
            return
        known = self.execs and self.execs[-1].head.event == call.head.event
        if not known and self._target.matches(replace(call.process(argv), comm=None)):
            self.execs.append(call)


def calls(names: frozenset[str]) -> re.Pattern[bytes] | None:
    """Finds records of these calls by their numbers on the ABIs that are known; None for no call."""
    found = sorted(syscalls.numbers(names))
    return re.compile(rb" syscall=(?:%s) " % b"|".join(b"%d" % n for n in found)) if found else None

"""Where in a big log the kernel and its neighbours say something: their rarest words.

Which words: those that `kernlog`, `oom` and `syslog_services` parse. A line without one of them gives
no event.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.files.search import line_at
from killtrail.model.events import HostEvent, LoginSeen, OomKilled, ProcessExited, SignalSent
from killtrail.sources.logs import oom
from killtrail.sources.logs.literals import Literal

TASK_REACH: Final = 1 << 14
"""How far after a panic, an oops or a lockup the line of its task may stand, in bytes."""
_KILLED: Final = b"Killed process "
# Each costs a pass: `Kill` stands for kills of the kernel, of systemd and its oomd, and for broken memory.
# A word that ends in what is frequent (`: `) is sought many times slower than one that does not.
_OF_PROCESSES: Final = (
    Literal(b"Kill", (OomKilled, SignalSent), report=_KILLED),
    Literal(b"OOM killer", (OomKilled,)),
    Literal(b"result 'oom-kill'", (OomKilled,)),
    Literal(b": segfault at", (SignalSent,)),
    Literal(b"traps:", (SignalSent,)),
    Literal(b"Stopping ", (SignalSent,)),
    Literal(b"Main process exited", (ProcessExited,)),
)
_BY_KERNEL: Final = (
    b"Kernel panic - not syncing:",
    b"BUG:",
    b"Oops:",
    b"kernel BUG at ",
    b"Unable to handle kernel ",
    b"Internal error:",
    b"soft lockup",
    b"hard LOCKUP",
    b" blocked for more than ",
    b"[Hardware Error]:",
    b"sysrq:",
    b"reboot:",
    b": watchdog did not stop!",
)
_BY_SERVICES: Final = (
    b"System is ",
    b"The system will ",
    b"Power key pressed",
    b"Reached target ",
    b"Shutting down.",
    b"Received SIG",
    b"Switching to runlevel: ",
    b"shutting down for system ",
    b"Sending SIGTERM to remaining",
)
_LOGINS: Final = (b") CMD", b"pam_unix(atd:session): session opened", b"Accepted ")


def _literals(scale: int) -> tuple[Literal, ...]:
    task, line = TASK_REACH * scale, oom.CUT_REACH * scale
    return (
        *_OF_PROCESSES,
        Literal(b"Linux version ", (HostEvent,), before=line, after=task),
        *(Literal(text, (HostEvent,), after=task) for text in _BY_KERNEL),
        *(Literal(text, (HostEvent,)) for text in _BY_SERVICES),
        Literal(b" COMMAND=", (HostEvent, LoginSeen)),
        *(Literal(text, (LoginSeen,)) for text in _LOGINS),
    )


LITERALS: Final = _literals(1)
CARRIERS: Final = (b"task_memcg=",)
"""The summary before a kill names the cgroup of its victim."""
ENTRY: Final = 8
"""How many times longer an entry of journalctl's JSON is than a line."""
OF_ENTRIES: Final = (
    *_literals(ENTRY),
    # A text that is no UTF-8 comes as a list of bytes.
    *(
        Literal(text, (OomKilled, SignalSent, ProcessExited, HostEvent, LoginSeen), opaque=True,
                report=b"MESSAGE", after=TASK_REACH * ENTRY)
        for text in (b'"MESSAGE":[', b'"MESSAGE" : [')
    ),
)  # fmt: skip


def begins(piece: Piece, offset: int, text: Callable[[int, bytes], str], scale: int = 1) -> int:
    """From where a log has to be parsed so that a kill at `offset` gets what belongs to it.

    `text`: a kernel line's text, from its offset and bytes; empty for other programs' lines.
    """
    near = max(0, offset - oom.CUT_REACH * scale)
    low = max(0, offset - oom.HEAD_REACH * scale)
    ended = grouped = False
    for at, said in _marks(piece, low, offset, text):
        if oom.begins(said):
            # A line before the head says whether sysrq asked for it.
            return max(0, at - oom.CUT_REACH * scale) if not ended or grouped else near
        grouped = grouped or oom.announces_group(said)
        kill = oom.KILLED.search(said)
        ended = ended or (kill is not None and not oom.announces(kill))
        if ended and not grouped and at < offset - oom.GROUP_REACH * scale:
            break
    return near


def _marks(
    piece: Piece, low: int, high: int, text: Callable[[int, bytes], str]
) -> Iterator[tuple[int, str]]:
    step = oom.CUT_REACH
    while high > low:
        begin = max(low, high - step)
        # What reaches over the upper end was seen with the block above.
        block = os.pread(piece.fd, high - begin + _LONGEST, begin)
        found = {at for mark in _MARKS for at in _places(block, mark) if at < high - begin}
        for at in sorted(found, reverse=True):
            start, raw = line_at(piece, begin + at)
            yield start, text(start, raw)
        high = begin
        step = min(step * 4, 1 << 20)


_MARKS: Final = (b" invoked oom-killer", _KILLED, b"memory.oom.group set")
_LONGEST: Final = max(map(len, _MARKS)) - 1


def _places(block: bytes, mark: bytes) -> Iterator[int]:
    at = block.find(mark)
    while at >= 0:
        yield at
        at = block.find(mark, at + 1)

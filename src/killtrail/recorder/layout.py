"""Layout of the ring buffers, a copy of bpf/records.h: LAYOUT must match, and a test compares both."""

from struct import Struct
from typing import Final

from killtrail._slotted import dataclass

LAYOUT: Final = 3
SLOT_HEAD: Final = Struct("<QQII")
"""begin, end, size, flags."""
SLOT_TRUNCATED: Final = 1


@dataclass(frozen=True, slots=True)
class Ring:
    """One overwriting array: its map, index into `heads`, count and size (bytes) of its slots."""

    name: str
    head: int
    slots: int
    slot_size: int


KILLS: Final = Ring("kills", 0, 4096, 2048)
REQUESTS: Final = Ring("requests", 1, 512, 2048)
ORPHANED: Final = Ring("orphaned", 2, 1024, 1024)
DEATHS: Final = Ring("deaths", 3, 4096, 512)
EXITS: Final = Ring("exits", 4, 4096, 512)
VICTIMS: Final = Ring("victims", 5, 8192, 512)
LIMITS: Final = Ring("limits", 6, 256, 1024)
RINGS: Final = (DEATHS, EXITS, VICTIMS, REQUESTS, KILLS, ORPHANED, LIMITS)
"""In reading order: what is written last is read first, so that the kill of every death read is
read as well.
"""
DECISIVE: Final = (KILLS, DEATHS, VICTIMS, REQUESTS)
"""The rings without which a sender, or the exit that a signal or a request led to, can be missing.

Requests are among them: a signal that was blocked when it was sent, and one that the process
handled and then exited, stand there alone. Only a SIGKILL never does: it can be neither blocked nor
handled (`DECISIVE_OF_SIGKILL`). Left out: ordinary exits, which have no sender and wrap within
minutes by design; orphaned and limits, whose loss costs launchers and policy owners, and a verdict
says of each of those that it is missing.
"""
DECISIVE_OF_SIGKILL: Final = tuple(ring for ring in DECISIVE if ring is not REQUESTS)

REC_SIGNAL, REC_DEATH, REC_OOM, REC_ORPHANED, REC_LINE, REC_CLIENT = range(1, 7)
REC_REPLACED, REC_THREAD, REC_SIBLING, REC_LIMIT_SET = range(7, 11)
RECORD_HEAD: Final = Struct("<HHIQ")
REC_PATH_CUT: Final = 1
PATH_FULL, COMPONENT_MOST = 160, 95
"""After so many bytes, or in a component so long, the writer may have cut a path; the flag says
that it cut one of this record.
"""
REC_ARGV_INHERITED: Final = 2
REC_OF_HOLDER: Final = 4
"""Ancestors and texts of a signal record are those of the terminal's holder."""

WHO: Final = Struct("<QQIIIIIIII16s")
ANCESTOR: Final = Struct("<QIIII16s")
ORPHAN: Final = Struct("<QII")
ORPHAN_SIBLING: Final = 0x80000000
SIGNAL_HEAD: Final = Struct("<iiii8BiIQQQIi")
"""From offset 16: sig .. after_code."""
SIGNAL_ORPHAN, SIGNAL_TARGET, SIGNAL_SENDER, SIGNAL_THREADS = 80, 96, 160, 224
SIGNAL_STACK, SIGNAL_MEMORY, SIGNAL_LENGTHS, SIGNAL_BUF = 256, 352, 368, 416
SIGNAL_LENS: Final = Struct("<10HBBHQQQ")
"""Lengths of the texts, argv_inherited, extra, extra_len, act, ip, sp."""
IN_REQUESTS: Final = 1 << 62
EXTRA_NONE, EXTRA_LIMIT, EXTRA_FILTER, EXTRA_TERMINAL, EXTRA_PIPE = range(5)
LIMIT_EXTRA: Final = Struct("<QQQQII")
FILTER_EXTRA: Final = Struct("<IIII")
TERMINAL_EXTRA: Final = Struct("<40xIIII16s")
PIPE_EXTRA: Final = Struct("<Q")
UNLIMITED, UNKNOWN_LIMIT, NO_COUNT = (1 << 64) - 1, (1 << 64) - 2, (1 << 32) - 1
EXIT_HEAD: Final = Struct("<iiiI4B4BHHHxxIxxxxQQQ")
EXIT_STDIN_PIPE, EXIT_EXEC_PIPE, EXIT_WHO, EXIT_PARENT = 64, 72, 80, 144
EXIT_TRACER, EXIT_THREAD, EXIT_CREATOR, EXIT_BUF = 184, 224, 240, 256
OOM_HEAD: Final = Struct("<IIQ")
OOM_TRIGGER: Final = 32
LIMIT_SET: Final = Struct("<QQQII")
"""From offset 16: start of the target, soft, hard, target, resource."""
PROCESS_LIMIT, PROCESS_ORPHAN, PROCESS_WHO, PROCESS_LENGTHS, PROCESS_BUF = 16, 48, 64, 128, 136
PROCESS_LENS: Final = Struct("<4H")
REPLACED_HEAD: Final = Struct("<II")
REPLACED_WHO, REPLACED_ARGV = 24, 88
THREAD_HEAD: Final = Struct("<iI")
THREAD_WHO, THREAD_NAME, THREAD_STACK = 24, 88, 104

REL_SAME_TASK, REL_SAME_GROUP, REL_CHILD_OF_CURRENT, REL_PDEATH, REL_CHILD_OF_GROUP = 1, 2, 4, 8, 16
ABIS: Final = ("unknown", "x86_64", "i386", "x32", "aarch64")
NO_IMAGE: Final = 255
ANCESTOR_REAPER: Final = 0x80000000
PF_EXITING, PF_IO_WORKER, PF_KTHREAD = 0x4, 0x10, 0x200000
SIGNAL_GROUP_EXIT: Final = 0x4
STATS: Final = (
    "signals",
    "deaths",
    "ooms",
    "orphaned",
    "exits",
    "truncated",
    "failed",
    "orphans",
    "victims",
)
CREATORS_KEPT: Final = 12_000
"""The map has 16,384 entries; an LRU map evicts from a few hundred before it is full."""
META_SIZE: Final = 65536

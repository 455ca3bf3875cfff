"""Layout of the box: the reader's copy of bpf/records.h. LAYOUT must match; a test compares both."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

LAYOUT: Final = 1
SLOT_HEAD: Final = Struct("<QQII")
"""begin, end, size, flags."""
SLOT_TRUNCATED: Final = 1


@dataclass(frozen=True, slots=True)
class Ring:
    """One overwriting array: its map, index into `heads`, number and size of its slots."""

    name: str
    head: int
    slots: int
    slot_size: int


KILLS: Final = Ring("kills", 0, 4096, 2048)
ASKS: Final = Ring("asks", 1, 512, 2048)
WILLS: Final = Ring("wills", 2, 1024, 1024)
DEATHS: Final = Ring("deaths", 3, 4096, 448)
EXITS: Final = Ring("exits", 4, 4096, 448)
RINGS: Final = (DEATHS, EXITS, ASKS, KILLS, WILLS)
"""In reading order: what is written last comes first, so that a death read has its kill behind it."""

REC_SIGNAL, REC_DEATH, REC_OOM, REC_WILL = 1, 2, 3, 4
RECORD_HEAD: Final = Struct("<HHIQ")
REC_PATH_CUT: Final = 1
PATH_FULL, COMPONENT_MOST = 160, 95
"""Behind so many bytes, or in a component so long, the writer may have cut a path; the flag says that it cut one of the record's."""
WILL_ARGV_INHERITED: Final = 2

WHO: Final = Struct("<QQIIIIIIII16s")
ANCESTOR: Final = Struct("<QIIII16s")
ORPHAN: Final = Struct("<QII")
SIGNAL_HEAD: Final = Struct("<iiii8BiIQQQIi")
"""From offset 16: sig .. after_code."""
SIGNAL_ORPHAN, SIGNAL_TARGET, SIGNAL_SENDER, SIGNAL_THREADS = 80, 96, 160, 224
SIGNAL_STACK, SIGNAL_MEMORY, SIGNAL_LENGTHS, SIGNAL_BUF = 256, 352, 368, 392
SIGNAL_LENS: Final = Struct("<10HB")
EXIT_HEAD: Final = Struct("<iiiI4BHHH")
EXIT_WHO, EXIT_PARENT, EXIT_TRACER, EXIT_THREAD = 48, 112, 152, 192
EXIT_CREATOR, EXIT_BUF = 208, 224
OOM_HEAD: Final = Struct("<IIQ")
OOM_TRIGGER: Final = 32
WILL_ORPHAN, WILL_WHO, WILL_LENGTHS, WILL_BUF = 16, 32, 96, 104
WILL_LENS: Final = Struct("<4H")

REL_SAME_TASK, REL_SAME_GROUP, REL_CHILD_OF_CURRENT, REL_PDEATH, REL_CHILD_OF_GROUP = 1, 2, 4, 8, 16
ABIS: Final = ("unknown", "x86_64", "i386", "x32", "aarch64")
NO_IMAGE: Final = 255
ANCESTOR_REAPER: Final = 0x80000000
PF_EXITING, PF_KTHREAD = 0x4, 0x200000
SIGNAL_GROUP_EXIT: Final = 0x4
STATS: Final = ("signals", "deaths", "ooms", "wills", "exits", "truncated", "failed", "orphans")
CREATORS_KEPT: Final = 12_000
"""The map has 16,384 entries; an LRU map evicts from a few hundred before it is full."""
META_SIZE: Final = 65536

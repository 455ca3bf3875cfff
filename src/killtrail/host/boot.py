"""Which boot of which machine this is, and how its clocks relate."""

import os
import time
from functools import cache
from typing import Final

from killtrail.model.clock import Boot
from killtrail.model.verdict import Host

_GRAIN_NS: Final = 1_000_000


@cache
def boot_id() -> str:
    """Random id of this boot (proc(5), /proc/sys/kernel/random/boot_id); `unknown` if unreadable."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 -- on every command's path
            return file.read().strip()
    except OSError:
        return "unknown"


def now_ns() -> int:
    """CLOCK_BOOTTIME, the recorder's clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def this_boot() -> Boot:
    """This boot, with the wall clock's offset as of now, to the millisecond.

    Two readings of two clocks are never of one moment; without rounding, the same event would
    show other microseconds at every look.
    """
    offset = min(time.time_ns() - now_ns() for _ in range(3))
    return Boot(boot_id(), round(offset / _GRAIN_NS) * _GRAIN_NS)


def this_host() -> Host:
    """This machine's name, kernel and boot."""
    name = os.uname()
    return Host(this_boot(), name.nodename, name.release)

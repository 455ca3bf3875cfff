"""Which boot of which machine this is, and how its clocks relate."""

import os
import socket
import time
from functools import cache
from pathlib import Path

from killtrail.model.clock import Boot
from killtrail.model.verdict import Host


@cache
def boot_id() -> str:
    """Random id of this boot (proc(5), /proc/sys/kernel/random/boot_id); `unknown` if unreadable."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def now_ns() -> int:
    """CLOCK_BOOTTIME, the recorder's clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def this_boot() -> Boot:
    """This boot, with the wall clock's offset as of now."""
    return Boot(boot_id(), time.time_ns() - now_ns())


def this_host() -> Host:
    """This machine's name, kernel and boot."""
    return Host(this_boot(), socket.gethostname(), os.uname().release)

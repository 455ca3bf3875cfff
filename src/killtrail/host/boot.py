"""Which boot of which machine this is, and how its clocks relate."""

import os
import time
from functools import cache
from typing import Final

from killtrail.model.clock import Boot
from killtrail.model.verdict import Host

_GRAIN_NS: Final = 1_000_000
_ID_LENGTH: Final = 32
_ID_MOST: Final = 64
_HEX: Final = frozenset("0123456789abcdef")


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


@cache
def machine_id() -> str | None:
    """The id that this installation keeps over reboots and renames (machine-id(5)); None where it has none."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:  # noqa: PTH123 -- on every command's path
            text = file.read(_ID_MOST).strip()
    except (OSError, ValueError):
        return None
    # Until the first boot is over it may be empty, or say `uninitialized`.
    return text if len(text) == _ID_LENGTH and set(text) <= _HEX else None


def this_host() -> Host:
    """This machine's name, kernel, boot and id."""
    name = os.uname()
    return Host(this_boot(), name.nodename, name.release, machine_id())

"""Calls of x32 programs, which no audit rule matches.

Their call numbers have a bit beyond the mask of calls in a rule, so even `-S all` does not match
them (audit_in_mask, kernel/auditsc.c); only a rule of the task list records such a task.
"""

import ctypes
import os
import platform
from typing import Final

_GETPID: Final = 0x40000000 | 39
"""__X32_SYSCALL_BIT and the call number that x32 shares with x86-64."""


def usable() -> bool:
    """Whether this kernel takes such calls: Debian's does after a boot with syscall.x32=y."""
    if platform.machine() != "x86_64":
        return False
    # In a child: a seccomp filter may kill the caller of another ABI.
    child = os.fork()
    if not child:
        # In every case the child must not continue as a second killtrail.
        try:
            call = ctypes.CDLL(None).syscall
            call.restype = ctypes.c_long
            os._exit(0 if call(ctypes.c_long(_GETPID)) > 0 else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0

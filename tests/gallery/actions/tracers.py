"""ptrace(2)."""

import ctypes
import os
import signal
import time

from base import (
    LIBC,
    PTRACE_ATTACH,
    PTRACE_CONT,
    PTRACE_DETACH,
    PTRACE_GETREGS,
    PTRACE_KILL,
    PTRACE_O_EXITKILL,
    PTRACE_POKEDATA,
    PTRACE_SEIZE,
    PTRACE_SETREGS,
)


def ptrace(request, pid, address=0, data=0):
    result = LIBC.ptrace(
        ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(address), ctypes.c_void_p(data)
    )
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def act_trace(pid, how):
    pid = int(pid)
    if how == "exitkill":
        ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL)
        time.sleep(0.1)
        os._exit(0)
    ptrace(PTRACE_ATTACH, pid)
    os.waitpid(pid, 0)
    if how == "kill":
        ptrace(PTRACE_KILL, pid)
    elif how == "detach":
        ptrace(PTRACE_DETACH, pid, 0, signal.SIGTERM)
    elif how == "exit":
        call_exit(pid, 3)
    else:
        ptrace(PTRACE_CONT, pid, 0, signal.SIGTERM)
    time.sleep(0.3)


def call_exit(pid, code):
    """What `call (void)_exit(code)` does in gdb: registers set, the way back on the stack."""
    registers = (ctypes.c_ulonglong * 27)()
    ptrace(PTRACE_GETREGS, pid, 0, ctypes.addressof(registers))
    stack = (registers[19] - 256) & ~15
    # struct user_regs_struct: rax 10, rdi 14, orig_rax 15, rip 16, rsp 19
    ptrace(PTRACE_POKEDATA, pid, stack - 8, stack)
    registers[16], registers[14], registers[15] = address_of_exit(pid), code, (1 << 64) - 1
    registers[19] = stack - 8
    ptrace(PTRACE_SETREGS, pid, 0, ctypes.addressof(registers))
    ptrace(PTRACE_CONT, pid, 0, 0)


def address_of_exit(pid):
    """_exit in the other process: at the same place of the same C library."""
    here = ctypes.cast(LIBC._exit, ctypes.c_void_p).value
    return here - libc_base("self") + libc_base(pid)


def libc_base(pid):
    """Where the C library lies."""
    with open(f"/proc/{pid}/maps") as maps:
        return next(
            int(line.split("-")[0], 16) for line in maps if "/libc.so" in line or "libc-2" in line
        )

"""What all actions share: saying facts, raw calls, machine code."""

import ctypes
import mmap
import os
import signal
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
PTRACE_POKEDATA, PTRACE_CONT, PTRACE_KILL, PTRACE_ATTACH, PTRACE_DETACH = 5, 7, 8, 16, 17
PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_SEIZE = 12, 13, 0x4206
PTRACE_O_EXITKILL = 0x100000


def say(*words):
    """Tells the gallery a fact: one line in one write, as several processes share the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def global_pid():
    """Our number where /proc was mounted, that is outside any pid namespace."""
    return int(os.readlink("/proc/self"))


def ready():
    """Tells the gallery who we are, and that we are set."""
    say("ready", global_pid())


def forever():
    """Waits for death."""
    while True:
        signal.pause()


def child_that(prepare):
    """Forks a child that prepares itself, then waits for death; back when it is set."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        prepare()
        os.write(writer, b"x")
        forever()
    os.read(reader, 1)
    return child


def tell_victim():
    """What most children have to do before they may die."""
    say("victim", global_pid())


def mortal_victim():
    """A child of one that ignores TERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tell_victim()


def wish_to_die_with_parent():
    """PR_SET_PDEATHSIG, TERM."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    tell_victim()


def syscall(number, *args):
    """A raw system call; raises on failure."""
    result = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in args))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def siginfo(sig, code, pid, uid):
    """A siginfo_t as a sender may write it."""
    buffer = ctypes.create_string_buffer(128)
    struct.pack_into("<iiiiiI", buffer, 0, sig, 0, code, 0, pid, uid)
    return buffer


def machine_code(code):
    """Runs bytes as a function."""
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()

"""Processes that kill one other, each in its own way."""

import ctypes
import os
import resource
import signal
import struct
import time

from base import machine_code, ready, say, siginfo, syscall
from rawcalls import insn, load_and_attach, uring_write


def act_kill(pid, sig):
    os.kill(int(pid), int(sig))


def act_kill_many(pid, *sigs):
    for sig in sigs:
        os.kill(int(pid), int(sig))


def act_tkill(pid, sig):
    syscall(200, int(pid), int(sig))


def act_tgkill(pid, sig):
    syscall(234, int(pid), int(pid), int(sig))


def act_sigqueue(pid, sig, claimed_pid, claimed_uid):
    info = siginfo(int(sig), -1, int(claimed_pid), int(claimed_uid))
    syscall(129, int(pid), int(sig), ctypes.addressof(info))


def act_tgsigqueue(pid, sig):
    info = siginfo(int(sig), -1, os.getpid(), os.getuid())
    syscall(297, int(pid), int(pid), int(sig), ctypes.addressof(info))


def act_pidfd(pid, sig):
    signal.pidfd_send_signal(os.pidfd_open(int(pid)), int(sig))


def act_kill_i386(pid, sig):
    """Push rbx; mov eax,37; mov ebx,PID; mov ecx,SIG; int 0x80; pop rbx; ret."""
    code = b"\x53\xb8" + struct.pack("<I", 37) + b"\xbb" + struct.pack("<I", int(pid))
    code += b"\xb9" + struct.pack("<I", int(sig)) + b"\xcd\x80\x5b\xc3"
    machine_code(code)


def act_kill_as(uid, pid, sig):
    os.setuid(int(uid))
    try:
        os.kill(int(pid), int(sig))
    except PermissionError:
        say("refused")


def act_cgroup_kill(path):
    with open(path, "w") as file:
        file.write("1")


def act_cgroup_kill_uring(path):
    """The same through io_uring: no write call is made."""
    uring_write(os.open(path, os.O_WRONLY), b"1")


def act_sysrq(key):
    with open("/proc/sysrq-trigger", "w") as file:
        file.write(key)


def act_prlimit(pid, soft, hard, name="RLIMIT_CPU"):
    """Gives another process a limit."""
    say("setter", os.getpid())
    resource.prlimit(int(pid), getattr(resource, name), (int(soft), int(hard)))


def act_create_sibling(pid):
    """Creates a process that is no child of ours but our sibling, leaves it to kill, and goes."""
    CLONE, CLONE_PARENT = 56, 0x8000
    if syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0):
        os._exit(0)
    say("sibling", os.getpid())
    time.sleep(0.4)
    os.kill(int(pid), signal.SIGKILL)
    os._exit(0)


def act_bpf_kill(pid):
    """Loads a BPF program that kills the process at its next system call."""
    load_and_attach(
        [
            insn(0x85, imm=14),  # r0 = bpf_get_current_pid_tgid()
            insn(0x77, 0, imm=32),
            insn(0x55, 0, off=2, imm=int(pid)),
            insn(0xB7, 1, imm=9),
            insn(0x85, imm=109),  # bpf_send_signal(9)
            insn(0xB7, 0, imm=0),
            insn(0x95),
        ]
    )
    time.sleep(0.5)


def act_pass_on(child_sleeps):
    """A wrapper: hands the TERM that it gets down to its child."""
    child = os.fork()
    if not child:
        time.sleep(float(child_sleeps))
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    say("victim", child)
    ready()
    os.waitpid(child, 0)
    time.sleep(0.2)

"""Eaters of memory."""

import ctypes
import os
import signal
import time

from base import LIBC, forever, ready, say


def act_eat(procs, megabytes, then):
    """Joins a cgroup and touches so much memory."""
    with open(procs, "w") as file:
        file.write(str(os.getpid()))
    ready()
    keep = []
    for _ in range(int(megabytes)):
        block = bytearray(1 << 20)
        block[::4096] = b"x" * len(block[::4096])
        keep.append(block)
    say("full")
    if then == "wait":
        forever()


def act_eat_shared(procs, megabytes):
    """Two processes with one memory map; one eats, both go."""
    with open(procs, "w") as file:
        file.write(str(os.getpid()))
    stack = ctypes.create_string_buffer(65536)
    pause = ctypes.cast(LIBC.pause, ctypes.c_void_p)
    clone_vm = 0x100
    other = LIBC.clone(
        pause, ctypes.c_void_p(ctypes.addressof(stack) + 65520), clone_vm | signal.SIGCHLD, None
    )
    say("victim", other)
    ready()
    time.sleep(0.2)
    keep = []
    for _ in range(int(megabytes)):
        block = bytearray(1 << 20)
        block[::4096] = b"x" * len(block[::4096])
        keep.append(block)
    forever()


def act_devour():
    """All the memory that the machine has, as the OOM killer's first choice."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    ready()
    keep = []
    while True:
        block = bytearray(16 << 20)
        block[::4096] = b"x" * len(block[::4096])
        keep.append(block)

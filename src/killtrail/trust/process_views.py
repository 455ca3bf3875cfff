"""Which processes exist, by views that do not depend on each other.

readdir and getdents64 use the same kernel code, with and without libc. cgroup.procs and the
children lists do not use the listing of /proc. pidfd_open finds thread group leaders by PID.
"""

import ctypes
import os
import platform
import select
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from killtrail.host import procfs

CGROUPS: Final = "/sys/fs/cgroup"
_GETDENTS64: Final = {"x86_64": 217, "aarch64": 61, "riscv64": 61}
_DIRENT: Final = struct.Struct("=QqHB")
_BUFFER: Final = 1 << 16
_FOLDERS_MOST: Final = 100_000
_libc = ctypes.CDLL(None, use_errno=True)


def listed() -> set[int]:
    """By readdir, through libc."""
    return set(procfs.pids())


def raw() -> set[int] | None:
    """By getdents64(2) itself; None if its call number is not known for this machine."""
    call = _GETDENTS64.get(platform.machine())
    if call is None:
        return None
    fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    found: set[int] = set()
    try:
        buffer = ctypes.create_string_buffer(_BUFFER)
        while (size := _libc.syscall(call, fd, buffer, _BUFFER)) > 0:
            found |= set(_numbers(buffer.raw[:size]))
    finally:
        os.close(fd)
    return found


def _numbers(block: bytes) -> Iterator[int]:
    at = 0
    while at + _DIRENT.size < len(block):
        length = _DIRENT.unpack_from(block, at)[2]
        name = block[at + _DIRENT.size : block.index(b"\0", at + _DIRENT.size)]
        if name.isdigit():
            yield int(name)
        at += max(length, _DIRENT.size)


def in_cgroups() -> set[int]:
    """By cgroup.procs of every cgroup; zombies are not in it."""
    found: set[int] = set()
    for count, (folder, _, files) in enumerate(os.walk(CGROUPS)):
        if "cgroup.procs" in files:
            try:
                with open(f"{folder}/cgroup.procs", "rb") as file:  # noqa: PTH123 -- thousands
                    found |= {int(line) for line in file if line.strip() not in (b"", b"0")}
            except OSError:
                pass
        if count > _FOLDERS_MOST:
            break
    return found


def children_of(pids: Iterable[int]) -> set[int]:
    """By the children lists of these, and of the children that they lead to (CONFIG_PROC_CHILDREN)."""
    found: set[int] = set()
    asked = list(pids)
    while asked:
        new = set(procfs.children(asked.pop())) - found
        found |= new
        asked += new
    return found


def by_number(limit: int) -> Iterator[int]:
    """Every PID below the limit that has a process: leaders only, no threads."""
    for pid in range(1, limit):
        try:
            os.close(os.pidfd_open(pid))
        except OSError:
            continue
        yield pid


class Pinned:
    """A process held by a pidfd: reuse of its PID is noticed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    @property
    def alive(self) -> bool:
        """Whether this process has not exited."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Closes the descriptor."""
        os.close(self._fd)


def pinned(pids: Iterable[int]) -> list[Pinned]:
    """Those of them that are there."""
    found = []
    for pid in pids:
        try:
            found.append(Pinned(pid))
        except OSError:
            continue
    return found


def threads_counted() -> int | None:
    """How many threads the kernel counts (the fourth field of loadavg, proc(5))."""
    raw_text = procfs.read_bytes(procfs.PROC / "loadavg", 256) or b""
    try:
        return int(raw_text.split()[3].split(b"/")[1])
    except (IndexError, ValueError):
        return None


def threads_listed() -> int:
    """How many threads /proc lists."""
    return sum(len(procfs.tasks(pid)) for pid in procfs.pids())

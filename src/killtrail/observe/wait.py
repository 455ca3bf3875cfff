"""Waits until a process has really exited, safe against PID reuse.

Uses a pidfd (pidfd_open(2), 5.3+), never a tool: `ps -p` can be replaced, a PID can be reused
between two looks, and a zombie still has one. A pidfd becomes readable when the last thread has
exited, whether or not the process has been reaped.
"""

import errno
import fcntl
import os
import select
import signal
import struct
import time
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.errors import NoSuchDeathError, UnavailableError, UsageError
from killtrail.host import procfs
from killtrail.model.process import Key, Process
from killtrail.model.wait_status import WaitStatus

# struct pidfd_info, include/uapi/linux/pidfd.h: mask, cgroupid, eleven ids, exit_code. 6.13 has the
# call, 6.15 the exit code, and that only once the process was reaped.
_INFO: Final = struct.Struct("=QQ11Ii")
_GET_INFO: Final = (3 << 30) | (_INFO.size << 16) | (0xFF << 8) | 11
_INFO_EXIT: Final = 1 << 3
_REAPED_S: Final = 0.5
"""Time given to the parent to reap, so that the status can be read."""
_STEP_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Ended:
    """An exit: when it was noticed (ns, boot clock), and the wait status if it could be read."""

    process: Process
    time_ns: int
    status: WaitStatus | None
    held_by: Process | None = None
    """The parent that has not reaped it yet: it is a zombie."""
    before: bool = False
    """It had exited before we looked."""


class Life:
    """One process, held by a pidfd: another process with the same PID can't take its place."""

    def __init__(self, pid: int) -> None:
        self._fd = _open(pid)
        self.process: Process = _who(pid, self._fd)

    def wait(self, seconds: float | None) -> Ended | None:
        """Its exit, or None if it still runs after that time (`seconds` None: no limit)."""
        before = self._over(0)
        if not before and not self._over(seconds):
            return None
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        status = self._status()
        stat = procfs.read_stat(self.process.pid) if status is None else None
        held = None
        if stat is not None and stat.state == "Z" and stat.start_ns == self.process.key.start_ns:
            held = procfs.read_process(stat.ppid)
        return Ended(self.process, now, status, held, before)

    def _over(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(None if seconds is None else max(0, seconds) * 1000))

    def _status(self) -> WaitStatus | None:
        until = time.monotonic() + _REAPED_S
        while True:
            found = self._of_kernel()
            found = self._of_child() if found is None else found
            if found is not None or time.monotonic() > until:
                return found
            time.sleep(_STEP_S)

    def _of_kernel(self) -> WaitStatus | None:
        buffer = bytearray(_INFO.pack(_INFO_EXIT, *([0] * 12), 0))
        try:
            fcntl.ioctl(self._fd, _GET_INFO, buffer)
        except OSError:
            return None
        found = _INFO.unpack(buffer)
        return WaitStatus(found[-1]) if found[0] & _INFO_EXIT else None

    # Left for its real waiter (WNOWAIT): the program that started us with exec may need it.
    def _of_child(self) -> WaitStatus | None:
        try:
            found = os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except OSError:
            return None
        if found is None:
            return None
        if found.si_code == os.CLD_EXITED:
            return WaitStatus.of_exit(found.si_status)
        return WaitStatus.of_signal(found.si_status, core_dumped=found.si_code == os.CLD_DUMPED)

    def close(self) -> None:
        """Closes the descriptor."""
        os.close(self._fd)


def _open(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno == errno.ESRCH:
            raise NoSuchDeathError(
                f"no process has PID {pid} now", f"killtrail why {pid}"
            ) from error
        if error.errno in (errno.EINVAL, errno.ENOENT) and _leader(pid) not in (None, pid):
            raise UsageError(
                f"{pid} is a thread of process {_leader(pid)}", f"killtrail wait {_leader(pid)}"
            ) from error
        raise UnavailableError(
            f"pidfd_open: {error.strerror}", "a kernel of 5.3 or later"
        ) from error


def _leader(tid: int) -> int | None:
    raw = procfs.read_bytes(procfs.PROC / str(tid) / "status") or b""
    for line in raw.splitlines():
        if line.startswith(b"Tgid:"):
            return int(line.split()[1])
    return None


# What /proc says counts only if the pidfd's process still has the PID afterwards.
def _who(pid: int, fd: int) -> Process:
    process = procfs.read_process(pid)
    try:
        signal.pidfd_send_signal(fd, 0)
    except ProcessLookupError:
        process = None
    except PermissionError:
        pass
    if process is None:
        return Process(Key(pid, None))
    return replace(process, alive=True)

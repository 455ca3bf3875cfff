"""A process with a chosen PID, to catch a killer that signals this PID.

A stale PID file makes a program kill the process that has the PID today. That is seldom a process
that is easy to watch, so a harmless one is started under this PID.
"""

import ctypes
import errno
import fcntl
import os
import platform
import shutil
import signal
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError, UsageError
from killtrail.host import procfs

_CLONE3: Final = 435
_LAST_PID: Final = Path("/proc/sys/kernel/ns_last_pid")
_PID_MAX: Final = Path("/proc/sys/kernel/pid_max")
_TRIES: Final = 200
_POLL_S: Final = 0.05


@dataclass(slots=True)
class Bait:
    """A child of ours that waits under the requested PID."""

    pid: int
    way: str
    """How the PID was obtained: `clone3` or `ns_last_pid`."""
    folder: Path
    ended: bool = False

    def wait(self, seconds: float | None) -> bool:
        """Whether it was killed within that time (None: no limit)."""
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                self.ended = True
                return True
            time.sleep(_POLL_S)
        return False

    def withdraw(self) -> None:
        """Kills it if it still runs, and removes its folder."""
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.ended = True
        shutil.rmtree(self.folder, ignore_errors=True)


def lay(pid: int, name: str) -> Bait:
    """Starts a process with this PID and name.

    Tries clone3(2) with set_tid (5.5+, CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN), then the older way
    of CRIU, writing ns_last_pid and forking. Raises `UsageError` for an impossible PID or name,
    `UnavailableError` if the PID is in use or this is not permitted.
    """
    _check(pid, name)
    sleep = shutil.which("sleep")
    if sleep is None:
        raise UnavailableError("sleep(1) is not installed")
    folder = Path(tempfile.mkdtemp(prefix="killtrail-bait-"))
    program = folder / name
    try:
        # comm is the last part of the path that was exec'd.
        program.symlink_to(sleep)
        way = _by_clone3(pid, program) or _by_last_pid(pid, program)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Bait(pid, way, folder)


def _check(pid: int, name: str) -> None:
    most = int(_PID_MAX.read_text(encoding="ascii"))
    if not 1 < pid < most:
        raise UsageError(f"{pid}: not a valid PID on this host (2 to {most - 1}, kernel.pid_max)")
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise UsageError(f"{name!r}: not a program's name")
    taken = procfs.read_process(pid)
    if taken is not None:
        raise _taken(pid, taken.comm)


def _taken(pid: int, comm: str | None) -> UnavailableError:
    return UnavailableError(
        f"PID {pid} is in use by {comm or 'a thread or process group'}", f"killtrail why {pid}"
    )


def _become(program: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # A session of its own, so that ^C reaches us and not the bait.
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.execv(program, [program.name, "infinity"])  # noqa: S606


def _in_child(program: Path) -> None:
    try:
        _become(program)
    finally:
        os._exit(127)


def _by_clone3(pid: int, program: Path) -> str | None:
    """The method's name; None if this kernel or our privileges do not allow it."""
    if platform.machine() not in ("x86_64", "aarch64", "riscv64"):
        return None
    wanted = (ctypes.c_int * 1)(pid)
    # struct clone_args, include/uapi/linux/sched.h: set_tid and set_tid_size are the 9th and 10th.
    args = ctypes.create_string_buffer(
        struct.pack("<10Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1), 80
    )
    # PyDLL keeps the interpreter's lock, so that the child has it as well.
    libc = ctypes.PyDLL(None, use_errno=True)
    made = libc.syscall(_CLONE3, args, 80)
    if made == 0:
        _in_child(program)
    if made == pid:
        return "clone3"
    if ctypes.get_errno() == errno.EEXIST:
        raise _taken(pid, None)
    return None


def _by_last_pid(pid: int, program: Path) -> str:
    try:
        with _LAST_PID.open("r+", encoding="ascii") as last:
            # CRIU and others take the same lock.
            fcntl.flock(last, fcntl.LOCK_EX)
            return _race_for(pid, program, lambda: _write(last.fileno(), pid - 1))
    except OSError as error:
        raise UnavailableError(
            f"PID {pid} can't be obtained: {os.strerror(error.errno or 0).lower()}",
            f"sudo killtrail bait {pid}",
        ) from error


def _write(descriptor: int, number: int) -> None:
    os.pwrite(descriptor, str(number).encode(), 0)


# Another process may fork between the write and our fork: a child with another PID exits at once.
def _race_for(pid: int, program: Path, prepare: Callable[[], None]) -> str:
    for _ in range(_TRIES):
        prepare()
        child = os.fork()
        if not child:
            if os.getpid() == pid:
                _in_child(program)
            os._exit(0)
        if child == pid:
            return "ns_last_pid"
        os.waitpid(child, 0)
    raise UnavailableError(
        f"PID {pid} could not be obtained in {_TRIES} attempts: other processes fork too fast"
    )

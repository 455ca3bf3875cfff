"""ptrace(2), as needed to see what a program executes and how its processes exit."""

import ctypes
import os
import signal
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.host import procfs

_TRACEME, _CONT, _SETOPTIONS, _GETEVENTMSG = 0, 7, 0x4200, 0x4201
_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE, _EVENT_EXEC, _EVENT_STOP = 1, 2, 3, 4, 128
_O_EXITKILL: Final = 1 << 20
_OPTIONS: Final = _O_EXITKILL | sum(
    1 << e for e in (_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE, _EVENT_EXEC)
)
_WALL: Final = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass(frozen=True, slots=True)
class Executed:
    """A program that a process of the traced tree executed."""

    pid: int
    exe: str
    argv: tuple[str, ...]


@dataclass(slots=True)
class Tree:
    """A traced process and what it started; made by the tracer once the child has stopped itself."""

    leader: int
    execs: list[Executed] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    """Wait statuses by PID."""
    _alive: dict[int, None] = field(default_factory=dict)

    def begin(self) -> None:
        """Takes the stopped child on. Raises OSError where tracing is refused."""
        _, status = os.waitpid(self.leader, _WALL)
        if not os.WIFSTOPPED(status):
            self.statuses[self.leader] = status
            return
        self._alive[self.leader] = None
        _ptrace(_SETOPTIONS, self.leader, _OPTIONS)
        _ptrace(_CONT, self.leader, 0)

    @property
    def over(self) -> bool:
        """Whether all of them have exited."""
        return not self._alive

    def step(self) -> None:
        """Processes pending events; never waits."""
        for pid in list(self._alive):
            try:
                found, status = os.waitpid(pid, os.WNOHANG | _WALL)
            except ChildProcessError:
                # The thread with this id executed a program as the new leader, or has exited.
                self._alive.pop(pid, None)
                continue
            if not found:
                continue
            if os.WIFSTOPPED(status):
                self._stopped(pid, status)
            else:
                self._alive.pop(pid, None)
                self.statuses[pid] = status

    def _stopped(self, pid: int, status: int) -> None:
        event, sig = status >> 16, os.WSTOPSIG(status)
        try:
            if event in (_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE):
                self._alive[_message(pid)] = None
            elif event == _EVENT_EXEC:
                self.execs.append(_executed(pid))
            passed = 0 if event or sig in (signal.SIGTRAP, signal.SIGSTOP) else sig
            _ptrace(_CONT, pid, passed)
        except ProcessLookupError:
            # Killed while it was stopped; the next wait reports its exit.
            return

    def kill(self) -> None:
        """Kills the remaining tracees. They are not reaped, so their PIDs can't be reused."""
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)
        while self._alive:
            for pid in list(self._alive):
                try:
                    _, status = os.waitpid(pid, _WALL)
                except ChildProcessError:
                    self._alive.pop(pid)
                    continue
                if not os.WIFSTOPPED(status):
                    self._alive.pop(pid)


def trace_me() -> None:
    """In the child: requests tracing by the parent, and stops until it starts. Raises OSError."""
    _ptrace(_TRACEME, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def _ptrace(request: int, pid: int, data: int) -> None:
    if _libc.ptrace(request, pid, None, ctypes.c_void_p(data)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _message(pid: int) -> int:
    found = ctypes.c_ulong()
    if _libc.ptrace(_GETEVENTMSG, pid, None, ctypes.byref(found)) < 0:
        raise ProcessLookupError
    return found.value


def _executed(pid: int) -> Executed:
    try:
        exe = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115
    except OSError:
        exe = "?"
    raw = procfs.read_bytes(procfs.PROC / str(pid) / "cmdline", 4096) or b""
    words = raw.rstrip(b"\0").split(b"\0")
    return Executed(pid, exe, tuple(w.decode("utf-8", "backslashreplace") for w in words))

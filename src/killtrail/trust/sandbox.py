"""Runs a tool that may have been replaced.

It runs as user nobody, without a way to new privileges, in its own network and mount namespaces,
for a short time, and traced.
"""

import ctypes
import errno
import os
import resource
import signal
import socket
import time
from pathlib import Path
from typing import Final

from killtrail._slotted import dataclass
from killtrail.host.tracing import Executed, Tree, trace_me

NOBODY: Final = 65534
LIMIT_S: Final = 3.0
_OUTPUT_MOST: Final = 32 << 20
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_SET_NO_NEW_PRIVS, _PR_SET_PDEATHSIG = 38, 1
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/"}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of a tool showed."""

    status: int | None
    """Its exit status; 128 + n for signal n; None if it was killed at the time limit."""
    execs: tuple[Executed, ...]
    output: bytes
    errors: bytes
    leader: int
    statuses: dict[int, int]

    @property
    def words(self) -> set[str]:
        """What it printed, as text."""
        return set(self.output.decode("utf-8", "replace").split())


def run(
    path: str,
    words: tuple[str, ...],
    *,
    given: bytes = b"",
    listener: int = 0,
    network: bool = False,
) -> Ran | None:
    """Runs a tool and everything it starts under a tracer; None if it could not be traced.

    `given`: its standard input. `listener`: a port with a listener in its own network namespace.
    `network`: it stays in the host's network namespace, to list the host's sockets.
    """
    fds = [_file(given), _file(b""), _file(b"")]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        pid = os.fork()
        if pid == 0:
            _child(path, words, fds, None if network else listener)
        tree = Tree(pid)
        tree.begin()
        over = _followed(tree)
        read = [os.pread(fd, _OUTPUT_MOST, 0) for fd in fds[1:]]
    except OSError:
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for fd in fds:
            os.close(fd)
    if not tree.execs:
        return None
    status = _code(tree.statuses.get(pid)) if over else None
    return Ran(status, tuple(tree.execs), read[0], read[1], pid, tree.statuses)


def _file(content: bytes) -> int:
    fd = os.memfd_create("killtrail")
    os.pwrite(fd, content, 0)
    return fd


def _followed(tree: Tree) -> bool:
    until = time.monotonic() + LIMIT_S
    while not tree.over:
        tree.step()
        left = until - time.monotonic()
        if left <= 0:
            tree.kill()
            return False
        if not tree.over:
            # A stop between the look and this wait leaves the signal pending: nothing is missed.
            signal.sigtimedwait({signal.SIGCHLD}, min(left, 0.05))
    return True


def _code(status: int | None) -> int | None:
    if status is None:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


# After fork nothing may return into the caller's frames.
def _child(path: str, words: tuple[str, ...], fds: list[int], listener: int | None) -> None:
    try:
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        _confine(listener)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        trace_me()
        os.execve(path, (os.path.basename(path), *words), _ENVIRONMENT)  # noqa: S606, PTH119
    except BaseException:  # noqa: BLE001 -- whatever it is, this process must not go on
        os._exit(126)


def _confine(listener: int | None) -> None:
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    if os.geteuid() == 0:
        _apart(listener)
    become_nobody()
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_MOST, _OUTPUT_MOST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    os.chdir("/")


def prctl(option: int, value: int | bytes) -> None:
    """Sets an attribute of this process (prctl(2))."""
    _libc.prctl(option, value, 0, 0, 0)


def become_nobody() -> None:
    """Drops root for good; does nothing without root.

    A user namespace may not map this user: root in it is unprivileged outside, and stays.
    """
    if os.geteuid() != 0:
        return
    try:
        os.setresgid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return
        raise
    os.setgroups([])
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _apart(listener: int | None) -> None:
    if _libc.unshare(_CLONE_NEWNS) == 0:
        _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    if listener is not None and _libc.unshare(_CLONE_NEWNET) == 0 and listener:
        heard = socket.socket()
        heard.bind(("0.0.0.0", listener))  # noqa: S104 -- in a network of its own
        heard.listen()
        os.set_inheritable(heard.detach(), True)  # noqa: FBT003 -- its only form


def own_network() -> bool:
    """Whether tools get a network namespace of their own here: probed, as containers may refuse it."""
    pid = os.fork()
    if pid == 0:
        os._exit(int(os.geteuid() != 0 or _libc.unshare(_CLONE_NEWNET) != 0))
    return os.waitpid(pid, 0)[1] == 0


def script(path: str) -> bool:
    """Whether a program is run by another one that its first line names."""
    try:
        with Path(path).open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False

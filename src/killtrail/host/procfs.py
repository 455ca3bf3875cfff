"""What /proc shows of running processes (proc(5)); None for those that exited or are hidden."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from killtrail._slotted import dataclass
from killtrail.host.users import user_name
from killtrail.model.process import Argv, Key, Process
from killtrail.model.redact import redact

PROC: Final = Path("/proc")
_ARGV_MOST: Final = 4096
_PF_EXITING, _PF_KTHREAD = 0x4, 0x200000


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that identify a process."""

    comm: str
    state: str
    ppid: int
    flags: int
    start_ns: int


@cache
def _tick_ns() -> int:
    return 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def read_bytes(path: Path, most: int = 65536) -> bytes | None:
    """At most `most` bytes of a small file; None where it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return None


def read_stat(pid: int, root: Path = PROC) -> Stat | None:
    """Comm may hold anything, spaces and brackets too, so fields count from the last `)`."""
    raw = read_bytes(root / str(pid) / "stat")
    if raw is None or b")" not in raw:
        return None
    head, _, tail = raw.rpartition(b")")
    fields = tail.split()
    try:
        comm = head.split(b"(", 1)[1].decode("utf-8", "backslashreplace")
        return Stat(
            comm=comm,
            state=fields[0].decode("ascii", "replace"),
            ppid=int(fields[1]),
            flags=int(fields[6]),
            start_ns=int(fields[19]) * _tick_ns(),
        )
    except (IndexError, ValueError):
        return None


def read_argv(pid: int, root: Path = PROC) -> Argv | None:
    """Cmdline with secrets masked; None for kernel threads, zombies and exited processes."""
    raw = read_bytes(root / str(pid) / "cmdline", _ARGV_MOST)
    if not raw:
        return None
    words = tuple(w.decode("utf-8", "backslashreplace") for w in raw.rstrip(b"\0").split(b"\0"))
    clean, redacted = redact(words)
    return Argv(clean, cut=len(raw) == _ARGV_MOST, redacted=redacted)


def _status_fields(pid: int, root: Path) -> dict[str, str]:
    raw = read_bytes(root / str(pid) / "status") or b""
    rows = (line.partition(":") for line in raw.decode("utf-8", "backslashreplace").splitlines())
    return {key: value.strip() for key, _, value in rows}


@dataclass(frozen=True, slots=True)
class SignalMasks:
    """Signals of a process's leader, bit N - 1 for signal N (proc(5), status)."""

    pending: int
    blocked: int
    ignored: int


def signal_masks(pid: int, root: Path = PROC) -> SignalMasks:
    """What is pending (for the thread or the whole process), blocked and ignored; 0 where unreadable."""
    fields = _status_fields(pid, root)

    def mask(name: str) -> int:
        try:
            return int(fields.get(name, "0"), 16)
        except ValueError:
            return 0

    return SignalMasks(mask("SigPnd") | mask("ShdPnd"), mask("SigBlk"), mask("SigIgn"))


def _number(path: Path) -> int | None:
    raw = read_bytes(path, 32)
    try:
        return None if raw is None else int(raw)
    except ValueError:
        return None


def read_cgroup(pid: int, root: Path = PROC) -> str | None:
    """Path in the unified hierarchy; where that is empty, systemd's own or the memory controller's."""
    raw = read_bytes(root / str(pid) / "cgroup")
    if raw is None:
        return None
    paths: dict[str, str] = {}
    for line in raw.decode("utf-8", "backslashreplace").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        paths[controllers] = path
    unified = paths.get("", "/")
    if unified != "/":
        return unified
    return paths.get("name=systemd", unified) or unified


def read_exe(pid: int, root: Path = PROC) -> str | None:
    """Path of the executable as the kernel knows it."""
    try:
        return os.fsencode((root / str(pid) / "exe").readlink()).decode("utf-8", "backslashreplace")
    except OSError:
        return None


def read_process(pid: int, root: Path = PROC) -> Process | None:
    """A running process or a zombie; None if no process has this PID."""
    stat = read_stat(pid, root)
    if stat is None:
        return None
    fields = _status_fields(pid, root)
    uids = fields.get("Uid", "").split()
    ns_pids = fields.get("NSpid", "").split()
    uid = int(uids[0]) if uids else None
    loginuid = _number(root / str(pid) / "loginuid")
    return Process(
        key=Key(pid, stat.start_ns),
        comm=stat.comm,
        exe=read_exe(pid, root),
        argv=read_argv(pid, root),
        uid=uid,
        loginuid=loginuid,
        user=user_name(uid),
        login_user=user_name(loginuid),
        session=_number(root / str(pid) / "sessionid"),
        cgroup=read_cgroup(pid, root),
        ns_pid=int(ns_pids[-1]) if ns_pids else None,
        ppid=stat.ppid,
        kthread=bool(stat.flags & _PF_KTHREAD),
        exiting=bool(stat.flags & _PF_EXITING) or stat.state in "ZX",
        alive=stat.state not in "ZX",
    )


def pids(root: Path = PROC) -> Iterator[int]:
    """PIDs of all processes that readdir shows."""
    try:
        names = os.listdir(root)  # noqa: PTH208 -- names only, thousands of them
    except OSError:
        return
    yield from sorted(int(name) for name in names if name.isdecimal())


def own_family() -> frozenset[int]:
    """This process, and those above it that were started for it (sudo killtrail, a shell script)."""
    found, pid = set(), os.getpid()
    while pid > 1 and pid not in found:
        found.add(pid)
        stat = read_stat(pid)
        pid = stat.ppid if stat else 0
        argv = read_argv(pid) if pid > 1 else None
        if argv is None or not any("killtrail" in word for word in argv.words):
            break
    return frozenset(found)


def tasks(pid: int) -> list[str]:
    """Ids of its threads; none after its exit."""
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """The children of all its threads (CONFIG_PROC_CHILDREN)."""
    found: list[int] = []
    for tid in tasks(pid):
        raw = read_bytes(PROC / str(pid) / "task" / tid / "children", 1 << 20) or b""
        found.extend(int(word) for word in raw.split() if word.isdigit())
    return found


def namespace(pid: int | str, kind: str) -> str | None:
    """Its namespace of this kind (namespaces(7)); None where that may not be read."""
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")  # noqa: PTH115
    except OSError:
        return None

"""What a process waits for, and how, as /proc shows it from outside (proc(5)).

It polls if it starts short-lived programs again and again that check for a process; or it blocks:
in wait4(2) on a child, on a pidfd, on a file lock, on a pipe that another process holds open.
"""

import os
import platform
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from killtrail._slotted import dataclass, field, replace
from killtrail.host import elf, procfs
from killtrail.model.process import Process
from killtrail.trust.delegation import ASKS_FOR_LIFE

_STEP_S: Final = 0.001
_DEEPEST: Final = 6
_SEEN_MOST: Final = 10_000
_CALLS: Final = {
    ("x86_64", 64): {61: "wait4", 247: "waitid", 0: "read", 19: "readv"},
    ("x86_64", 32): {114: "wait4", 284: "waitid", 3: "read", 145: "readv"},
    ("aarch64", 64): {260: "wait4", 95: "waitid", 63: "read", 65: "readv"},
}  # fmt: skip
"""By machine and width of the program (syscall_64.tbl, syscall_32.tbl, asm-generic/unistd.h)."""
_PID: Final = re.compile(r"[1-9]\d{0,6}")
_BY_OPTION: Final = {
    "ps": ("-p", "--pid", "-q", "--quick-pid"), "lsof": ("-p",), "top": ("-p",),
}  # fmt: skip
_PIPE: Final = re.compile(r"pipe:\[\d+\]")
_WRONLY, _RDWR = 1, 2


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait: which process waits, how, and for which."""

    waiter: Process
    through: str
    pid: int | None
    where: str
    tool: str | None = None
    """Path of the program that is run again and again."""
    words: tuple[str, ...] = ()
    rounds: int = 0
    """How often it was seen to run."""
    number: int | None = None
    """The PID that it checks, in its own PID namespace; `pid` is the same process in ours."""
    sole: bool = True
    """Whether the wait is for this process alone."""


@dataclass(slots=True)
class _Asking:
    process: Process
    pids: set[int] = field(default_factory=set)
    depth: int = 0


def find(waiter: Process, seconds: float) -> list[Wait]:
    """What it waits for; watches `seconds` long for programs that it starts again and again."""
    asked = _polled(waiter.pid, seconds)
    if asked:
        return [_polling(waiter, each) for each in asked]
    return list(_blocked(waiter, _DEEPEST))


# The nearest descendant counts: programs that it runs carry the same words.
def _polled(pid: int, seconds: float) -> list[_Asking]:
    found: dict[tuple[str | None, tuple[str, ...]], _Asking] = {}
    known: set[int] = set()
    until = time.monotonic() + seconds
    while time.monotonic() < until and len(known) < _SEEN_MOST:
        for child, depth in _below(pid, 1):
            if child in known:
                continue
            process = procfs.read_process(child)
            words = process.argv.words if process and process.argv else ()
            if process is None or not _asks(words):
                continue
            known.add(child)
            asking = found.setdefault((process.exe, words), _Asking(process, depth=depth))
            asking.pids.add(child)
        repeated = [each for each in found.values() if len(each.pids) > 1]
        if repeated:
            nearest = min(each.depth for each in repeated)
            return [each for each in repeated if each.depth == nearest]
        time.sleep(_STEP_S)
    return []


def _below(pid: int, depth: int) -> Iterator[tuple[int, int]]:
    for child in procfs.children(pid):
        yield child, depth
        if depth < _DEEPEST:
            yield from _below(child, depth + 1)


def _polling(waiter: Process, asking: _Asking) -> Wait:
    words = asking.process.argv.words if asking.process.argv else ()
    number = pid_asked_for(words)
    return Wait(
        waiter,
        f"`{' '.join(words)}`",
        None if number is None else _ours(waiter.pid, number),
        f"/proc/{waiter.pid}/task/*/children",
        asking.process.exe,
        words,
        len(asking.pids),
        number,
    )


# A number can also mean a parent, a user or a terminal: only these options mean a process.
def pid_asked_for(words: tuple[str, ...]) -> int | None:
    """The one PID that a command line checks; None if it checks something else."""
    name, rest = (words[0].rsplit("/", 1)[-1], words[1:]) if words else ("", ())
    found: list[str] = []
    if name == "kill" and _probes(rest):
        found = [word for word in rest if word.isdecimal() and word != "0"]
    elif name in _BY_OPTION:
        for option in _BY_OPTION[name]:
            found += [b for a, b in pairwise(rest) if a == option]
            found += [w.removeprefix(option).lstrip("=") for w in rest if w.startswith(option)]
        if name == "ps" and not found and len(rest) == 1:
            found = list(rest)
    numbers = {int(word) for word in found if _PID.fullmatch(word)}
    return numbers.pop() if len(numbers) == 1 else None


def _probes(rest: tuple[str, ...]) -> bool:
    return "-0" in rest or any(a in ("-s", "-n") and b == "0" for a, b in pairwise(rest))


def _asks(words: tuple[str, ...]) -> bool:
    name = words[0].rsplit("/", 1)[-1] if words else ""
    return name in ASKS_FOR_LIFE and (name not in ("kill", "killall") or _probes(words[1:]))


# PIDs of a container are not ours. None: no process there has it, or the namespace can't be read.
def _ours(waiter: int, number: int) -> int | None:
    theirs = procfs.namespace(waiter, "pid")
    if theirs is None:
        return None
    if theirs == procfs.namespace("self", "pid"):
        return number
    for pid in procfs.pids():
        if procfs.namespace(pid, "pid") == theirs:
            process = procfs.read_process(pid)
            if process is not None and process.ns_pid == number:
                return pid
    return None


def _blocked(waiter: Process, left: int) -> Iterator[Wait]:
    call, first = _call(waiter.pid)
    where = f"/proc/{waiter.pid}/syscall"
    pidfds = list(_pidfds(waiter.pid))
    if call in ("wait4", "waitid"):
        yield from _on_child(waiter, call, first, left, where)
    elif call in ("read", "readv") and first is not None:
        yield from _on_pipe(waiter, first, where)
    elif pidfds:
        for pid, number in pidfds:
            yield Wait(
                waiter, "a pidfd", pid, f"/proc/{waiter.pid}/fdinfo/{number}", sole=len(pidfds) == 1
            )
    yield from _on_lock(waiter)


def _call(pid: int) -> tuple[str | None, int | None]:
    fields = (procfs.read_bytes(Path(f"/proc/{pid}/syscall"), 256) or b"").split()
    names = _CALLS.get((platform.machine(), _width(pid)), {})
    try:
        return names.get(int(fields[0])), int(fields[1], 16)
    except (IndexError, ValueError):
        return None, None


def _width(pid: int) -> int:
    try:
        fd = os.open(f"/proc/{pid}/exe", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 64
    try:
        found = elf.read(fd)
    finally:
        os.close(fd)
    return found.bits if found else 64


# If the child waits as well, the innermost wait is the answer. wait4's first argument is a child's
# PID, or not positive for any of several; waitid's is the kind of its second.
def _on_child(
    waiter: Process, call: str, first: int | None, left: int, where: str
) -> Iterator[Wait]:
    all_of_them = procfs.children(waiter.pid)
    named = [c for c in all_of_them if call == "wait4" and c == first]
    children = named or all_of_them
    for child in children:
        process = procfs.read_process(child)
        inner = list(_blocked(process, left - 1)) if process and left > 0 else []
        if inner:
            yield from (replace(each, sole=each.sole and len(children) == 1) for each in inner)
        else:
            yield Wait(waiter, f"{call}()", child, where, sole=len(children) == 1)


def _pidfds(pid: int) -> Iterator[tuple[int, str]]:
    try:
        numbers = os.listdir(f"/proc/{pid}/fdinfo")  # noqa: PTH208
    except OSError:
        return
    for number in numbers:
        raw = procfs.read_bytes(Path(f"/proc/{pid}/fdinfo/{number}"), 4096) or b""
        match = re.search(rb"^Pid:\t(-?\d+)", raw, re.MULTILINE)
        if match:
            yield int(match[1]), number


def _on_pipe(waiter: Process, fd: int, where: str) -> Iterator[Wait]:
    pipe = _link(waiter.pid, str(fd))
    if not _PIPE.fullmatch(pipe):
        return
    for pid in procfs.pids():
        if pid != waiter.pid and any(_writes(pid, n) for n in _holding(pid, pipe)):
            yield Wait(waiter, f"the write end of {pipe}", pid, where)


def _link(pid: int, number: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}")  # noqa: PTH115
    except OSError:
        return ""


def _holding(pid: int, pipe: str) -> list[str]:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:
        return []
    return [number for number in numbers if _link(pid, number) == pipe]


def _writes(pid: int, number: str) -> bool:
    raw = procfs.read_bytes(Path(f"/proc/{pid}/fdinfo/{number}"), 4096) or b""
    match = re.search(rb"^flags:\t([0-7]+)", raw, re.MULTILINE)
    return match is not None and int(match[1], 8) & 3 in (_WRONLY, _RDWR)


# `3: -> FLOCK ADVISORY WRITE 77 08:01:1234 0 EOF` waits for the holder of the line with the same
# number.
def _on_lock(waiter: Process) -> Iterator[Wait]:
    rows = [line.split() for line in (procfs.read_bytes(Path("/proc/locks"), 1 << 22) or b"").splitlines()]  # fmt: skip
    holders = {r[0]: r for r in rows if len(r) > 5 and r[1] != b"->"}  # noqa: PLR2004 -- proc(5)
    for row in rows:
        if len(row) > 6 and row[1] == b"->" and row[5] == b"%d" % waiter.pid:  # noqa: PLR2004
            held = holders.get(row[0])
            pid = int(held[4]) if held and held[4].isdigit() else None
            what = f"a lock on inode {row[6].decode('ascii', 'replace').rpartition(':')[2]}"
            yield Wait(waiter, what, pid, "/proc/locks")

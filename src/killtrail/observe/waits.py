"""What a process waits for, and through what, as /proc shows it from outside (proc(5)).

It polls, when it starts short-lived programs again and again that ask for a process; or it blocks: in
wait4(2) on a child, on a pidfd, on a file lock, on a pipe that somebody holds open.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from killtrail.host import procfs
from killtrail.model.process import Process
from killtrail.trust.handover import ASKS_FOR_LIFE

_STEP_S: Final = 0.001
_DEEPEST: Final = 6
_SEEN_MOST: Final = 10_000
_WAITS: Final = {61: "wait4", 247: "waitid"}
_READS: Final = {0: "read", 19: "readv"}
_PIPE: Final = re.compile(r"pipe:\[\d+\]")
_NUMBER: Final = re.compile(r"(?:^|[=,/])(\d{1,7})(?=$|[,/])")
_WRONLY, _RDWR = 1, 2


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait: by whom, through what, for whom."""

    waiter: Process
    through: str
    pid: int | None
    where: str
    tool: str | None = None
    """The program that is asked again and again, by path."""
    words: tuple[str, ...] = ()
    rounds: int = 0
    """How often it was seen to ask."""


@dataclass(slots=True)
class _Asking:
    process: Process
    pids: set[int] = field(default_factory=set)
    depth: int = 0


def find(waiter: Process, seconds: float) -> list[Wait]:
    """What it waits for; looks for that long for programs that it starts again and again."""
    asked = _polled(waiter.pid, seconds)
    if asked:
        return [_polling(waiter, each) for each in asked]
    return list(_blocked(waiter, _DEEPEST))


# The nearest asker counts: what it runs in its turn bears the same words.
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
    for child in children(pid):
        yield child, depth
        if depth < _DEEPEST:
            yield from _below(child, depth + 1)


def children(pid: int) -> list[int]:
    """The children of all its threads."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return found
    for tid in threads:
        raw = procfs.read_bytes(Path(f"/proc/{pid}/task/{tid}/children"), 1 << 16) or b""
        found.extend(int(word) for word in raw.split() if word.isdigit())
    return found


def _asks(words: tuple[str, ...]) -> bool:
    return bool(words) and words[0].rsplit("/", 1)[-1] in ASKS_FOR_LIFE


def _polling(waiter: Process, asking: _Asking) -> Wait:
    words = asking.process.argv.words if asking.process.argv else ()
    # An option's own number (-n1, -9) begins with its dash.
    numbers = [m[1] for word in words[1:] if (m := _NUMBER.search(word)) and not _is_signal(word)]
    return Wait(
        waiter,
        f"`{' '.join(words)}`",
        int(numbers[-1]) if numbers else None,
        f"/proc/{waiter.pid}/task/*/children",
        asking.process.exe,
        words,
        len(asking.pids),
    )


def _is_signal(word: str) -> bool:
    return word.startswith("-") and "=" not in word


def _blocked(waiter: Process, left: int) -> Iterator[Wait]:
    call, first = _call(waiter.pid)
    where = f"/proc/{waiter.pid}/syscall"
    pidfds = list(_pidfds(waiter.pid))
    if call in _WAITS:
        yield from _on_child(waiter, _WAITS[call], left, where)
    elif call in _READS and first is not None:
        yield from _on_pipe(waiter, first, where)
    elif pidfds:
        for pid, number in pidfds:
            yield Wait(waiter, "a pidfd", pid, f"/proc/{waiter.pid}/fdinfo/{number}")
    yield from _on_lock(waiter)


def _call(pid: int) -> tuple[int | None, int | None]:
    fields = (procfs.read_bytes(Path(f"/proc/{pid}/syscall"), 256) or b"").split()
    try:
        return int(fields[0]), int(fields[1], 16)
    except (IndexError, ValueError):
        return None, None


# Who waits for a child that waits itself: what the innermost waits for is the answer.
def _on_child(waiter: Process, call: str, left: int, where: str) -> Iterator[Wait]:
    for child in children(waiter.pid):
        process = procfs.read_process(child)
        inner = list(_blocked(process, left - 1)) if process and left > 0 else []
        if inner:
            yield from inner
        else:
            yield Wait(waiter, f"{call}()", child, where)


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
            yield Wait(waiter, f"the end of {pipe}", pid, where)


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


# `3: -> FLOCK ADVISORY WRITE 77 08:01:1234 0 EOF` waits for whoever has the line of the same number.
def _on_lock(waiter: Process) -> Iterator[Wait]:
    rows = [line.split() for line in (procfs.read_bytes(Path("/proc/locks"), 1 << 22) or b"").splitlines()]  # fmt: skip
    holders = {r[0]: r for r in rows if len(r) > 5 and r[1] != b"->"}  # noqa: PLR2004 -- proc(5)
    for row in rows:
        if len(row) > 6 and row[1] == b"->" and row[5] == b"%d" % waiter.pid:  # noqa: PLR2004
            held = holders.get(row[0])
            pid = int(held[4]) if held and held[4].isdigit() else None
            what = f"a lock on inode {row[6].decode('ascii', 'replace').rpartition(':')[2]}"
            yield Wait(waiter, what, pid, "/proc/locks")

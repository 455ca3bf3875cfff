"""What a row of history is found by: words, kept as hashes beside its time.

A row has a word for each PID, name, sender, parent and pipe that it is to be found by. Boot and kind of
row are hashed along, so that all answers to one question lie side by side, in order of time. Two words
may share a hash: a reader that finds a row compares the event itself.
"""

from binascii import crc32
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from killtrail.model.cgroup_path import apps_of, container_of, unit_of
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    LimitSet,
    ManagerAsked,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    Recorded,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Process
from killtrail.model.target import Kind as Named
from killtrail.model.target import Target

_COMM_MOST: Final = 15
"""TASK_COMM_LEN - 1 (include/linux/sched.h)."""
_SIGN: Final = 1 << 31
_UNITS: Final = (".service", ".scope")


class Rows(StrEnum):
    """Kinds of rows. Ordinary exits (no signal, nothing asked) have a table of their own."""

    # Looked up by for every row that is written; an enum's own hash is computed in Python.
    __hash__ = str.__hash__

    SIGNAL = "signal"
    EXIT = "exit"
    ORDINARY = "ordinary"
    OOM = "oom"
    THREAD = "thread"
    REPLACED = "replaced"
    NOTE = "note"
    ORPHANED = "will"


KINDS: Final[dict[type, Rows]] = {
    SignalSent: Rows.SIGNAL,
    ProcessExited: Rows.EXIT,
    OomVictimMarked: Rows.OOM,
    ThreadDied: Rows.THREAD,
    ImageReplaced: Rows.REPLACED,
    KernelLine: Rows.NOTE,
    ManagerAsked: Rows.NOTE,
    LimitSet: Rows.NOTE,
    OrphanedBy: Rows.ORPHANED,
}
"""Kinds of rows by class of event."""


def hashed(boot: int, rows: Rows, word: bytes) -> int:
    """A word as it is kept: 32 bits, signed, because SQLite keeps those in four bytes."""
    return crc32(word, begun(boot, rows)) - _SIGN


@cache
def begun(boot: int, rows: Rows) -> int:
    """The hash of boot and kind of row, which that of a word goes on from."""
    return crc32(f"{boot} {rows.value} ".encode())


def by_pid(pid: int) -> bytes:
    """The word of rows about a PID."""
    return b"p%d" % pid


def by_sender(pid: int) -> bytes:
    """The word of signals that were sent while this PID ran."""
    return b"s%d" % pid


def by_parent(pid: int) -> bytes:
    """The word of exits of children of a PID."""
    return b"c%d" % pid


def by_pipe(inode: int) -> bytes:
    """The word of exits of those who had this pipe."""
    return b"i%d" % inode


def by_name(name: str) -> bytes:
    """The word of rows about processes of that name."""
    return b"n" + name.encode("utf-8", "surrogatepass")


def by_container(number: str) -> bytes:
    """The word of rows about processes in that container."""
    return b"k" + number.encode("utf-8", "surrogatepass")


class Words(NamedTuple):
    """What one row is found by."""

    numbers: tuple[bytes, ...] = ()
    names: frozenset[bytes] = frozenset()
    """What names the victim, its container included."""
    container: str | None = None

    def entries(self, start: int, time_ns: int, row: int) -> list["Entry"]:
        """The entries of a row, from what begun() gives."""
        found_by = (*self.numbers, *self.names)
        return [(crc32(word, start) - _SIGN, time_ns, row) for word in found_by]


Entry = tuple[int, int, int]
"""Hash, time, row."""


def of_event(event: Recorded) -> Words:
    """The words of an event."""
    match event:
        case SignalSent():
            pids = (by_pid(event.target.pid), by_sender(event.current.pid))
            return _named(event.target, pids)
        case ProcessExited():
            return _named(event.process, _of_exit(event))
        case ThreadDied():
            return _named(event.process, _threads(event.process.pid, event.process.tid))
        case ImageReplaced():
            return _named(event.process, _threads(event.process.pid, event.old_tid))
        case OomVictimMarked():
            return Words((by_pid(event.victim.tgid),))
        case _:
            return Words((by_pid(event.process.pid),))


def _of_exit(gone: ProcessExited) -> tuple[bytes, ...]:
    parent = gone.parent.pid if gone.parent is not None else None
    return _exit_numbers(gone.process.pid, parent, gone.stdin_pipe, gone.exec_pipe)


def _exit_numbers(
    pid: int, parent: int | None, stdin_pipe: int | None, exec_pipe: int | None
) -> tuple[bytes, ...]:
    found: tuple[bytes, ...] = (by_pid(pid),)
    if parent is not None:
        found = (*found, by_parent(parent))
    if stdin_pipe or exec_pipe:
        found += tuple(by_pipe(pipe) for pipe in {stdin_pipe, exec_pipe} if pipe)
    return found


def _threads(pid: int, tid: int | None) -> tuple[bytes, ...]:
    return (by_pid(pid),) if tid in (None, pid) else (by_pid(pid), by_pid(tid or 0))


def _named(process: Process, numbers: tuple[bytes, ...]) -> Words:
    argv = process.argv
    first = argv.words[0] if argv is not None and argv.words else None
    names, container = _names(process.comm, process.thread, process.exe, first, process.cgroup)
    return Words(numbers, names, container)


@lru_cache(maxsize=4096)
def _names(
    comm: str | None, thread: str | None, exe: str | None, first: str | None, cgroup: str | None
) -> tuple[frozenset[bytes], str | None]:
    """What model/target.py matches, with base names and units without suffix only, and the container."""
    named = {comm, thread, _base(exe), _base(first), *_units(cgroup)}
    found = {by_name(name) for name in named if name is not None}
    container = container_of(cgroup)
    number = container.rpartition(":")[2] if container else None
    if number is not None:
        found.add(by_container(number))
    return frozenset(found), number


def _base(path: str | None) -> str | None:
    return None if path is None else path.rsplit("/", 1)[-1]


def _units(cgroup: str | None) -> tuple[str, ...]:
    unit = unit_of(cgroup)
    return () if unit is None else (unit.rpartition(".")[0], *apps_of(unit))


def of_target(target: Target) -> frozenset[str]:
    """The names under which rows lie that a target may mean; containers apart."""
    text = target.text
    match target.kind:
        case Named.COMM:
            return frozenset({text[:_COMM_MOST]})
        case Named.EXE:
            return frozenset({text.rsplit("/", 1)[-1]})
        case Named.UNIT:
            return frozenset({text, _stem(text)})
        case Named.NAME:
            return frozenset({text, text[:_COMM_MOST], text.rsplit("/", 1)[-1], _stem(text)})
        case _:
            return frozenset()


def _stem(unit: str) -> str:
    return unit.rpartition(".")[0] if unit.endswith(_UNITS) else unit


# -- rows of schema 1, whose JSON is as it is for good ---------------------------------------------


def of_old_row(kind: str, event: object) -> Words:
    """The words of an event as JSON of schema 1; none for JSON that is not an event."""
    if not isinstance(event, dict):
        return Words()
    victim = _part(event, "target" if kind == Rows.SIGNAL else "process")
    pid = _number(_part(event, "victim") if kind == Rows.OOM else _part(victim, "key"), "tgid")
    if pid is None:
        return Words()
    numbers: tuple[bytes, ...] = (by_pid(pid),)
    match kind:
        case Rows.OOM | Rows.NOTE | Rows.ORPHANED:
            return Words(numbers)
        case Rows.SIGNAL:
            sender = _number(_part(_part(event, "current"), "key"), "tgid")
            numbers += () if sender is None else (by_sender(sender),)
        case Rows.EXIT:
            parent = _number(_part(_part(event, "parent"), "key"), "tgid")
            pipes = _number(event, "stdin_pipe"), _number(event, "exec_pipe")
            numbers = _exit_numbers(pid, parent, *pipes)
        case Rows.THREAD:
            numbers = _threads(pid, _number(victim, "tid"))
        case Rows.REPLACED:
            numbers = _threads(pid, _number(event, "old_tid"))
    return Words(numbers, *_old_names(victim))


def _old_names(process: dict[str, Any]) -> tuple[frozenset[bytes], str | None]:
    words = _part(process, "argv").get("words")
    first = words[0] if isinstance(words, list) and words and isinstance(words[0], str) else None
    comm, thread, exe, cgroup = (_text(process, n) for n in ("comm", "thread", "exe", "cgroup"))
    return _names(comm, thread, exe, first, cgroup)


def _part(whole: dict[str, Any], name: str) -> dict[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, dict) else {}


def _text(whole: dict[str, Any], name: str) -> str | None:
    text = whole.get(name)
    return text if isinstance(text, str) else None


def _number(whole: dict[str, Any], name: str) -> int | None:
    number = whole.get(name)
    return number if type(number) is int else None

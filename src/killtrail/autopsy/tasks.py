"""The task that was running at the crash: its parents, and the system call that it was in."""

import struct
from typing import TYPE_CHECKING, Any, Final

from killtrail.autopsy.kernel import Kernel, text_of
from killtrail.model.autopsy import Call
from killtrail.model.process import Argv, Key, Process
from killtrail.model.redact import redact
from killtrail.model.text import visible

if TYPE_CHECKING:
    from drgn import Object

_DEEPEST: Final = 64
_ARGV_MOST: Final = 4096
_USER_CS, _USER_SS = 0x33, 0x2B
_ARGUMENTS: Final = ("di", "si", "dx", "r10", "r8", "r9")
_FRED_PAD: Final = 16
_NUMBERS_MOST: Final = 4096


def panicked(kernel: Kernel) -> "Object | None":
    """The task that was running where it happened."""
    from drgn.helpers.linux.panic import panic_task  # noqa: PLC0415

    def ask() -> Any:  # noqa: ANN401 -- an object of the dump
        try:
            found = panic_task(kernel.program)
        except ValueError:
            found = None
        return found or kernel.program.crashed_thread().object

    return kernel.guarded("the task that was running", ask, None)


def process(task: "Object") -> Process:
    """A task's process."""
    pid, tgid = int(task.pid), int(task.tgid)
    leader = task.group_leader
    start = _start(leader)
    return Process(
        key=Key(tgid, start),
        tid=pid,
        comm=text_of(leader.comm),
        thread=text_of(task.comm),
        exe=_quietly(lambda: _exe(leader)),
        argv=_quietly(lambda: _argv(leader)),
        uid=_quietly(lambda: int(task.cred.uid.val)),
        user="",
        cgroup=_quietly(lambda: _cgroup(leader)),
        ppid=_quietly(lambda: int(leader.real_parent.tgid)),
        kthread=bool(int(task.flags) & 0x200000),
    )


def ancestry(kernel: Kernel, task: "Object") -> tuple[Process, ...]:
    """Its parents, nearest first, up to init."""
    found: list[Process] = []

    def walk() -> None:
        each, seen = task.group_leader, set()
        while len(found) < _DEEPEST:
            each = each.real_parent
            address = each.value_()
            if address in seen or int(each.tgid) == 0:
                return
            seen.add(address)
            found.append(process(each))

    kernel.guarded("the parents of the task", walk, None)
    return tuple(found)


def _quietly(ask: Any) -> Any:  # noqa: ANN401 -- what one field of a dump gives, or nothing
    try:
        return ask()
    except Exception:  # noqa: BLE001
        return None


def _start(leader: "Object") -> int | None:
    for name in ("start_boottime", "real_start_time"):
        try:
            return int(leader.member_(name))
        except (LookupError, ValueError):
            continue
        except Exception:  # noqa: BLE001 -- not in the dump
            return None
    return None


def _exe(leader: "Object") -> str | None:
    from drgn.helpers.linux.fs import d_path  # noqa: PLC0415

    if not leader.mm:
        return None
    raw: bytes = d_path(leader.mm.exe_file.f_path.address_of_())
    return visible(raw.decode("utf-8", "surrogateescape"))


def _argv(leader: "Object") -> Argv | None:
    from drgn.helpers.linux.mm import access_process_vm  # noqa: PLC0415

    if not leader.mm:
        return None
    start, end = int(leader.mm.arg_start), int(leader.mm.arg_end)
    size = min(end - start, _ARGV_MOST)
    if size <= 0:
        return None
    raw: bytes = access_process_vm(leader, start, size)
    words = tuple(w.decode("utf-8", "backslashreplace") for w in raw.rstrip(b"\0").split(b"\0"))
    clean, redacted = redact(words)
    return Argv(clean, cut=size < end - start, redacted=redacted)


def _cgroup(leader: "Object") -> str | None:
    from drgn.helpers.linux.cgroup import cgroup_path  # noqa: PLC0415

    raw: bytes = cgroup_path(leader.cgroups.dfl_cgrp)
    return visible(raw.decode("utf-8", "surrogateescape"))


def stack_bounds(kernel: Kernel, task: "Object") -> tuple[int, int]:
    """Start and end of the task's stack; its size is a power of two, and known by its mapping."""
    start = task.stack.value_()
    size = 0x4000
    # CONFIG_KASAN and similar options double it: the saved registers at the top show the size.
    for pages in (4, 8, 16):
        if _registers(kernel, start + pages * 4096) is not None:
            size = pages * 4096
            break
    return start, start + size


def _registers(kernel: Kernel, end: int) -> "Object | None":
    from drgn import FaultError, Object, sizeof  # noqa: PLC0415

    size = sizeof(kernel.program.type("struct pt_regs"))
    for pad in (0, _FRED_PAD):
        found = Object(kernel.program, "struct pt_regs", address=end - pad - size)
        try:
            user = int(found.cs) & 0xFFFF == _USER_CS and int(found.ss) & 0xFFFF == _USER_SS
        except FaultError:
            continue
        if user:
            return found
    return None


def call(kernel: Kernel, task: "Object") -> Call | None:
    """The system call it was in, by the registers that were saved at its stack's top."""

    def ask() -> Call | None:
        found = _registers(kernel, stack_bounds(kernel, task)[1])
        if found is None:
            return None
        (number,) = struct.unpack("<q", struct.pack("<Q", int(found.orig_ax)))
        if not 0 <= number < _NUMBERS_MOST:
            return None
        arguments = tuple(int(found.member_(name)) for name in _ARGUMENTS)
        return Call(number, names(kernel).get(number), arguments)

    found: Call | None = kernel.guarded("the system call that the task was in", ask, None)
    return found


def names(kernel: Kernel) -> dict[int, str]:
    """Names of system calls by number, from ftrace's own list in the dump."""
    from drgn import FaultError, Object  # noqa: PLC0415

    found: dict[int, str] = {}
    place = kernel.symbol("syscalls_metadata")
    base = kernel.words(place, 1) if place else ()
    table = kernel.words(base[0], 512) if base and base[0] else ()
    for number, address in enumerate(table):
        if address >> 47 != 0x1FFFF:  # noqa: PLR2004 -- the kernel's half
            continue
        try:
            each = Object(kernel.program, "struct syscall_metadata", address=address)
            if int(each.syscall_nr) == number:
                found[number] = text_of(each.name).removeprefix("sys_")
        except (FaultError, LookupError, ValueError):
            continue
    return found

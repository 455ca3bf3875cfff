"""Consistency of the running kernel: modules, taint, ftrace, kprobes, BPF, system calls.

A carefully changed kernel can keep its own views consistent: only disagreement is evidence.
Stronger evidence comes from outside, from a crash dump or another system.
"""

import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from killtrail.host import kcore, privilege, procfs
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.recorder import bpf

_TAINTS: Final = {"O": "out of tree", "E": "not signed"}
_BITS: Final = {12: "O", 13: "E"}
_MOST: Final = 64 << 20
_FTRACE: Final = ("enabled_functions", "touched_functions")
_TRACING: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_KPROBES: Final = Path("/sys/kernel/debug/kprobes/list")
_NOT_MODULES: Final = ("bpf", "__builtin")
_TABLE: Final = "sys_call_table"
_TEXT: Final = ("_stext", "_etext")
_CALLS: Final = {"x86_64": 335, "aarch64": 292}
"""The entries that every kernel's table has at least; later calls have higher numbers."""


def checks() -> Iterator[Check]:
    """All checks of the kernel; a view that can't be read is reported as such."""
    symbols = kcore.symbols((_TABLE, *_TEXT))
    yield from _modules(symbols)
    yield from _inventories()
    yield _calls(symbols)


def _modules(symbols: kcore.Symbols | None) -> Iterator[Check]:
    raw = procfs.read_bytes(procfs.PROC / "modules", _MOST)
    if raw is None:
        yield _check(
            Result.NOT_CHECKABLE, "modules", "/proc/modules", "this kernel loads no modules"
        )
        return
    views = {"sysfs": _in_sysfs()}
    if symbols is not None:
        views["kallsyms"] = {m for m in symbols.modules if not m.startswith(_NOT_MODULES)}
    # What is loaded or unloaded meanwhile is in one of the two looks.
    listed = _listed(raw) | _listed(procfs.read_bytes(procfs.PROC / "modules", _MOST) or b"")
    hidden = {(name, view) for view, names in views.items() for name in names - listed}
    for name, view in sorted(hidden):
        yield _check(
            Result.CONTRADICTED, f"module {visible(name)}", view,
            f"{view} knows the module {visible(name)}, /proc/modules does not list it",
            "lsmod does not show all code that runs in this kernel",
        )  # fmt: skip
    if not hidden:
        says = f"{len(listed)} modules; /proc/modules, {' and '.join(views)} agree{_taint()}"
        yield _check(Result.CONSISTENT, "modules", "/proc/modules", says)


def _listed(raw: bytes) -> set[str]:
    return {line.split(b" ", 1)[0].decode("ascii", "replace") for line in raw.splitlines()}


# Parameters of built-in code have a folder there, too, but no state.
def _in_sysfs() -> set[str]:
    try:
        names = os.listdir("/sys/module")  # noqa: PTH208
    except OSError:
        return set()
    states = {n: procfs.read_bytes(Path("/sys/module", n, "initstate"), 16) for n in names}
    return {name for name, state in states.items() if state and state.strip() == b"live"}


# Unloading a module leaves its mark, so this is a hint and no more.
def _taint() -> str:
    raw = procfs.read_bytes(procfs.PROC / "sys/kernel/tainted", 32) or b"0"
    bits = int(raw) if raw.strip().isdigit() else 0
    marked = "".join(
        (procfs.read_bytes(path, 16) or b"").decode("ascii", "replace").strip()
        for path in Path("/sys/module").glob("*/taint")
    )
    missing = [m for bit, m in _BITS.items() if bits >> bit & 1 and m not in marked]
    if not missing:
        return ""
    words = " and ".join(_TAINTS[m] for m in missing)
    return (
        f"; a module that was {words} has been loaded, and no such module is listed now (a hint "
        "only)"
    )


def _inventories() -> Iterator[Check]:
    parts, unreadable = [], []
    traced = _lines([Path(t, f) for t in _TRACING for f in _FTRACE])
    probes = _lines([_KPROBES])
    for what, found in (("functions traced by ftrace", traced), ("kprobes", probes)):
        if found is None:
            unreadable.append(what)
        else:
            parts.append(f"{len(found)} {what}")
    programs = bpf.program_ids()
    if programs is None:
        unreadable.append("BPF programs")
    else:
        parts.append(f"{len(programs)} BPF programs")
    if parts:
        says = f"{', '.join(parts)}; their owners are not judged"
        yield _check(
            Result.CONSISTENT, "hooks that the kernel lists", "tracefs, debugfs, bpf", says
        )
    if unreadable:
        says = f"{', '.join(unreadable)}: unreadable here"
        yield _check(Result.NOT_CHECKABLE, "other hooks", "tracefs, debugfs, bpf", says)


def _lines(paths: list[Path]) -> list[bytes] | None:
    for path in paths:
        raw = procfs.read_bytes(path, _MOST)
        if raw is not None:
            return raw.splitlines()
    return None


def _calls(symbols: kcore.Symbols | None) -> Check:
    subject, by = "the system call table", "/proc/kcore, /proc/kallsyms"
    count = _CALLS.get(platform.machine())
    if (
        symbols is None
        or count is None
        or not all(n in symbols.addresses for n in (_TABLE, *_TEXT))
    ):
        return _check(Result.NOT_CHECKABLE, subject, by, f"unreadable: {_why_not(symbols)}")
    raw = kcore.read(symbols.addresses[_TABLE], 8 * count)
    if raw is None:
        return _check(Result.NOT_CHECKABLE, subject, by, f"unreadable: {_why_not(symbols)}")
    low, high = (symbols.addresses[name] for name in _TEXT)
    entries = struct.unpack(f"={count}Q", raw)
    strange = [
        (number, entry)
        for number, entry in enumerate(entries)
        if not low <= entry < high or entry not in symbols.names
    ]
    if not strange:
        says = f"{count} entries, each leads to a system call of the kernel's own"
        return _check(Result.CONSISTENT, subject, by, says)
    shown = ", ".join(f"entry {n} leads to {entry:#x}" for n, entry in strange[:5])
    return _check(
        Result.CONTRADICTED, subject, by,
        f"{shown}: no system call of this kernel starts there",
        "the results of these system calls do not come from the original kernel code",
    )  # fmt: skip


def _why_not(symbols: kcore.Symbols | None) -> str:
    if not privilege.is_root():
        return "only root may read it"
    if (state := privilege.lockdown()) not in (None, "none"):
        return f"kernel lockdown is {state}"
    if symbols is None:
        return "/proc/kallsyms hides addresses"
    return "there is no /proc/kcore, or it holds no table of that name"


def _check(result: Result, subject: str, by: str, says: str, follows: str | None = None) -> Check:
    return Check(CheckId.KERNEL, subject, result, by, says, follows, layer=Layer.KERNEL)

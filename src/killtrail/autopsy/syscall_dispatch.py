"""How system calls are dispatched, and whether each still leads where its name says.

Until 6.8 do_syscall_64 loads the address from sys_call_table; since then (1e3ad78334a6, and 6.1.85,
6.6.26, 5.15.154 by backport) it calls x64_sys_call, a switch, and a changed table alone changes nothing
for 64-bit callers. Which of the two a dump uses is read from the code in it.
"""

import re
import struct
from functools import partial
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass
from killtrail.autopsy import tasks
from killtrail.autopsy.kernel import Kernel
from killtrail.autopsy.notes import Notes
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES: Final = {
    "sys_call_table": (r"__x64_sys_\w+|__x64_compat_sys_\w+|sys_ni_syscall|__x64_sys_ni_syscall|__do_sys_\w+", "x64_sys_call"),
    "ia32_sys_call_table": (r"__(?:ia32|x64)_(?:compat_)?sys_\w+|sys_ni_syscall|__ia32_sys_ni_syscall|__x64_sys_ni_syscall", "ia32_sys_call"),
    "x32_sys_call_table": (r"__x(?:64|32)_(?:compat_)?sys_\w+|sys_ni_syscall|__x64_sys_ni_syscall", "x32_sys_call"),
}  # fmt: skip
_ENTRIES_MOST: Final = 1024
_CODE_MOST: Final = 1 << 16
_BRANCH: Final = re.compile(r"__(?:x64|ia32|x32)_(?:compat_)?sys_|__x86_return_thunk|__x86_indirect|__fentry__|sys_ni_syscall|__cfi_")  # fmt: skip
_CALL: Final = 0xE8
_FAR_JUMP: Final = 0xE9


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch instruction out of a dispatch function."""

    place: int
    target: int | None
    """None: through a register or memory."""


def dispatch(kernel: Kernel) -> str | None:
    """`switch` or `table`, by the code of do_syscall_64; None where that is not in the dump."""
    switch, table = kernel.symbol("x64_sys_call"), kernel.symbol("sys_call_table")
    start = kernel.symbol("do_syscall_64")
    raw = kernel.read(start, _size(kernel, "do_syscall_64")) if start else None
    if raw is None or start is None:
        kernel.miss("how system calls are dispatched", "do_syscall_64 is not in the dump")
        return None
    if switch is not None and any(b == switch for b in _near_targets(raw, start)):
        return "switch"
    # mov sys_call_table(,%rax,8),%rax has the table's address, sign extended from 32 bits.
    if table is not None and struct.pack("<I", table & 0xFFFFFFFF) in raw:
        return "table"
    return "switch" if switch is not None else "table"


def _size(kernel: Kernel, name: str) -> int:
    try:
        return min(int(kernel.program.symbol(name).size), _CODE_MOST)
    except LookupError:
        return 0


def _near_targets(raw: bytes, start: int) -> "Iterator[int]":
    for at in range(len(raw) - 4):
        if raw[at] in (_CALL, _FAR_JUMP):
            (offset,) = struct.unpack_from("<i", raw, at + 1)
            yield start + at + 5 + offset


def check(kernel: Kernel, notes: Notes) -> str | None:
    """Tables and dispatch functions; gives how 64-bit calls are dispatched."""
    how = dispatch(kernel)
    known = tasks.names(kernel) if kernel.tier != "A" else {}
    for table, (pattern, switch) in _TABLES.items():
        kernel.guarded(table, partial(_table, kernel, notes, table, pattern, known, how), None)
        if kernel.symbol(switch) is not None:
            kernel.guarded(switch, partial(_switch, kernel, notes, switch), None)
    return how


def _table(
    kernel: Kernel, notes: Notes, table: str, pattern: str, known: dict[int, str], how: str | None
) -> None:
    start = kernel.symbol(table)
    if start is None:
        return
    count = min(_size(kernel, table) // 8 or 0, _ENTRIES_MOST)
    entries = kernel.words(start, count)
    if not entries:
        kernel.miss(table, "its page is not in the dump")
        return
    for number, entry in enumerate(entries):
        if entry == 0 and number >= len(entries) - 8:
            # The linker fills up to the next boundary.
            continue
        names = kernel.names(entry)
        wanted = (
            f"__x64_sys_{known[number]}" if table == "sys_call_table" and number in known else None
        )
        if any(re.fullmatch(pattern, name) for name in names) and (
            wanted is None or wanted in names or any("ni_syscall" in name for name in names)
        ):
            continue
        _odd_entry(kernel, notes, (table, number, entry), wanted, how)


def _odd_entry(
    kernel: Kernel, notes: Notes, odd: tuple[str, int, int], wanted: str | None, how: str | None
) -> None:
    table, number, entry = odd
    should = kernel.symbol(wanted) if wanted else None
    if should is not None and (should ^ entry).bit_count() == 1:
        # A deliberate redirection does not differ by one bit.
        notes.add(
            FindingKind.HARDWARE, f"{table}[{number}]", entry,
            f"it differs from {wanted} by one bit: typical of faulty memory", expected=wanted,
        )  # fmt: skip
        return
    owner = kernel.owner(entry)
    effective = how == "table" if how is not None and table == "sys_call_table" else None
    used = (
        ""
        if effective is not False
        else "; this kernel does not dispatch by the table, so it had no effect"
    )
    notes.add(
        FindingKind.SYSCALL_TABLE, f"{table}[{number}]", entry,
        f"it leads to {kernel.near(entry) or hex(entry)}, which is {_whose(owner)}{used}",
        expected=wanted, effective=effective, owner=owner,
    )  # fmt: skip


def _whose(owner: str) -> str:
    return {
        "nobody": "memory without a known owner",
        "kernel": "in the kernel, but not this system call",
    }.get(owner, f"of {owner}")


def _switch(kernel: Kernel, notes: Notes, name: str) -> None:
    start, size = kernel.symbol(name) or 0, _size(kernel, name)
    raw = kernel.read(start, size)
    if raw is None:
        kernel.miss(name, "its code is not in the dump")
        return
    for branch in _branches(raw, start):
        if branch.target is None:
            continue
        names = kernel.names(branch.target)
        if any(_BRANCH.match(each) for each in names) or start <= branch.target < start + size:
            continue
        owner = kernel.owner(branch.target)
        notes.add(
            FindingKind.DISPATCH, f"{name}+{branch.place - start:#x}", branch.target,
            f"it leads to {kernel.near(branch.target) or hex(branch.target)}, which is {_whose(owner)}",
            effective=True, owner=owner,
        )  # fmt: skip


def _branches(raw: bytes, start: int) -> "Iterator[Branch]":
    try:
        import capstone  # type: ignore[import-untyped] # noqa: PLC0415 -- an extra
    except ImportError:
        yield from (Branch(start, target) for target in _near_targets(raw, start))
        return
    machine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    for instruction in machine.disasm(raw, start):
        if instruction.mnemonic.startswith(("call", "j")):
            target = instruction.op_str
            yield Branch(instruction.address, int(target, 16) if target.startswith("0x") else None)

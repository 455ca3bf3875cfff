"""Hooks of the kernel: interrupts, ftrace, kprobes, tracepoints, LSM, netfilter.

A hook is ordinary; one into memory without a known owner is not. So only the owner counts.
"""

import struct
from itertools import islice
from typing import TYPE_CHECKING, Final

from killtrail.autopsy.kernel import Kernel
from killtrail.autopsy.notes import Notes
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drgn import Object

_MOST: Final = 4096
_VECTORS: Final = 256
_GATE: Final = struct.Struct("<HHBBHII")
_GATE_PRESENT: Final = 0x80
_HOOKS: Final = 10
"""Hook points of netfilter per family, at most."""


def check(kernel: Kernel, notes: Notes) -> dict[str, int]:
    """How many of each kind exist; those without a known owner become findings."""
    kinds: dict[str, tuple[FindingKind, Callable[[Kernel], Iterator[tuple[str, int]]]]] = {
        "interrupt gates": (FindingKind.IDT, _gates),
        "ftrace operations": (FindingKind.FTRACE_OPS, _ftrace),
        "kprobes": (FindingKind.KPROBE, _kprobes),
        "tracepoint probes": (FindingKind.TRACEPOINT, _tracepoints),
        "LSM hooks": (FindingKind.LSM, _lsm),
        "netfilter hooks": (FindingKind.NETFILTER, _netfilter),
    }
    counts: dict[str, int] = {}
    for what, (kind, ask) in kinds.items():

        def look(kind: FindingKind = kind, ask: "Callable" = ask) -> int:  # type: ignore[type-arg]
            return _judged(kernel, notes, kind, ask(kernel))

        counts[what] = kernel.guarded(what, look, 0)
    return counts


def _judged(
    kernel: Kernel, notes: Notes, kind: FindingKind, found: "Iterator[tuple[str, int]]"
) -> int:
    count = 0
    for where, address in islice(found, _MOST):
        count += 1
        owner = kernel.owner(address)
        if owner == "nobody":
            notes.add(
                kind, where, address, f"it leads to {address:#x}, memory without a known owner",
                effective=True, owner=owner,
            )  # fmt: skip
    return count


def _gates(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    place = kernel.symbol("idt_table")
    raw = kernel.read(place, _VECTORS * _GATE.size) if place else None
    if raw is None:
        kernel.miss("interrupt gates", "the table is not in the dump")
        return
    for vector, (low, _, _, flags, middle, high, _) in enumerate(_GATE.iter_unpack(raw)):
        if flags & _GATE_PRESENT:
            yield f"idt_table[{vector}]", low | middle << 16 | high << 32


def _ftrace(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    ops, end = kernel.program["ftrace_ops_list"], kernel.symbol("ftrace_list_end")
    seen: set[int] = set()
    while ops and ops.value_() not in seen and ops.value_() != end:
        seen.add(ops.value_())
        yield f"ftrace_ops {ops.value_():#x}", int(ops.func)
        ops = ops.next


def _kprobes(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    from drgn.helpers.linux.list import hlist_for_each_entry  # noqa: PLC0415

    for head in kernel.program["kprobe_table"]:
        for probe in hlist_for_each_entry("struct kprobe", head.address_of_(), "hlist"):
            where = kernel.near(int(probe.addr)) or hex(int(probe.addr))
            for handler in ("pre_handler", "post_handler"):
                address = int(probe.member_(handler))
                if address:
                    yield f"kprobe on {where}", address


# The section holds pointers relative to themselves (tracepoint_ptr_t, include/linux/tracepoint-defs.h).
def _tracepoints(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    from drgn import Object  # noqa: PLC0415

    first, last = kernel.bounds("__start___tracepoints_ptrs", "__stop___tracepoints_ptrs")
    raw = kernel.read(first, last - first) if 0 < last - first < 1 << 20 else None
    for number, (offset,) in enumerate(struct.iter_unpack("<i", raw or b"")):
        address = first + 4 * number + offset
        try:
            point = Object(kernel.program, "struct tracepoint", address=address)
            funcs = point.funcs
            for each in range(64 if funcs else 0):
                func = int(funcs[each].func)
                if not func:
                    break
                yield f"tracepoint {kernel.near(address) or hex(address)}", func
        except Exception:  # noqa: BLE001, S112 -- one that is not in the dump
            continue


def _lsm(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    if kernel.symbol("security_hook_heads") is None:
        yield from _static_calls(kernel)
        return
    from drgn.helpers.linux.list import hlist_for_each_entry  # noqa: PLC0415

    heads = kernel.program["security_hook_heads"]
    for name in _members(heads):
        for hook in hlist_for_each_entry(
            "struct security_hook_list", heads.member_(name).address_of_(), "list"
        ):
            yield from _hooked(kernel, name, hook)


# From 6.12 on: for each hook point an array of calls, each with the hook that it was made for.
def _static_calls(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    table = kernel.program["static_calls_table"]
    for name in _members(table):
        for each in table.member_(name):
            if each.hl:
                yield from _hooked(kernel, name, each.hl)


def _members(of: "Object") -> list[str]:
    return [member.name for member in of.type_.members or () if member.name]


# A union of function pointers: all of one size at one place.
def _hooked(kernel: Kernel, name: str, hook: "Object") -> "Iterator[tuple[str, int]]":
    (address,) = kernel.words(hook.hook.address_of_().value_(), 1) or (0,)
    if address:
        yield f"LSM {name}", address


def _netfilter(kernel: Kernel) -> "Iterator[tuple[str, int]]":
    net = kernel.program["init_net"].nf
    for family in ("hooks_ipv4", "hooks_ipv6", "hooks_arp", "hooks_bridge"):
        try:
            tables = net.member_(family)
            length = min(len(tables), _HOOKS)
        except (LookupError, TypeError):
            continue
        for number in range(length):
            entries = tables[number]
            if not entries:
                continue
            for each in range(min(int(entries.num_hook_entries), _MOST)):
                yield f"netfilter {family}[{number}]", int(entries.hooks[each].hook)

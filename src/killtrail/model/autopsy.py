"""Findings in a crash dump: the panic, the task, the stack, what was changed, and the verdict."""

from enum import StrEnum

from killtrail._slotted import dataclass
from killtrail.model.certainty import Certainty
from killtrail.model.process import Process


class Tier(StrEnum):
    """What a dump could be read with."""

    SYMBOLS = "A"
    BTF = "B"
    DWARF = "C"


class FindingKind(StrEnum):
    """What was found changed, hidden or broken."""

    SYSCALL_TABLE = "syscall-table"
    DISPATCH = "dispatch"
    IDT = "idt"
    FTRACE_SITE = "ftrace-site"
    FTRACE_OPS = "ftrace-ops"
    KPROBE = "kprobe"
    TRACEPOINT = "tracepoint"
    LSM = "lsm"
    NETFILTER = "netfilter"
    HIDDEN_MODULE = "hidden-module"
    UNOWNED_EXECUTABLE = "unowned-executable"
    POINTER_INTO_UNOWNED = "pointer-into-unowned"
    STRINGS = "strings"
    HARDWARE = "hardware"


class Class(StrEnum):
    """What the facts amount to."""

    ROOTKIT = "rootkit"
    SECURITY_SOFTWARE = "security-software"
    BUGGY_DRIVER = "buggy-driver"
    HARDWARE = "hardware"
    MEMORY_POLICY = "memory-policy"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact: where, which value, what should be there. `effective`: whether this kernel uses it."""

    id: int
    kind: FindingKind
    where: str
    value: str
    says: str
    expected: str | None = None
    effective: bool | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of the stack; `how`: `unwound`, `recovered` from the raw stack, or `stale`."""

    address: int
    symbol: str | None
    owner: str
    how: str


@dataclass(frozen=True, slots=True)
class Panic:
    """The panic message; `address` is the one that it names."""

    text: str
    kind: str
    address: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The system call that the task was in."""

    nr: int
    name: str | None
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KernelSeen:
    """Which kernel it was, and in what state."""

    release: str | None
    build_id: str | None
    taint: str | None
    uptime_s: float | None
    modules: int | None
    dispatch: str | None
    """`table` or `switch`: how 64-bit system calls are dispatched."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The class, how sure, and the facts (ids of findings) that it rests on."""

    kind: Class
    certainty: Certainty
    says: str
    facts: tuple[int, ...] = ()
    by_task: bool = False
    """Whether the task that was running did it, and was not just there."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be looked at, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Autopsy:
    """All that the dump gave."""

    tier: Tier
    kernel: KernelSeen
    panic: Panic | None
    task: Process | None
    ancestry: tuple[Process, ...]
    call: Call | None
    stack: tuple[Frame, ...]
    findings: tuple[Finding, ...]
    verdict: Judgement
    unknown: tuple[Unknown, ...]
    log: tuple[str, ...] = ()
    """The tail of the kernel log."""
    compared: str | None = None
    """What was held against the distribution's own image."""
    looked_at: tuple[str, ...] = ()
    """How many of each kind of thing was held against its owner."""

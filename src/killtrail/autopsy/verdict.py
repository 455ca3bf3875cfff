"""The class of a crash, scored by how many kinds of facts support it, never by one word alone."""

import re
from typing import Final

from killtrail.model.autopsy import Class, Finding, FindingKind, Judgement, Panic
from killtrail.model.certainty import Certainty
from killtrail.model.wait_status import WaitStatus

_REDIRECTED: Final = frozenset(
    {
        FindingKind.SYSCALL_TABLE, FindingKind.DISPATCH, FindingKind.IDT, FindingKind.FTRACE_SITE,
        FindingKind.FTRACE_OPS, FindingKind.KPROBE, FindingKind.TRACEPOINT, FindingKind.LSM,
        FindingKind.NETFILTER,
    }
)  # fmt: skip
_HIDING: Final = frozenset({FindingKind.HIDDEN_MODULE, FindingKind.UNOWNED_EXECUTABLE})
_BESIDE: Final = frozenset({FindingKind.POINTER_INTO_UNOWNED, FindingKind.STRINGS})
"""A wild jump also points into memory without an owner, and so do remains of an unloaded module."""
TELLING: Final = re.compile(
    r"hook|hack|hide|hidden|rootkit|give_root|sys_call_table|write_protect|cr0|kallsyms_lookup", re.IGNORECASE
)  # fmt: skip
_SECURITY: Final = re.compile(
    r"^(?:tmhook|bmhook|dsa_filter|gsch|redirfs|falcon|symev|symap|sisap|mfe|edr|cbsensor|sentinel|ds_agent|eset|kav)",
    re.IGNORECASE,
)
_ENOUGH: Final = 3
_EXIT: Final = re.compile(r"exitcode=0x([0-9a-f]{8})")


def judge(
    panic: Panic | None, findings: list[Finding], owners: dict[int, str], writer: str | None
) -> Judgement:
    """Classifies the crash.

    `owners`: the owners of redirection targets, by finding. `writer`: the task that was in write(2)
    to sysrq-trigger at the crash.
    """
    into_modules = {f.id: owners[f.id] for f in findings if owners.get(f.id, "nobody") not in ("nobody", "kernel")}  # fmt: skip
    redirected = [f for f in findings if f.kind in _REDIRECTED and f.id not in into_modules]
    hidden = [f for f in findings if f.kind in _HIDING]
    if hidden or redirected:
        # Pointers to them and text next to them count as additional facts, but not alone.
        beside = [f for f in findings if f.kind in _BESIDE]
        strange = hidden or any(owners.get(f.id) != "kernel" for f in redirected)
        return _tampered(panic, [*redirected, *hidden, *beside], strange=bool(strange))
    if into_modules:
        return _modules(into_modules)
    if bits := [f.id for f in findings if f.kind is FindingKind.HARDWARE]:
        says = (
            "entries of the kernel's tables differ from what they should be by one bit each: memory"
        )
        return Judgement(Class.HARDWARE, Certainty.POSSIBLE, says, tuple(bits))
    return _ordinary(panic, writer)


def _tampered(panic: Panic | None, facts: list[Finding], *, strange: bool) -> Judgement:
    kinds = {f.kind for f in facts}
    certainty = (
        Certainty.ESTABLISHED if len(kinds) >= _ENOUGH
        else Certainty.LIKELY if len(kinds) > 1
        else Certainty.POSSIBLE
    )  # fmt: skip
    asked = " (the panic itself was requested)" if panic and panic.kind == "sysrq" else ""
    what = (
        "calls are redirected to code without a known owner" if strange
        else "system calls are redirected to other kernel functions"
    )  # fmt: skip
    count = f"{len(kinds)} independent kinds of facts" if len(kinds) > 1 else "one kind of fact"
    says = f"this kernel was tampered with: {what}; {count}{asked}"
    return Judgement(Class.ROOTKIT, certainty, says, tuple(f.id for f in facts))


def _modules(into: dict[int, str]) -> Judgement:
    names = sorted(set(into.values()))
    known = [name for name in names if _SECURITY.match(name)]
    if known:
        says = (
            f"system calls or functions lead into {', '.join(known)}, a listed module that is "
            "known security software"
        )
        return Judgement(Class.SECURITY_SOFTWARE, Certainty.LIKELY, says, tuple(into))
    says = f"system calls or functions lead into {', '.join(names)}, a module in all views: security software or a driver"
    return Judgement(Class.SECURITY_SOFTWARE, Certainty.POSSIBLE, says, tuple(into))


def _ordinary(panic: Panic | None, writer: str | None) -> Judgement:
    if panic is None:
        return Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, "the dump holds no panic")
    told = _by_kind(panic, writer)
    if told is not None:
        return told
    owner = panic.owner or "nobody"
    if panic.address is not None and panic.owner == "nobody":
        says = (
            "the address in the panic message has no known owner: a wild jump, an unloaded "
            "module, or code that could not be found"
        )
        return Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, says)
    if panic.address is not None and owner != "nobody" and "+" not in owner:
        says = f"tables and hooks are unchanged, and the address in the panic message is in {owner}"
        return Judgement(Class.BUGGY_DRIVER, Certainty.POSSIBLE, says)
    says = "nothing examined is changed, and the panic message does not identify the fault"
    return Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, says)


def _by_kind(panic: Panic, writer: str | None) -> Judgement | None:
    if panic.kind == "sysrq":
        says = "sysrq c was triggered, by a write to sysrq-trigger or by the key"
        if writer:
            says = f"{writer} requested the panic: it was writing to sysrq-trigger"
        return Judgement(Class.OPERATOR, Certainty.ESTABLISHED, says, by_task=writer is not None)
    if panic.kind == "oom":
        says = "memory ran out, and the policy was to panic, or no task was left to kill"
        return Judgement(Class.MEMORY_POLICY, Certainty.ESTABLISHED, says)
    if panic.kind == "machine-check":
        says = "the hardware reported an uncorrectable error"
        return Judgement(Class.HARDWARE, Certainty.LIKELY, says)
    if panic.kind == "init-killed" and (match := _EXIT.search(panic.text)):
        status = WaitStatus(int(match[1], 16))
        sig = status.signal
        how = f"by signal {sig}" if sig else f"with exit code {status.exit_code}"
        says = f"init (PID 1) exited {how}; look for the cause in init, not in the kernel"
        return Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, says)
    return None

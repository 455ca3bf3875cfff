"""What the facts amount to: scored by how many kinds of them there are, never by a word alone."""

import re
from typing import Final

from killtrail.model.autopsy import Class, Finding, FindingKind, Judgement, Panic
from killtrail.model.certainty import Certainty

_REDIRECTED: Final = frozenset(
    {
        FindingKind.SYSCALL_TABLE, FindingKind.DISPATCH, FindingKind.IDT, FindingKind.FTRACE_SITE,
        FindingKind.FTRACE_OPS, FindingKind.KPROBE, FindingKind.TRACEPOINT, FindingKind.LSM,
        FindingKind.NETFILTER,
    }
)  # fmt: skip
_HIDING: Final = frozenset({FindingKind.HIDDEN_MODULE, FindingKind.UNOWNED_EXECUTABLE, FindingKind.POINTER_INTO_UNOWNED})  # fmt: skip
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
    """The class of what happened.

    `owners`: whose the addresses of redirections are, by finding. `writer`: the task that was in
    write(2) when the machine went down, whom sysrq's trigger file needs.
    """
    into_modules = {f.id: owners[f.id] for f in findings if owners.get(f.id, "nobody") not in ("nobody", "kernel")}  # fmt: skip
    redirected = [f for f in findings if f.kind in _REDIRECTED and f.id not in into_modules]
    hidden = [f for f in findings if f.kind in _HIDING]
    strings = [f for f in findings if f.kind is FindingKind.STRINGS]
    if hidden or redirected:
        return _tampered(panic, redirected, hidden, strings)
    if into_modules:
        return _modules(into_modules)
    return _ordinary(panic, writer)


def _tampered(
    panic: Panic | None, redirected: list[Finding], hidden: list[Finding], strings: list[Finding]
) -> Judgement:
    facts = [*redirected, *hidden, *strings]
    kinds = {f.kind for f in facts}
    certainty = (
        Certainty.ESTABLISHED if len(kinds) >= _ENOUGH
        else Certainty.LIKELY if len(kinds) > 1
        else Certainty.POSSIBLE
    )  # fmt: skip
    asked = " (the panic itself was asked for)" if panic and panic.kind == "sysrq" else ""
    says = f"code that nobody owns was put into this kernel: {len(kinds)} independent kinds of facts{asked}"
    return Judgement(Class.ROOTKIT, certainty, says, tuple(f.id for f in facts))


def _modules(into: dict[int, str]) -> Judgement:
    names = sorted(set(into.values()))
    known = [name for name in names if _SECURITY.match(name)]
    if known:
        says = f"system calls or functions lead into {', '.join(known)}, which is listed and known as security software"
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
    if panic.address is not None and owner != "nobody" and "+" not in owner:
        says = f"tables and hooks are as they should be, and the address that the panic names is of {owner}"
        return Judgement(Class.BUGGY_DRIVER, Certainty.POSSIBLE, says)
    says = "nothing that was looked at is changed, and the panic does not say whose fault it was"
    return Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, says)


def _by_kind(panic: Panic, writer: str | None) -> Judgement | None:
    if panic.kind == "sysrq":
        says = "somebody wrote c to sysrq-trigger or pressed its key"
        if writer:
            says = f"{writer} was writing, and sysrq c was triggered: it asked for the panic"
        return Judgement(Class.OPERATOR, Certainty.ESTABLISHED, says)
    if panic.kind == "oom":
        says = "memory ran out, and policy was to panic or nobody was left to kill"
        return Judgement(Class.MEMORY_POLICY, Certainty.ESTABLISHED, says)
    if panic.kind == "machine-check":
        says = "the hardware reported an error that it can't go on with"
        return Judgement(Class.HARDWARE, Certainty.LIKELY, says)
    if panic.kind == "init-killed" and (match := _EXIT.search(panic.text)):
        status = int(match[1], 16)
        how = f"by signal {status & 0x7F}" if status & 0x7F else f"with exit code {status >> 8}"
        says = f"init, process 1, ended {how}; why it did is its own affair, not the kernel's"
        return Judgement(Class.UNKNOWN, Certainty.NOT_ESTABLISHED, says)
    return None

"""Faults, aborts, broken memory."""

from typing import TYPE_CHECKING

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation.base import Actor
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.events import SignalSent
from killtrail.model.signal_context import Basis
from killtrail.model.verdict import Subject, SubjectKind

if TYPE_CHECKING:
    from killtrail.model.certainty import Certainty

_WITH_ADDRESS = frozenset({sg.SIGSEGV, sg.SIGBUS, sg.SIGILL, sg.SIGFPE})
_BUS_ADRERR = 2
_STACK_STEP = 65536
"""A fault this close to the stack pointer was stack growth; frames are rarely larger."""
_FAULTS = frozenset(
    {Mechanism.PAGE_FAULT, Mechanism.TRAP, Mechanism.SIGRETURN, Mechanism.USER_DISPATCH}
)
_MECHANISM_SAYS = {
    Mechanism.PAGE_FAULT: "accessed invalid memory",
    Mechanism.TRAP: "hit a trap",
    Mechanism.SIGRETURN: "returned from a signal handler through a bad frame",
    Mechanism.USER_DISPATCH: "did not handle a system call of its own that it had the kernel hand"
    " back to it (syscall user dispatch)",
}


def crashed(a: RuleContext) -> Conclusion | None:
    """Claim: an instruction of its own faulted, or a system call that it had handed back to itself.

    Needs: a fault signal forced on its own thread with a fault code, and a matching exit status;
    for syscall user dispatch SYS_USER_DISPATCH, or its function on the kernel stack.
    Refuted by: SI_USER, SI_TKILL or SI_QUEUE: then somebody sent the number of a crash; SYS_SECCOMP:
    then a filter refused the call.
    """
    mechanism = a.sending.mechanism if a.sending else None
    if a.signal is None or mechanism is None or mechanism not in _FAULTS:
        return None
    certainty = a.certainty()
    code = sg.code_name(a.signal.sig, a.signal.code)
    a.blame(
        Role.SENDER,
        f"faulted: {sg.name(a.signal.sig)} {code}",
        certainty,
        process=a.signal.current,
        launched=a.victim,
    )
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, f"si_code {code} means a fault, no call sent it")
    if mechanism is Mechanism.USER_DISPATCH:
        a.draft.rule_out(Cause.SECCOMP_KILLED, f"si_code {code} is not SYS_SECCOMP")
    a.draft.miss("the faulting code", Why.NOT_RECORDED, f"coredumpctl info {a.victim.pid}")
    _cite_stack(a, a.signal)
    thread = f" in thread {a.signal.current.thread}" if _other_thread(a.signal) else ""
    summary = (
        f"{wording.name(a.victim)} crashed{thread}: it {_what(a.signal, mechanism)}"
        f" ({sg.name(a.signal.sig)}, {code}{_address(a.signal)})"
    )
    return Conclusion(Cause.CRASHED, certainty, summary, mechanism)


def _overflow(signal: SignalSent) -> int | None:
    address = _fault_address(signal)
    if address is None or not signal.kernel.sp:
        return None
    distance = address - signal.kernel.sp
    return distance if abs(distance) < _STACK_STEP else None


def _cite_stack(a: RuleContext, signal: SignalSent) -> None:
    distance = _overflow(signal)
    if distance is not None:
        side = "below" if distance < 0 else "above"
        a.draft.cite(
            signal,
            f"the address is {abs(distance)} bytes {side} its stack pointer {signal.kernel.sp:#x}",
        )


def _what(signal: SignalSent, mechanism: Mechanism) -> str:
    if signal.sig == sg.SIGBUS and signal.code == _BUS_ADRERR:
        return "accessed a mapping without backing: a truncated file, or no space for it"
    if _overflow(signal) is not None:
        return "overflowed its stack"
    return _MECHANISM_SAYS[mechanism]


def _other_thread(signal: SignalSent) -> bool:
    return signal.current.tid != signal.current.pid and bool(signal.current.thread)


# siginfo_t is a union: for faults si_pid and si_uid are the two halves of si_addr.
def _fault_address(signal: SignalSent) -> int | None:
    if signal.basis is not Basis.USER or signal.si_pid is None or signal.si_uid is None:
        return None
    if signal.sig not in _WITH_ADDRESS or signal.code == sg.SI_KERNEL:
        return None
    return (signal.si_uid << 32) | (signal.si_pid & 0xFFFFFFFF)


def _address(signal: SignalSent) -> str:
    address = _fault_address(signal)
    return "" if address is None else f", address {address:#x}"


def aborted(a: RuleContext) -> Conclusion | None:
    """Claim: it aborted itself: abort(), a failed assertion, a detected corruption.

    Needs: SIGABRT sent to its own thread by a call of its own. Refuted by: SIGABRT from another
    process (such as a watchdog): then that process killed it.
    """
    if a.signal is None or a.sending is None:
        return None
    if a.signal.sig != sg.SIGABRT or a.sending.actor is not Actor.SELF:
        return None
    certainty = a.certainty()
    a.blame(Role.SENDER, "aborted", certainty, process=a.signal.current, launched=a.victim)
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "sender and target are the same process")
    a.draft.miss("why it aborted", Why.NOT_RECORDED, "its standard error, or its core file")
    summary = f"{wording.name(a.victim)} aborted itself (SIGABRT){wording.ran(a.victim)}"
    return Conclusion(Cause.ABORTED, certainty, summary, a.sending.mechanism)


def hardware_error(a: RuleContext) -> Conclusion | None:
    """Claim: it accessed memory that the hardware reports as broken.

    Needs: SIGBUS with BUS_MCEERR_AR or _AO forced on it. Refuted by: the same signal sent by a
    call.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.HWPOISON:
        return None
    certainty: Certainty = a.certainty()
    a.blame(
        Role.TRIGGER,
        "was reported as broken",
        certainty,
        subject=Subject(SubjectKind.HARDWARE, "memory"),
    )
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)}: it accessed memory that"
        " the hardware reports as broken"
    )
    return Conclusion(Cause.HARDWARE_ERROR, certainty, summary, Mechanism.HWPOISON)

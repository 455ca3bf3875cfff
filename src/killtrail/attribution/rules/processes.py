"""A process did it with a signal call."""

from killtrail.attribution import wording
from killtrail.attribution.argument import Argument
from killtrail.attribution.brief import Conclusion
from killtrail.attribution.sending import SENDING_CALLS, Actor
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role

_CALLS = frozenset(SENDING_CALLS.values())


def killed_by_process(a: Argument) -> Conclusion | None:
    """Claim: another process sent the signal that ended it, with one of the six signal calls.

    Needs: exit status = that signal; the kernel's record of the send with result 0; the sender
    inside the call at that moment (kernel stack, system call). Refuted by: a stack of a timer, a
    terminal, the OOM killer or an exiting parent; an earlier fatal signal; a sender of the same
    thread group.
    """
    if a.signal is None or a.sending is None or a.sending.actor is not Actor.SENDER:
        return None
    mechanism = a.sending.mechanism
    if mechanism is None or mechanism not in _CALLS:
        return None
    sender, certainty = a.signal.current, a.certainty()
    a.blame(Role.SENDER, mechanism.value, certainty, process=sender, launched=sender)
    a.rule_out_memory()
    if a.signal.sig in sg.FAULTS:
        a.brief.rule_out(Cause.CRASHED, "the signal was sent by a call, no instruction faulted")
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} by"
        f" {wording.name(sender)}: {wording.command(sender)}"
    )
    return Conclusion(Cause.KILLED_BY_PROCESS, certainty, summary, mechanism)


def killed_by_self(a: Argument) -> Conclusion | None:
    """Claim: the process sent itself the signal that ended it.

    Needs: as `killed_by_process`, with sender and target in one thread group. Refuted by: another
    thread group at the call; a handled request just before (then it only complied).
    """
    if a.signal is None or a.sending is None or a.sending.actor is not Actor.SELF:
        return None
    mechanism = a.sending.mechanism
    if mechanism not in _CALLS and mechanism is not Mechanism.REBOOT:
        return None
    certainty = a.certainty()
    a.blame(
        Role.SENDER,
        mechanism.value if mechanism else "kill",
        certainty,
        process=a.signal.current,
        launched=a.victim,
    )
    a.brief.rule_out(Cause.KILLED_BY_PROCESS, "sender and target are the same process")
    a.rule_out_memory()
    summary = (
        f"{wording.name(a.victim)} sent itself {sg.name(a.signal.sig)}: {wording.command(a.victim)}"
    )
    return Conclusion(Cause.KILLED_BY_SELF, certainty, summary, mechanism)


def kernel_operator(a: Argument) -> Conclusion | None:
    """Claim: somebody wrote e or i to sysrq-trigger, and the kernel signalled every process.

    Needs: the sysrq functions on the kernel stack of the send. Refuted by: any other stack.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.SYSRQ:
        return None
    certainty, operator = a.certainty(), a.signal.current
    a.blame(Role.REQUESTER, "wrote sysrq-trigger", certainty, process=operator, launched=operator)
    summary = (
        f"{wording.name(a.victim)} was killed by sysrq, which {wording.name(operator)} set off"
    )
    return Conclusion(Cause.KERNEL_KILLED, certainty, summary, Mechanism.SYSRQ)

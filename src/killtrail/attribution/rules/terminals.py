"""Terminals: keys, hang-ups, orphaned jobs."""

from killtrail.attribution import policy_owners, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation.base import Actor
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import SignalSent
from killtrail.model.verdict import Subject, SubjectKind

_SAYS = {
    Mechanism.TTY_HANGUP: "its terminal hung up",
    Mechanism.ORPHANED_GROUP: "its stopped job was orphaned",
}


def terminal(a: RuleContext) -> Conclusion | None:
    """Claim: the terminal driver sent it, for a key, a hang-up or an orphaned job.

    Needs: the driver's functions on the kernel stack. For a key the running task is a kworker;
    who had the terminal's other end open (an ancestor: a terminal, ssh, a multiplexer) wrote it.
    For ioctl(TIOCSIG) the running task is the sender. For a hang-up it is whoever closed the other
    end or left the session. Refuted by: any other stack.
    """
    if a.signal is None or a.sending is None:
        return None
    mechanism = a.sending.mechanism
    if mechanism is Mechanism.TTY_SIGNAL:
        by_call = a.sending.actor is Actor.SENDER
        return _signalled(a, a.signal) if by_call else _key(a, a.signal)
    if mechanism is None or mechanism not in _SAYS:
        return None
    return _hang_up(a, a.signal, mechanism)


def _terminal_of(signal: SignalSent) -> str:
    return signal.kernel.terminal.name if signal.kernel.terminal else "its controlling terminal"


def _signalled(a: RuleContext, signal: SignalSent) -> Conclusion:
    certainty, sender, name = a.certainty(), signal.current, _terminal_of(signal)
    sent = a.blame(Role.SENDER, "ioctl(TIOCSIG)", certainty, process=sender, launched=sender)
    a.blame(
        Role.TRIGGER, "signalled the foreground job", certainty,
        subject=Subject(SubjectKind.TERMINAL, name), caused_by=sent,
    )  # fmt: skip
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(signal.sig)}: {wording.name(sender)}"
        f" signalled the foreground job of its terminal ({name}) with ioctl(TIOCSIG)"
    )
    return Conclusion(Cause.TERMINAL, certainty, summary, Mechanism.TTY_SIGNAL)


def _key(a: RuleContext, signal: SignalSent) -> Conclusion:
    who = policy_owners.of_key(signal)
    name = _terminal_of(signal)
    certainty = min(a.certainty(), who.certainty if who else Certainty.LIKELY)
    if who is None:
        a.draft.miss("who typed or wrote the key", Why.NOT_RECORDED)
    else:
        a.blame(
            Role.TRIGGER, who.says, who.certainty, process=who.process,
            launched=who.process if who.chained else None,
        )  # fmt: skip
        a.draft.cite(signal, f"{wording.name(who.process)} {who.says}")
    a.blame(
        Role.TRIGGER,
        "signalled the foreground job",
        a.certainty(),
        subject=Subject(SubjectKind.TERMINAL, name),
        caused_by=len(a.draft.links) or None,
    )
    if a.sending and a.sending.actor is Actor.BYSTANDER:
        carried = f"{wording.name(signal.current)} only delivered the terminal's input"
        a.draft.rule_out(Cause.KILLED_BY_PROCESS, carried)
    by = f"; {wording.name(who.process)} {who.says}" if who else ""
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(signal.sig)} by a key on its terminal"
        f" ({name}){by}"
    )
    return Conclusion(Cause.TERMINAL, certainty, summary, Mechanism.TTY_SIGNAL)


def _hang_up(a: RuleContext, signal: SignalSent, mechanism: Mechanism) -> Conclusion:
    certainty, actor = a.certainty(), signal.current
    above = a.why_it_ended(actor) if actor.exiting else None
    a.blame(
        Role.TRIGGER,
        "exited" if actor.exiting else "closed the terminal",
        certainty,
        process=a.known(actor),
        caused_by=above,
    )
    a.launch(actor, signal)
    how = f"exited{a.because(above, 'that')}" if actor.exiting else "closed its other end"
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(signal.sig)}: {_SAYS[mechanism]} when"
        f" {wording.name(actor)} {how}"
    )
    return Conclusion(Cause.TERMINAL, certainty, summary, mechanism)

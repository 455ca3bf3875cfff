"""Signals that a process sent with a signal call."""

from killtrail.attribution import requesters, siginfo, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation.base import SENDING_CALLS, Actor
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import ProcessExited

_CALLS = frozenset(SENDING_CALLS.values())
_SAID = " because it had killed its child {}"


def killed_by_process(a: RuleContext) -> Conclusion | None:
    """Claim: another process sent the signal that killed it, with one of the six signal calls.

    Needs: exit status = this signal; the kernel's record of the signal with result 0; the sender
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
    prompt = requesters.find(a, a.signal)
    launcher = a.launch(sender, a.signal)
    a.blame(
        Role.SENDER, mechanism.value, certainty, process=sender,
        caused_by=prompt.link if prompt else launcher,
    )  # fmt: skip
    a.rule_out_memory()
    if a.signal.sig in sg.FAULTS:
        a.draft.rule_out(Cause.CRASHED, "the signal was sent by a call, no instruction faulted")
    astray = siginfo.misdirected(a.signal)
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} by"
        f" {wording.name(sender)}{wording.ran(sender)}{prompt.says if prompt else ''}"
        f"{f' ({astray})' if astray else ''}"
    )
    via = prompt.mechanism if prompt and prompt.mechanism else mechanism
    return Conclusion(Cause.KILLED_BY_PROCESS, certainty, summary, via)


def killed_by_self(a: RuleContext) -> Conclusion | None:
    """Claim: the process sent itself the signal that killed it.

    Needs: as `killed_by_process`, with sender and target in one thread group. Refuted by: another
    thread group at the call; a handled request just before (then it only complied).
    """
    if a.signal is None or a.sending is None or a.sending.actor is not Actor.SELF:
        return None
    mechanism = a.sending.mechanism
    if mechanism not in _CALLS and mechanism is not Mechanism.REBOOT:
        return None
    certainty = a.certainty()
    mirrored, says = _repeats_its_child(a)
    launcher = a.launch(a.victim, a.signal)
    a.blame(
        Role.SENDER,
        mechanism.value if mechanism else "kill",
        certainty,
        process=a.signal.current,
        caused_by=mirrored or launcher,
    )
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "sender and target are the same process")
    a.rule_out_memory()
    says = says or wording.ran(a.victim)
    summary = f"{wording.name(a.victim)} sent itself {sg.name(a.signal.sig)}{says}"
    return Conclusion(Cause.KILLED_BY_SELF, certainty, summary, mechanism)


# Wrappers (unshare, su, strace) kill themselves with the signal that killed their child, so that
# their parent sees it.
def _repeats_its_child(a: RuleContext) -> tuple[int | None, str]:
    children = [c for c in a.facts.children if a.signal and c.signal == a.signal.sig]
    children = [c for c in children if not _killed_it_itself(a, c)]
    if not children:
        return None, ""
    child = children[-1]
    above = a.why_it_ended(child.process)
    cited = a.draft.cite(
        child, f"its child {wording.name(child.process)} was killed by the same signal"
    )
    link = a.draft.link(
        Role.TRIGGER,
        "was killed by the same signal",
        Certainty.LIKELY,
        process=child.process,
        time_ns=child.time_ns,
        caused_by=above,
        evidence=(cited,),
    )
    return link, _SAID.format(wording.name(child.process)) + a.because(above, "the child")


def _killed_it_itself(a: RuleContext, child: ProcessExited) -> bool:
    other = a.related(child.process)
    signal = other.signal if other else None
    return signal is not None and signal.current.key.same_life(a.victim.key)

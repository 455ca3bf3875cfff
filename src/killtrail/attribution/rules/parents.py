"""The exit of a parent, as requested by the child."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism, Role


def parent_died(a: RuleContext) -> Conclusion | None:
    """Claim: its parent exited, and it had requested this signal for that (PR_SET_PDEATHSIG).

    Needs: the running task is exiting, is the thread that created it, made no signal call, and the
    target's pdeath_signal is this signal. The parent is a trigger, it did not kill; the process
    that killed the parent is the sender further up. Refuted by: a signal call on the kernel stack.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.PDEATHSIG:
        return None
    parent, certainty = a.signal.current, a.certainty()
    above = a.why_it_ended(parent)
    a.blame(Role.TRIGGER, "exited", certainty, process=a.known(parent), caused_by=above)
    a.draft.rule_out(Cause.KILLED_BY_PROCESS, "the parent made no signal call, it was exiting")
    a.launch(parent, a.signal)
    thread_only = parent.tid not in (None, parent.pid)
    whose = "the thread that created it, of" if thread_only else "its parent"
    summary = (
        f"{wording.name(a.victim)} was killed with {sg.name(a.signal.sig)} when {whose}"
        f" {wording.name(parent)} exited, as it had requested (PR_SET_PDEATHSIG)"
        f"{a.because(above, 'the parent')}"
    )
    return Conclusion(Cause.PARENT_DIED, certainty, summary, Mechanism.PDEATHSIG)

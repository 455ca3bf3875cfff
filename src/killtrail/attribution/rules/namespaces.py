"""The exit of a PID namespace's init."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.model.causes import Cause, Mechanism, Role


def namespace_ended(a: RuleContext) -> Conclusion | None:
    """Claim: the init of its PID namespace exited, so the kernel killed all other processes in it.

    Needs: zap_pid_ns_processes on the kernel stack of the SIGKILL. The init is the trigger; the
    cause of its exit is further up. Refuted by: any other stack.
    """
    if a.signal is None or a.sending is None:
        return None
    if a.sending.mechanism is not Mechanism.PID_NAMESPACE_EXIT:
        return None
    init, certainty = a.signal.current, a.certainty()
    above = a.why_it_ended(init)
    a.blame(Role.TRIGGER, "exited", certainty, process=a.known(init), caused_by=above)
    a.rule_out_memory()
    a.draft.rule_out(
        Cause.KILLED_BY_PROCESS, "the namespace's init made no signal call, it was exiting"
    )
    a.launch(init, a.signal)
    summary = (
        f"{wording.name(a.victim)} was killed because the init of its PID namespace,"
        f" {wording.name(init)}, exited{a.because(above, 'the init')}"
    )
    return Conclusion(Cause.NAMESPACE_ENDED, certainty, summary, Mechanism.PID_NAMESPACE_EXIT)

"""A write to cgroup.kill."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Subject, SubjectKind


def cgroup_killed(a: RuleContext) -> Conclusion | None:
    """Claim: a process wrote 1 to cgroup.kill of a cgroup that this process was in.

    Needs: cgroup_kill_write on the kernel stack of the signal; then `current` is the writer, or its
    io_uring worker. Refuted by: any other stack: siginfo looks like a plain kill.
    """
    if a.signal is None or a.sending is None or a.sending.mechanism is not Mechanism.CGROUP_KILL:
        return None
    certainty = a.certainty()
    if a.sending.actor is Actor.SENDER:
        writer = a.signal.current
        a.blame(Role.SENDER, "wrote cgroup.kill", certainty, process=writer, launched=writer)
        who = f"by {wording.name(writer)}, which wrote cgroup.kill"
    else:
        certainty = min(certainty, Certainty.LIKELY)
        who = "because it was forked into a cgroup being killed" + _parents_killer(a, certainty)
    a.blame(
        Role.POLICY_OWNER,
        "was killed as a whole",
        certainty,
        subject=Subject(SubjectKind.CGROUP, a.signal.target.cgroup or "?"),
    )
    a.rule_out_memory()
    summary = f"{wording.name(a.victim)} was killed with its cgroup {a.signal.target.cgroup} {who}"
    return Conclusion(Cause.CGROUP_KILLED, certainty, summary, Mechanism.CGROUP_KILL)


# The parent that was forking is killed by the same write.
def _parents_killer(a: RuleContext, certainty: Certainty) -> str:
    parent = a.case.related.get(a.signal.current.key) if a.signal else None
    for signal in parent.signals if parent else ():
        how = explain(signal)
        if how.mechanism is Mechanism.CGROUP_KILL and how.actor is Actor.SENDER:
            cited = a.draft.cite(signal, wording.sending(signal, how))
            launcher = a.launch(signal.current, signal)
            a.draft.link(
                Role.SENDER, "wrote cgroup.kill", certainty, process=signal.current,
                signal=signal.sig, target=a.victim, time_ns=signal.time_ns, caused_by=launcher,
                evidence=(cited, *a.cite_signal()),
            )  # fmt: skip
            return f" by {wording.name(signal.current)}"
    a.draft.miss("who wrote cgroup.kill", Why.NOT_RECORDED)
    return ""

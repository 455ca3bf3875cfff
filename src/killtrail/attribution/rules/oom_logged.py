"""OOM kills in the kernel log."""

from killtrail.attribution import wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.rules.memory import size
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import OomKilled, OomScope
from killtrail.model.text import visible
from killtrail.model.verdict import Subject, SubjectKind

_SURE = Certainty.LIKELY
"""A log is text: a user who may write to it may have written this."""


def oom_killed(a: RuleContext) -> Conclusion | None:
    """Claim: the OOM killer chose it, as the kernel log shows.

    Needs: `Killed process N` in the kernel log. The task that `invoked oom-killer` is the trigger,
    the cgroup whose limit was hit (or the host's memory) the policy owner. Refuted by: an exit
    without SIGKILL, or a kernel stack that shows the sender.
    """
    end = a.facts.exit
    if not a.facts.reports or a.signal is not None:
        return None
    if end is not None and end.status is not None and end.signal != sg.SIGKILL:
        return None
    report = a.facts.reports[0]
    cited = tuple(a.draft.cite(r, _says(r)) for r in a.facts.reports[:2])
    end_cited = a.cite_end() if end is not None else ()
    where = _policy(a, report, (*cited, *end_cited))
    who = _trigger(a, report, cited)
    if report.scope is not OomScope.OOMD:
        a.draft.rule_out(Cause.KILLED_BY_PROCESS, "the kernel log shows an OOM kill")
    chosen = f" (chosen from {report.candidates} processes)" if report.candidates else ""
    killer = "systemd-oomd" if report.scope is OomScope.OOMD else "the OOM killer"
    summary = f"{wording.name(a.victim)} was killed by {killer}{chosen}: {where}{who}"
    return Conclusion(Cause.OOM_KILLED, _SURE, summary, _mechanism(report))


def _says(report: OomKilled) -> str:
    details = f": {visible(report.details)}" if report.details else ""
    killer = "systemd-oomd" if report.scope is OomScope.OOMD else "the OOM killer"
    return f"{killer} killed {wording.name(report.victim)}{details}"


def _mechanism(report: OomKilled) -> Mechanism:
    if report.sysrq:
        return Mechanism.OOM_SYSRQ
    if report.scope is OomScope.OOMD:
        return Mechanism.SYSTEMD_OOMD
    if report.group:
        return Mechanism.OOM_GROUP
    return Mechanism.OOM_CGROUP if report.scope is OomScope.CGROUP else Mechanism.OOM_HOST


def _policy(a: RuleContext, report: OomKilled, cited: tuple[int, ...]) -> str:
    if report.sysrq:
        subject, action, says = (
            Subject(SubjectKind.KERNEL, "sysrq f"),
            "was asked to free memory by sysrq-f",
            "sysrq-f forced it",
        )
        a.draft.miss("who wrote to sysrq-trigger", Why.NOT_RECORDED, "sudo killtrail arm")
    elif report.scope is OomScope.OOMD:
        subject = Subject(SubjectKind.CGROUP, report.cgroup or "?")
        action, says = "was under pressure", f"systemd-oomd acted on {visible(report.details)}"
    elif report.scope is OomScope.CGROUP:
        name = report.cgroup or "?"
        limit = f" of {size(report.limit_bytes)}" if report.limit_bytes else ""
        subject, action = Subject(SubjectKind.CGROUP, name), "reached its memory limit"
        says = f"cgroup {visible(name)} reached its limit{limit}"
        if report.cgroup is None:
            a.draft.miss("which memory cgroup was full", Why.LOST)
        if report.group:
            says += "; memory.oom.group: the whole cgroup is killed"
    else:
        subject, action = Subject(SubjectKind.KERNEL, "the host's memory"), "ran out of memory"
        says = "the host ran out of memory"
        if report.scope is OomScope.UNKNOWN:
            says = "memory ran out"
            a.draft.miss("whether the host or a cgroup was full", Why.LOST)
    a.draft.link(
        Role.POLICY_OWNER, action, _SURE, subject=subject, signal=sg.SIGKILL, target=a.victim,
        time_ns=report.time_ns, evidence=cited,
    )  # fmt: skip
    return says


def _trigger(a: RuleContext, report: OomKilled, cited: tuple[int, ...]) -> str:
    by = report.invoker
    if report.scope is OomScope.OOMD:
        return ""
    if by is None:
        a.draft.miss("the task whose allocation triggered it", Why.LOST)
        return ""
    if report.sysrq:
        return ""
    a.draft.link(
        Role.TRIGGER, "allocated memory", _SURE, process=by, signal=sg.SIGKILL, target=a.victim,
        time_ns=report.time_ns, evidence=cited,
    )  # fmt: skip
    if by.pid == a.victim.pid:
        return ", on its own allocation"
    return f", on an allocation of {wording.name(by)}"

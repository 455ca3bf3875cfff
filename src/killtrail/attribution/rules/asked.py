"""Requests to stop that a process complied with."""

from typing import Final

from killtrail.attribution import fatal_signal, policy_owners, requesters, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion
from killtrail.attribution.generation import explain
from killtrail.attribution.generation.base import Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.events import SignalSent
from killtrail.model.signal_context import Disposition
from killtrail.model.verdict import Subject, SubjectKind

_STOPPING: Final = frozenset({sg.SIGTERM, sg.SIGINT, sg.SIGQUIT})
_PATIENCE_NS: Final = 900 * NS
"""How long an orderly stop may take: ten times systemd's default DefaultTimeoutStopSec."""
_RELOAD_NS: Final = 10 * NS
"""HUP mostly means reload: only an exit right after it looks like compliance."""


def requests(a: RuleContext) -> list[SignalSent]:
    """Termination signals that it handled, or had blocked, before it exited; latest last."""
    end = a.facts.exit.time_ns if a.facts.exit else None
    return [
        s
        for s in a.facts.signals
        if s.sig in sg.ASKS
        and fatal_signal.deliverable(s)
        and (s.kernel.disposition is Disposition.HANDLED or s.kernel.blocked or _survived(a, s))
        and (end is None or s.time_ns <= end)
    ]


# If a log has no dispositions: a process that exits by itself after a TERM handled or ignored it.
def _survived(a: RuleContext, signal: SignalSent) -> bool:
    end = a.facts.exit
    exited = end is not None and end.exit_code is not None
    return a.case.kept and exited and signal.kernel.disposition is None


def asked_to_stop(a: RuleContext) -> Conclusion | None:
    """Claim: it was asked to stop by a signal that it handled, and complied by exiting.

    Needs: an exit, no fatal signal, and a termination signal that it handled before. Exit code 128
    + signal shows that it complied: established. Otherwise likely for TERM, INT and QUIT within 15
    minutes and for HUP within 10 seconds; an older one does not count. Refuted by: an exit status
    that is a signal.
    """
    end = a.facts.exit
    if end is None or a.signal is not None or end.signal or (end.status is None and end.fatal):
        return None
    asked = requests(a)
    for request in reversed(asked):
        certainty = _complied(request, end.exit_code, end.time_ns)
        if certainty is not None:
            return _conclude(a, request, certainty, reraise=None)
    if end.asked and not asked:
        a.draft.miss(f"who sent the {sg.name(end.asked)} that it handled", Why.LOST)
    return None


def reraised(a: RuleContext) -> Conclusion | None:
    """Claim: it handled a request to stop and then killed itself with the same signal.

    Needs: a termination signal that it handled, then a signal call on itself with the same signal
    that killed it. Shells and many runtimes comply like this, so the first sender made the request.
    Refuted by: another signal, or no handled request before.
    """
    if a.signal is None or a.sending is None or a.sending.actor is not Actor.SELF:
        return None
    same = [
        s
        for s in requests(a)
        if s.sig == a.signal.sig and not s.same_group and s.time_ns < a.signal.time_ns
    ]
    if not same or a.signal.time_ns - same[-1].time_ns > _PATIENCE_NS:
        return None
    return _conclude(a, same[-1], a.certainty(), reraise=a.signal)


def _complied(request: SignalSent, exit_code: int | None, end_ns: int) -> Certainty | None:
    if exit_code == 128 + request.sig:
        return Certainty.ESTABLISHED
    waited = end_ns - request.time_ns
    # If it may have ignored the signal, it may have exited for another reason.
    sure = Certainty.POSSIBLE if request.kernel.disposition is None else Certainty.LIKELY
    if request.sig in _STOPPING and waited <= _PATIENCE_NS:
        return sure
    if request.sig == sg.SIGHUP and waited <= _RELOAD_NS:
        return sure
    return None


def _conclude(
    a: RuleContext, request: SignalSent, certainty: Certainty, reraise: SignalSent | None
) -> Conclusion:
    how = explain.explain(request)
    certainty = min(certainty, how.certainty)
    name = sg.name(request.sig)
    evidence = (
        a.draft.cite(request, wording.sending(request, how)),
        *a.cite_end(),
    )
    if how.actor is Actor.BYSTANDER:
        certainty = min(certainty, Certainty.LIKELY)
    who, via = _actor(a, request, how, certainty, evidence)
    if reraise:
        a.draft.link(
            Role.SENDER,
            "re-raised it on itself",
            certainty,
            process=reraise.current,
            signal=reraise.sig,
            target=a.victim,
            time_ns=reraise.time_ns,
            caused_by=len(a.draft.links),
            evidence=a.cite_signal(),
        )
        a.draft.rule_out(Cause.KILLED_BY_SELF, "it only passed on a request that it had handled")
    else:
        a.draft.rule_out(Cause.KILLED_BY_PROCESS, "no signal killed it: it handled one and exited")
    if certainty is Certainty.NOT_ESTABLISHED:
        certainty = Certainty.POSSIBLE
    verb = "killed itself" if reraise else "exited"
    summary = f"{wording.name(a.victim)} {verb} after a request to stop, {name} sent {who}"
    return Conclusion(Cause.ASKED_TO_STOP, certainty, summary, via)


def _actor(
    a: RuleContext,
    request: SignalSent,
    how: Generation,
    certainty: Certainty,
    evidence: tuple[int, ...],
) -> tuple[str, Mechanism | None]:
    if how.mechanism is Mechanism.TTY_SIGNAL and how.actor is not Actor.SENDER:
        return _by_key(a, request, certainty, evidence), how.mechanism
    if how.actor is Actor.BYSTANDER:
        what = how.mechanism.value if how.mechanism else "kernel"
        a.draft.miss("who made the request", Why.NOT_RECORDED)
        a.draft.link(
            Role.TRIGGER, "signalled it", min(certainty, Certainty.LIKELY),
            subject=Subject(SubjectKind.KERNEL, what), signal=request.sig, target=a.victim,
            time_ns=request.time_ns, evidence=evidence,
        )  # fmt: skip
        return f"by the kernel ({what})", how.mechanism
    prompt = requesters.find(a, request)
    launcher = a.launch(request.current, request)
    trigger = how.actor is Actor.TRIGGER
    a.draft.link(
        Role.TRIGGER if trigger else Role.SENDER,
        how.mechanism.value if how.mechanism else "signal",
        certainty,
        process=request.current,
        signal=request.sig,
        target=a.victim,
        time_ns=request.time_ns,
        caused_by=prompt.link if prompt else launcher,
        evidence=evidence,
    )
    if trigger:
        return f"when {wording.name(request.current)} exited ({how.mechanism})", how.mechanism
    says = f"by {wording.name(request.current)}{wording.ran(request.current)}"
    if prompt is None:
        return says, how.mechanism
    return says + prompt.says, prompt.mechanism or how.mechanism


def _by_key(
    a: RuleContext, request: SignalSent, certainty: Certainty, evidence: tuple[int, ...]
) -> str:
    who = policy_owners.of_key(request)
    terminal = (
        request.kernel.terminal.name if request.kernel.terminal else "its controlling terminal"
    )
    typed: int | None = None
    if who is None:
        a.draft.miss("who typed or wrote the key", Why.NOT_RECORDED)
    else:
        launcher = a.launch(who.process, request) if who.chained else None
        typed = a.draft.link(
            Role.TRIGGER, who.says, min(certainty, who.certainty), process=who.process,
            time_ns=request.time_ns, caused_by=launcher, evidence=evidence,
        )  # fmt: skip
    a.draft.link(
        Role.TRIGGER, "signalled it", min(certainty, Certainty.LIKELY),
        subject=Subject(SubjectKind.TERMINAL, terminal), signal=request.sig, target=a.victim,
        time_ns=request.time_ns, caused_by=typed, evidence=evidence,
    )  # fmt: skip
    return "by a key on its terminal" + (
        f" ({terminal}): {wording.name(who.process)} {who.says}" if who else ""
    )

"""One death in, one verdict out."""

from killtrail.attribution import corroboration, incident, origin, patterns, wording
from killtrail.attribution.case import Case
from killtrail.attribution.context import RuleContext, explained
from killtrail.attribution.draft import VerdictDraft
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.attribution.rules import RULES
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import LoginSeen, SignalRefused, SignalSent
from killtrail.model.signal_context import Disposition
from killtrail.model.text import visible
from killtrail.model.verdict import Death, Link, Verdict
from killtrail.model.wait_status import WaitStatus


def judge(case: Case) -> Verdict:
    """The verdict on one death. Pure: the same case gives the same verdict."""
    return argue(case).finish()


def argue(case: Case) -> VerdictDraft:
    """The same, open for what several deaths have in common."""
    draft = VerdictDraft(
        case.host,
        coverage=case.coverage,
        second_hand=case.kept,
        caveat=case.caveat,
        distrust=case.distrust,
    )
    argument = explained(case, draft)
    conclusion = next(c for c in (rule(argument) for rule in RULES) if c is not None)
    _note_loss(argument)
    draft.conclude(_death(case, argument), conclusion)
    draft.ancestry, draft.ancestry_of = argument.ancestry, argument.head
    if argument.head is not None:
        draft.origin = origin.of(argument.head, draft.ancestry, _login(argument))
    draft.incident = incident.of(case, argument.signal)
    draft.patterns.extend(patterns.of(case, draft))
    draft.attempts = _attempts(argument)
    corroboration.weigh(draft, case.second_hand)
    return draft


def _login(argument: RuleContext) -> LoginSeen | None:
    signal = argument.signal
    if signal is None or signal.log.login is None or signal.current != argument.head:
        return None
    opened = signal.log.login
    what = f"ran {visible(opened.command)}" if opened.command else "opened its session"
    away = f", from {visible(opened.came_from)}" if opened.came_from else ""
    user = opened.process.login_user
    whose = f", asked by {visible(user)}" if user and opened.process.comm == "sudo" else ""
    argument.draft.cite(opened, f"{wording.name(opened.process)} {what}{away}{whose}")
    return opened


def _note_loss(argument: RuleContext) -> None:
    if argument.case.caveat:
        argument.draft.miss(argument.case.caveat, Why.NOT_RECORDED)
    for gap in argument.case.coverage.gaps[:2]:
        argument.draft.miss(f"what happened while {gap}", Why.LOST)
    if argument.signal is not None and argument.signal.truncated:
        argument.draft.miss("the rest of long command lines", Why.LOST)
    head = argument.head
    if head is not None and head.argv is None and not head.kthread:
        argument.draft.miss(f"argv of {wording.name(head)}", Why.NOT_RECORDED, "sudo killtrail arm")


def _death(case: Case, argument: RuleContext) -> Death:
    end = case.facts.exit
    if end is None:
        told = argument.signal or next(iter(case.facts.reports), None)
        return Death(case.facts.process, Ended.UNKNOWN, told.time_ns if told else None)
    ended = Ended.UNKNOWN
    if end.status is not None:
        ended = Ended.SIGNAL if end.signal else Ended.EXIT
    elif argument.signal is not None:
        ended = Ended.SIGNAL
    last = end.process
    thread = (last.tid, last.thread or "") if last.tid not in (None, last.pid) else None
    status = end.status
    if status is None and argument.signal is not None:
        status = WaitStatus.of_signal(argument.signal.sig)
    return Death(
        process=case.facts.process,
        ended=ended,
        time_ns=end.time_ns,
        status=status,
        thread=(thread[0] or 0, thread[1]) if thread else None,
    )


def _attempts(argument: RuleContext) -> tuple[Link, ...]:
    """Recorded signals that did not kill it, so that a reader sees that they were considered."""
    used = {e.where for e in argument.draft.evidence}
    signals: list[SignalSent | SignalRefused] = [*argument.facts.signals, *argument.case.refused]
    rest = sorted(
        (s for s in signals if s.origin.where not in used), key=lambda signal: signal.time_ns
    )
    end = argument.facts.exit
    told = end is not None and end.status is not None
    return tuple(_attempt(i, s, told=told) for i, s in enumerate(rest[-20:], 1))


def _attempt(number: int, signal: SignalSent | SignalRefused, *, told: bool) -> Link:
    if isinstance(signal, SignalRefused):
        return Link(
            id=number,
            role=Role.SENDER,
            action=f"{sg.name(signal.sig)}: reached no process ({signal.error})",
            certainty=Certainty.LIKELY,
            process=signal.process,
            signal=signal.sig,
            time_ns=signal.time_ns,
        )
    how = explain(signal)
    by_process = how.actor in (Actor.SENDER, Actor.SELF)
    return Link(
        id=number,
        role=Role.SENDER if by_process else Role.TRIGGER,
        action=f"{sg.name(signal.sig)}: {_fate(signal, told=told)}",
        certainty=how.certainty,
        process=signal.current if by_process else None,
        signal=signal.sig,
        target=signal.target,
        time_ns=signal.time_ns,
    )


def _fate(signal: SignalSent, *, told: bool) -> str:
    if signal.result == 1:
        ignored = signal.kernel.disposition is Disposition.IGNORED
        return "ignored" if ignored else "too late, it was exiting already or a zombie"
    if signal.kernel.disposition is Disposition.HANDLED:
        return "it handled it"
    if signal.sig in sg.STOPS:
        return "stopped it"
    if signal.sig == sg.SIGCONT:
        return "continued it"
    if signal.kernel.blocked:
        return "it had blocked it"
    # Without a wait status this is a conclusion, not a record.
    return "it did not kill it" if told else "it probably did not kill it"

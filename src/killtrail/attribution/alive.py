"""Verdicts without a death: the process is alive, perhaps stopped, or its PID was reused."""

from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import origin, wording
from killtrail.attribution.case import Case
from killtrail.attribution.context import RuleContext
from killtrail.attribution.draft import Conclusion, VerdictDraft
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Ended, Role
from killtrail.model.certainty import Certainty
from killtrail.model.events import SignalSent
from killtrail.model.process import Process
from killtrail.model.verdict import Death, Verdict

_EARLIER_MOST: Final = 3


def alive(case: Case, stopped_by: SignalSent | None, earlier: Verdict | None) -> VerdictDraft:
    """The verdict on a process that runs.

    `stopped_by`: the signal that stopped it, if it is stopped. `earlier`: the verdict on the last
    process that had its PID before it, about which a person who asks for a PID mostly wants to know.
    """
    process = replace(case.facts.process, alive=True)
    draft = VerdictDraft(case.host, coverage=case.coverage, distrust=case.distrust)
    argument = RuleContext(case, draft)
    draft.note("procfs", f"/proc/{process.pid}/stat", f"{wording.name(process)} is running")
    summary = f"{wording.name(process)} is alive"
    if earlier is not None:
        summary = _reused(draft, earlier, process)
    if stopped_by is not None:
        summary += _frozen(argument, stopped_by, process)
    draft.ancestry, draft.ancestry_of = argument.ancestry, argument.head
    if argument.head is not None:
        draft.origin = origin.of(argument.head, argument.ancestry)
    cause = Cause.PID_REUSED if earlier is not None else Cause.ALIVE
    conclusion = Conclusion(cause, Certainty.ESTABLISHED, summary)
    return draft.conclude(Death(process, Ended.RUNNING), conclusion)


def _reused(draft: VerdictDraft, earlier: Verdict, process: Process) -> str:
    for each in earlier.evidence[:_EARLIER_MOST]:
        draft.note(each.source, each.where, each.says, each.time_ns, each.event)
    sure = earlier.certainty
    doubt = f"{sure.label}: " if sure in (Certainty.LIKELY, Certainty.POSSIBLE) else ""
    now = wording.name(process)
    return f"PID {process.pid} was reused, {now} has it now; before it: {doubt}{earlier.summary}"


def _frozen(argument: RuleContext, stop: SignalSent, process: Process) -> str:
    how = explain(stop)
    cited = argument.draft.cite(stop, wording.sending(stop, how))
    name = sg.name(stop.sig)
    if how.actor not in (Actor.SENDER, Actor.SELF):
        return f", stopped with {name} ({how.shown_by})"
    launcher = argument.launch(stop.current, stop)
    argument.draft.link(
        Role.SENDER,
        "stopped it",
        how.certainty,
        process=stop.current,
        signal=stop.sig,
        target=process,
        time_ns=stop.time_ns,
        caused_by=launcher,
        evidence=(cited,),
    )
    by = stop.current
    return f", stopped with {name} by {wording.name(by)}{wording.ran(by)}"

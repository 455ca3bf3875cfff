"""What logs say of a death that a recorder saw: the same, or something else.

Sources that agree are cited beside each other; where they do not, both are shown and certainty goes
down.
"""

from collections.abc import Sequence
from typing import Final

from killtrail.attribution import wording
from killtrail.attribution.draft import VerdictDraft
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Role
from killtrail.model.clock import NS
from killtrail.model.events import Event, OomKilled, ProcessExited, SignalSent
from killtrail.model.signal_context import Basis
from killtrail.model.verdict import Death, Link
from killtrail.model.wait_status import WaitStatus

_SAME_NS: Final = NS // 5
"""Audit's clock ticks every few milliseconds, and records of one moment were seen 40 ms apart."""
_CALLS: Final = frozenset({Basis.CALL, Basis.CALLER_PID})


def weigh(draft: VerdictDraft, events: Sequence[Event]) -> None:
    """Adds to the draft what these events say of the same death, for or against it.

    Claim: none of its own. Needs: events on the death's own clock, about its PID and its time. A
    contradiction lowers the certainty; nothing is averaged.
    """
    death = draft.death
    if death is None or death.time_ns is None:
        return
    for event in events:
        if isinstance(event, SignalSent):
            _weigh_signal(draft, death, event)
        elif isinstance(event, OomKilled):
            _weigh_oom(draft, death, event)
        elif isinstance(event, ProcessExited) and event.signal:
            _weigh_exit(draft, death, event)


def _weigh_signal(draft: VerdictDraft, death: Death, event: SignalSent) -> None:
    if event.basis in _CALLS:
        _weigh_call(draft, death, event)
    elif event.same_task and event.sig in _signals(draft, death):
        _weigh_fault(draft, death, event)


def _signals(draft: VerdictDraft, death: Death) -> set[int | None]:
    return {None if death.status is None else death.status.signal, *(x.signal for x in draft.links)}


# The kernel logs faults that no handler takes (arch/x86/mm/fault.c, show_signal_msg).
def _weigh_fault(draft: VerdictDraft, death: Death, event: SignalSent) -> None:
    if abs((death.time_ns or 0) - event.time_ns) <= NS:
        draft.cite(event, f"{wording.name(event.target)} faulted: {sg.name(event.sig)}")


def _weigh_call(draft: VerdictDraft, death: Death, event: SignalSent) -> None:
    link = _sent(draft, death, event)
    if link is None or link.process is None:
        return
    sender = wording.name(event.current)
    call = f"{event.syscall.name}()" if event.syscall and event.syscall.name else "a signal call"
    says = f"{sender} called {call}: {sg.name(event.sig)} to PID {event.target.pid}"
    cited = draft.cite(event, says)
    if event.current.pid != link.process.pid and not _also_tried(draft, event):
        draft.contradict(
            f"{event.origin.source} names {sender} as the sender of that signal at that moment,"
            f" {_sources(draft, link)} names {wording.name(link.process)}",
            (*link.evidence, cited),
        )


# A second signal of the same kind contradicts nothing where the recorder has it as an attempt, too.
def _also_tried(draft: VerdictDraft, event: SignalSent) -> bool:
    pids = {a.process.pid for a in draft.attempts if a.process is not None}
    return event.current.pid in pids


def _sent(draft: VerdictDraft, death: Death, event: SignalSent) -> Link | None:
    return next(
        (
            link
            for link in draft.links
            if link.role is Role.SENDER
            and link.signal == event.sig
            and link.target is not None
            and link.target.pid == death.process.pid
            and link.time_ns is not None
            and abs(link.time_ns - event.time_ns) <= _SAME_NS
        ),
        None,
    )


def _weigh_oom(draft: VerdictDraft, death: Death, event: OomKilled) -> None:
    if abs((death.time_ns or 0) - event.time_ns) > NS:
        return
    cited = draft.cite(event, f"the OOM killer killed {wording.name(event.victim)}")
    if draft.cause is not Cause.OOM_KILLED:
        draft.contradict(
            f"{event.origin.source} says that the OOM killer killed it; the verdict is {draft.cause}",
            (cited,),
        )


def _weigh_exit(draft: VerdictDraft, death: Death, event: ProcessExited) -> None:
    if abs((death.time_ns or 0) - event.time_ns) > NS or death.status is None:
        return
    logged = wording.status(event.status or WaitStatus(0))
    cited = draft.cite(event, f"{wording.name(event.process)} exited: {logged}")
    if event.signal != death.status.signal:
        draft.contradict(
            f"{event.origin.source} has its exit as {logged}, the recorder as"
            f" {wording.status(death.status)}",
            (cited,),
        )


def _sources(draft: VerdictDraft, link: Link) -> str:
    names = {e.source for e in draft.evidence if e.id in link.evidence}
    return " and ".join(sorted(names)) or "the verdict"

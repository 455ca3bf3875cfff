"""What other sources say of a death that is explained already: the same, or something else.

Sources that agree are named beside each other; where they do not, both are shown and certainty goes
down. Nothing is averaged.
"""

from collections.abc import Sequence
from typing import Final

from killtrail._slotted import dataclass, field, replace
from killtrail.attribution import wording
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS, Boot
from killtrail.model.events import Event, OomKilled, ProcessExited, SignalSent
from killtrail.model.signal_context import Basis
from killtrail.model.verdict import Contradiction, Evidence, Link, Verdict

_SAME_NS: Final = NS // 5
"""Audit's clock ticks every few milliseconds, and records of one moment were seen 40 ms apart."""
_CALLS: Final = frozenset({Basis.CALL, Basis.CALLER_PID})


@dataclass(slots=True)
class _Draft:
    verdict: Verdict
    evidence: list[Evidence] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)

    def cite(self, event: Event, says: str, time_ns: int) -> int:
        number = len(self.verdict.evidence) + len(self.evidence) + 1
        self.evidence.append(
            Evidence(number, event.origin.source, event.origin.where, says, time_ns, event)
        )
        return number


def corroborated(verdict: Verdict, events: Sequence[Event], clock: Boot) -> Verdict:
    """The verdict with what these events add to it or hold against it.

    `clock` is that of the events; both clocks must have a date, else nothing is added.
    """
    boot = verdict.host.boot
    if clock.offset_ns is None or boot.offset_ns is None or verdict.death.time_ns is None:
        return verdict
    shift = clock.offset_ns - boot.offset_ns
    draft = _Draft(verdict)
    for event in events:
        _weigh(draft, event, event.time_ns + shift)
    certainty = verdict.certainty
    if draft.contradictions:
        certainty = min(certainty, Certainty.LIKELY)
    return replace(
        verdict,
        certainty=certainty,
        evidence=(*verdict.evidence, *draft.evidence),
        contradictions=(*verdict.contradictions, *draft.contradictions),
    )


def _weigh(draft: _Draft, event: Event, time_ns: int) -> None:
    if isinstance(event, SignalSent) and event.basis in _CALLS:
        _weigh_call(draft, event, time_ns)
    elif isinstance(event, OomKilled):
        _weigh_oom(draft, event, time_ns)
    elif isinstance(event, ProcessExited) and event.signal:
        _weigh_end(draft, event, time_ns)


def _weigh_call(draft: _Draft, event: SignalSent, time_ns: int) -> None:
    link = _sent(draft.verdict, event.sig, time_ns)
    if link is None or link.process is None:
        return
    who = wording.name(event.current)
    says = f"{who} called {_name(event)}: {sg.name(event.sig)} to pid {event.target.pid}"
    cited = draft.cite(event, says, time_ns)
    if event.current.pid != link.process.pid and not _others_too(draft.verdict, event):
        draft.contradictions.append(
            Contradiction(
                f"{event.origin.source} names {who} as sender of that signal at that moment,"
                f" {_sources(draft.verdict, link)} {wording.name(link.process)}",
                (*link.evidence, cited),
            )
        )


def _name(event: SignalSent) -> str:
    return f"{event.syscall.name}()" if event.syscall and event.syscall.name else "a signal call"


# A second signal of the same kind is no contradiction where ours is on record as an attempt as well.
def _others_too(verdict: Verdict, event: SignalSent) -> bool:
    pids = {a.process.pid for a in verdict.attempts if a.process is not None}
    return event.current.pid in pids


def _sent(verdict: Verdict, sig: int, time_ns: int) -> Link | None:
    return next(
        (
            link
            for link in verdict.links
            if link.role is Role.SENDER
            and link.signal == sig
            and link.target is not None
            and link.target.pid == verdict.death.process.pid
            and link.time_ns is not None
            and abs(link.time_ns - time_ns) <= _SAME_NS
        ),
        None,
    )


def _weigh_oom(draft: _Draft, event: OomKilled, time_ns: int) -> None:
    verdict = draft.verdict
    if abs((verdict.death.time_ns or 0) - time_ns) > NS:
        return
    cited = draft.cite(event, f"the OOM killer killed {wording.name(event.victim)}", time_ns)
    if verdict.cause is not Cause.OOM_KILLED:
        draft.contradictions.append(
            Contradiction(
                f"{event.origin.source} says that the OOM killer did it; the verdict is"
                f" {verdict.cause}",
                (cited,),
            )
        )


def _weigh_end(draft: _Draft, event: ProcessExited, time_ns: int) -> None:
    status = draft.verdict.death.status
    other = event.status
    if status is None or other is None:
        return
    if abs((draft.verdict.death.time_ns or 0) - time_ns) > NS:
        return
    says = f"{wording.name(event.process)} ended: {wording.status(other)}"
    cited = draft.cite(event, says, time_ns)
    if other.signal != status.signal:
        draft.contradictions.append(
            Contradiction(
                f"{event.origin.source} has it end with {wording.status(other)}, the"
                f" recorder with {wording.status(status)}",
                (cited,),
            )
        )


def _sources(verdict: Verdict, link: Link) -> str:
    names = {e.source for e in verdict.evidence if e.id in link.evidence}
    return " and ".join(sorted(names)) or "the verdict"

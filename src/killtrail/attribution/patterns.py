"""What repeats over time: a killer with a stale PID, a kill every so often, a loop of restarts."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from killtrail._slotted import dataclass
from killtrail.attribution import wording
from killtrail.attribution.case import Case
from killtrail.attribution.draft import VerdictDraft
from killtrail.model import signals as sg
from killtrail.model.causes import Role
from killtrail.model.clock import NS
from killtrail.model.events import SignalRefused, SignalSent
from killtrail.model.process import Process
from killtrail.model.text import visible
from killtrail.model.verdict import Pattern, PatternKind

Attempt = SignalSent | SignalRefused
_AGAIN_NS: Final = 100 * 1_000_000
"""Attempts closer than this are one attempt."""
_FEW: Final = 3
_STEADY: Final = 0.2
"""Maximum deviation of gaps from their median, as a fraction, for a period."""
_CITED: Final = 4


def of(case: Case, draft: VerdictDraft) -> tuple[Pattern, ...]:
    """The patterns in all signals for one PID."""
    found = [
        pattern
        for attempts in by_sender(case.all_signals)
        for pattern in (_stale(attempts, case, draft), _periodic(attempts, draft))
    ]
    return tuple(pattern for pattern in found if pattern is not None)


def share(drafts: Sequence[VerdictDraft]) -> tuple[Pattern, ...]:
    """What several deaths have in common, added to each of them.

    Where one program killed another again and again, each time with another PID, the killed one is
    started anew each time.
    """
    groups: dict[tuple[str, str], list[VerdictDraft]] = {}
    for draft in drafts:
        pair = _killer_and_victim(draft)
        if pair is not None:
            groups.setdefault(pair, []).append(draft)
    found = []
    for (killer, victim), many in groups.items():
        pattern = _loop(killer, victim, many)
        if pattern is not None:
            found.append(pattern)
            for draft in many:
                draft.patterns.append(pattern)
    return tuple(found)


def _killer_and_victim(draft: VerdictDraft) -> tuple[str, str] | None:
    sender = next((x.process for x in draft.links if x.role is Role.SENDER and x.process), None)
    victim = draft.death.process if draft.death else None
    if sender is None or victim is None or sender.pid == victim.pid:
        return None
    return (sender.comm, victim.comm) if sender.comm and victim.comm else None


def _loop(killer: str, victim: str, many: list[VerdictDraft]) -> Pattern | None:
    deaths = [d.death for d in many if d.death is not None and d.death.time_ns is not None]
    times = sorted(death.time_ns for death in deaths if death.time_ns is not None)
    if len({death.process.pid for death in deaths}) < _FEW or len(times) < _FEW:
        return None
    # Victims of one act are no repetition.
    gaps = [b - a for a, b in pairwise(times) if b - a > _AGAIN_NS]
    if len(gaps) < _FEW - 1:
        return None
    every = period(gaps)
    steady = f" every {every / NS:.4g} s" if every else ""
    says = (
        f"{visible(killer)} killed {visible(victim)} {len(gaps) + 1} times{steady}, each time with"
        " another PID: it is started again and killed again"
    )
    return Pattern(PatternKind.RESTART_LOOP, says)


def sender_of(attempt: Attempt) -> Process:
    """The process that made an attempt."""
    return attempt.current if isinstance(attempt, SignalSent) else attempt.process


def by_sender(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """Attempts of one sender each, in time order; repeats within a moment are one."""
    groups: dict[tuple[int, str | None], list[Attempt]] = {}
    for each in attempts:
        by = sender_of(each)
        own = groups.setdefault((by.pid, by.comm), [])
        if not own or each.time_ns - own[-1].time_ns > _AGAIN_NS:
            own.append(each)
    return list(groups.values())


def period(gaps: Sequence[int]) -> int | None:
    """The median gap (ns) where all are near it, else None."""
    middle = sorted(gaps)[len(gaps) // 2] if gaps else 0
    if middle <= 0 or any(abs(gap - middle) > middle * _STEADY for gap in gaps):
        return None
    return middle


@dataclass(frozen=True, slots=True)
class StalePid:
    """A process that signals a PID whichever process has it, and how that shows."""

    sender: Process
    attempts: tuple[Attempt, ...]
    shown_by: str


def stale(attempts: Sequence[Attempt]) -> StalePid | None:
    """Whether one sender's attempts show that it never looks which process has the PID.

    Either some found no process (ESRCH) and others hit one, or they hit two that had the PID one
    after the other.
    """
    missed = [t for t in attempts if isinstance(t, SignalRefused) and t.error == "ESRCH"]
    struck = [t for t in attempts if isinstance(t, SignalSent)]
    if not struck:
        return None
    if missed:
        shown = f"{len(missed)} of {len(attempts)} attempts got ESRCH"
    elif owners := _owners(struck):
        shown = f"its signals hit {owners} processes that had this PID one after the other"
    else:
        return None
    return StalePid(sender_of(attempts[0]), (*struck[-2:], *missed[-2:]), shown)


# Managers and parents signal what they own, and a PID of theirs may come back: only a steady series of
# calls that name this very PID, of a process that owns none of its holders, shows a remembered number.
def _owners(struck: Sequence[SignalSent]) -> int:
    if len(struck) < _FEW or period(_gaps(struck)) is None:
        return 0
    if any(t.current.pid == 1 or t.kernel.target_is_child or not _by_pid(t) for t in struck):
        return 0
    owners = {t.target.key.start_ns for t in struck if t.target.key.start_ns is not None}
    return len(owners) if len(owners) > 1 else 0


def _by_pid(signal: SignalSent) -> bool:
    call = signal.syscall
    return call is not None and call.args[:1] in ((signal.target.pid,), (signal.target.ns_pid,))


def _stale(attempts: list[Attempt], case: Case, draft: VerdictDraft) -> Pattern | None:
    found = stale(attempts)
    if found is None:
        return None
    gap = _median(attempts)
    every = f" every {gap / NS:.3g} s" if gap else ""
    says = (
        f"{wording.name(found.sender)} keeps signalling PID {case.facts.process.pid}{every}, whichever"
        f" process has it ({found.shown_by}): it is using a stale PID"
    )
    return Pattern(PatternKind.STALE_PID, says, cite(found.attempts, draft))


def _periodic(attempts: list[Attempt], draft: VerdictDraft) -> Pattern | None:
    if len(attempts) < _FEW:
        return None
    gap = period(_gaps(attempts))
    if gap is None:
        return None
    says = (
        f"{wording.name(sender_of(attempts[0]))} signals this PID every {gap / NS:.4g} s"
        f" ({len(attempts)} times recorded)"
    )
    return Pattern(PatternKind.PERIODIC, says, cite(attempts[-_CITED:], draft))


def _gaps(attempts: Sequence[Attempt]) -> list[int]:
    return [b.time_ns - a.time_ns for a, b in pairwise(attempts)]


def _median(attempts: Sequence[Attempt]) -> int:
    gaps = sorted(_gaps(attempts))
    return gaps[len(gaps) // 2] if gaps else 0


def cite(attempts: Sequence[Attempt], draft: VerdictDraft) -> tuple[int, ...]:
    """Evidence lines for attempts, in time order."""
    lines = []
    for each in sorted(attempts, key=lambda t: t.time_ns):
        cited = draft.cited(each)
        lines.append(cited[0] if cited else draft.cite(each, _says(each)))
    return tuple(lines)


def _says(each: Attempt) -> str:
    if isinstance(each, SignalSent):
        return (
            f"{wording.name(each.current)} sent {sg.name(each.sig)} to {wording.name(each.target)}"
        )
    return (
        f"{wording.name(each.process)} tried to send {sg.name(each.sig)} to PID {each.pid}:"
        f" {each.error}"
    )

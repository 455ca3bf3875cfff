"""Repetition: a killer with a stale PID, a periodic kill, a loop of restarts and kills."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import wording
from killtrail.attribution.case import Case
from killtrail.attribution.draft import VerdictDraft
from killtrail.model import signals as sg
from killtrail.model.causes import Role
from killtrail.model.clock import NS
from killtrail.model.events import SignalRefused, SignalSent
from killtrail.model.process import Process
from killtrail.model.text import visible
from killtrail.model.verdict import Pattern, Verdict

_Try = SignalSent | SignalRefused
_AGAIN_NS: Final = 100 * 1_000_000
"""Attempts closer than this are one attempt."""
_FEW: Final = 3
_STEADY: Final = 0.2
"""Maximum deviation of gaps from their median, as a fraction, for a period."""
_CITED: Final = 4


def of(case: Case, draft: VerdictDraft) -> tuple[Pattern, ...]:
    """The patterns in all signals to one PID."""
    found = [
        pattern
        for tries in _by_sender(case.around)
        for pattern in (_stale(tries, case, draft), _periodic(tries, draft))
    ]
    return tuple(pattern for pattern in found if pattern is not None)


def over(verdicts: list[Verdict]) -> list[Verdict]:
    """The same verdicts; if one killer killed one program again and again, the last one says so.

    Each time with another PID: the program is restarted, and killed again.
    """
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        sender = next(
            (x.process for x in verdict.links if x.role is Role.SENDER and x.process), None
        )
        victim = verdict.death.process
        if sender is not None and sender.comm and victim.comm and sender.pid != victim.pid:
            groups.setdefault((sender.comm, victim.comm), []).append(verdict)
    loops = {id(many[-1]): _loop(many) for many in groups.values()}
    return [
        replace(v, patterns=(*v.patterns, found)) if (found := loops.get(id(v))) is not None else v
        for v in verdicts
    ]


def _loop(many: list[Verdict]) -> Pattern | None:
    times = sorted(v.death.time_ns for v in many if v.death.time_ns is not None)
    if len({v.death.process.pid for v in many}) < _FEW or len(times) < _FEW:
        return None
    # Victims of one act are not a repetition.
    gaps = sorted(b - a for a, b in pairwise(times) if b - a > _AGAIN_NS)
    if len(gaps) < _FEW - 1:
        return None
    gap = gaps[len(gaps) // 2]
    steady = all(abs(each - gap) <= gap * _STEADY for each in gaps)
    every = f" every {gap / NS:.4g} s" if steady else ""
    last = many[-1]
    killer = next(x.process for x in last.links if x.role is Role.SENDER and x.process)
    says = (
        f"{visible(killer.comm or '?')} killed {visible(last.death.process.comm or '?')} "
        f"{len(gaps) + 1} times{every}, each time with another PID: it is restarted and killed "
        "again"
    )
    return Pattern("restart-loop", says)


def _sender(each: _Try) -> Process:
    return each.current if isinstance(each, SignalSent) else each.process


def _by_sender(around: Sequence[_Try]) -> list[list[_Try]]:
    groups: dict[tuple[int, str | None], list[_Try]] = {}
    for each in around:
        by = _sender(each)
        tries = groups.setdefault((by.pid, by.comm), [])
        if not tries or each.time_ns - tries[-1].time_ns > _AGAIN_NS:
            tries.append(each)
    return list(groups.values())


# Signals to a free PID, and then to the next process with this PID: the sender never checks which
# process has it.
def _stale(tries: list[_Try], case: Case, draft: VerdictDraft) -> Pattern | None:
    missed = [t for t in tries if isinstance(t, SignalRefused) and t.error == "ESRCH"]
    struck = [t for t in tries if isinstance(t, SignalSent)]
    if not missed or not struck:
        return None
    by = _sender(tries[0])
    gap = _median_gap(tries)
    every = f" every {gap / NS:.3g} s" if gap else ""
    says = (
        f"{wording.name(by)} keeps signalling PID {case.facts.process.pid}{every}, even when the "
        f"PID is free ({len(missed)} of {len(tries)} attempts got ESRCH): it is using a stale PID"
    )
    return Pattern("stale-pid", says, _cite([*struck[-2:], *missed[-2:]], draft))


def _periodic(tries: list[_Try], draft: VerdictDraft) -> Pattern | None:
    if len(tries) < _FEW:
        return None
    gap = _median_gap(tries)
    if gap <= 0:
        return None
    gaps = [b.time_ns - a.time_ns for a, b in pairwise(tries)]
    if any(abs(each - gap) > gap * _STEADY for each in gaps):
        return None
    by = _sender(tries[0])
    says = f"{wording.name(by)} repeats it every {gap / NS:.4g} s: {len(tries)} times recorded"
    return Pattern("periodic", says, _cite(tries[-_CITED:], draft))


def _median_gap(tries: list[_Try]) -> int:
    gaps = sorted(b.time_ns - a.time_ns for a, b in pairwise(tries))
    return gaps[len(gaps) // 2] if gaps else 0


def _cite(tries: Sequence[_Try], draft: VerdictDraft) -> tuple[int, ...]:
    lines = []
    for each in sorted(tries, key=lambda t: t.time_ns):
        cited = draft.cited(each)
        lines.append(cited[0] if cited else draft.cite(each, _says(each)))
    return tuple(lines)


def _says(each: _Try) -> str:
    if isinstance(each, SignalSent):
        return (
            f"{wording.name(each.current)} sent {sg.name(each.sig)} to {wording.name(each.target)}"
        )
    return (
        f"{wording.name(each.process)} tried to send {sg.name(each.sig)} to PID {each.pid}:"
        f" {each.error}"
    )

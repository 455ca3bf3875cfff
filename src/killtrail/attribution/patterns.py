"""What repeats over time: a killer with a stale pid, a kill every so often, a loop of restarts."""

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
from killtrail.model.verdict import Pattern, PatternKind, Verdict

_Try = SignalSent | SignalRefused
_AGAIN_NS: Final = 100 * 1_000_000
"""Tries closer than this are one try."""
_FEW: Final = 3
_STEADY: Final = 0.2
"""How far gaps may be from their median, as a part of it, to be called a period."""
_CITED: Final = 4


def of(case: Case, draft: VerdictDraft) -> tuple[Pattern, ...]:
    """The patterns in all signals for one number."""
    found = [
        pattern
        for tries in _by_sender(case.around)
        for pattern in (_stale(tries, case, draft), _periodic(tries, draft))
    ]
    return tuple(pattern for pattern in found if pattern is not None)


def over(verdicts: list[Verdict]) -> list[Verdict]:
    """The same verdicts; where one killer ended one program again and again, the last one says so.

    Each time another number: whoever starts the program brings it back, and it is killed once more.
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
    # Those of one act are no repetition.
    gaps = sorted(b - a for a, b in pairwise(times) if b - a > _AGAIN_NS)
    if len(gaps) < _FEW - 1:
        return None
    gap = gaps[len(gaps) // 2]
    steady = all(abs(each - gap) <= gap * _STEADY for each in gaps)
    every = f" every {gap / NS:.4g} s" if steady else ""
    last = many[-1]
    killer = next(x.process for x in last.links if x.role is Role.SENDER and x.process)
    says = (
        f"{visible(killer.comm or '?')} has killed {visible(last.death.process.comm or '?')}"
        f" {len(gaps) + 1} times on record{every}, each time under another number: it is started again"
        " and killed again"
    )
    return Pattern(PatternKind.RESTART_LOOP, says)


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


# Sent on to a number whose process is gone, and then to whoever got the number next: only somebody
# who never looks whose number it is does that.
def _stale(tries: list[_Try], case: Case, draft: VerdictDraft) -> Pattern | None:
    missed = [t for t in tries if isinstance(t, SignalRefused) and t.error == "ESRCH"]
    struck = [t for t in tries if isinstance(t, SignalSent)]
    if not missed or not struck:
        return None
    by = _sender(tries[0])
    gap = _median_gap(tries)
    every = f" every {gap / NS:.3g} s" if gap else ""
    says = (
        f"{wording.name(by)} signals number {case.facts.process.pid} again and again{every},"
        f" also when nobody has it ({len(missed)} of {len(tries)} tries found nobody): it goes by a"
        " number it remembers, whoever has that now"
    )
    return Pattern(PatternKind.STALE_PID, says, _cite([*struck[-2:], *missed[-2:]], draft))


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
    says = f"{wording.name(by)} does it every {gap / NS:.4g} s: {len(tries)} times on record"
    return Pattern(PatternKind.PERIODIC, says, _cite(tries[-_CITED:], draft))


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
        f"{wording.name(each.process)} tried to send {sg.name(each.sig)} to number {each.pid}:"
        f" {each.error}"
    )

"""From events to cases: the facts of one death and of the deaths it may hang on."""

from collections.abc import Iterable

from killtrail.attribution.case import Case, Facts
from killtrail.inquiry.fusion import Fusion
from killtrail.model import signals as sg
from killtrail.model.events import ParentDied, ProcessExited, SignalSent
from killtrail.model.process import Key, Process
from killtrail.sources.base import Wanted

_DEEPEST = 6


def facts_of(fusion: Fusion, key: Key, end: ProcessExited | None) -> Facts:
    """All that is on record about one life."""
    signals = tuple(s for s in fusion.signals(key.tgid) if s.target.key.same_life(key))
    ooms = tuple(
        o for o in fusion.ooms(key.tgid) if o.victim.start_ns is None or o.victim.same_life(key)
    )
    process = end.process if end else Process(key)
    for signal in reversed(signals):
        process = process.merged(signal.target)
    return Facts(process, end, signals, ooms)


def case_of(fusion: Fusion, key: Key, end: ProcessExited | None) -> Case:
    """The case about one life, with whatever its explanation may hang on."""
    facts = facts_of(fusion, key, end)
    related: dict[Key, Facts] = {}
    _follow(fusion, facts, related, 0)
    wills: dict[Key, ParentDied] = {}
    for each in (facts, *related.values()):
        _gather_wills(fusion, each, wills)
    loss = fusion.loss()
    complete = fusion.complete_since()
    start = key.start_ns
    return Case(
        facts=facts,
        host=fusion.host,
        loss=loss,
        related=related,
        wills=wills,
        armed_ns=fusion.armed_ns,
        watched=start is not None and start >= complete,
    )


# An exiting task that set a death off may itself have been killed: look that up, and so on.
def _follow(fusion: Fusion, facts: Facts, related: dict[Key, Facts], depth: int) -> None:
    if depth >= _DEEPEST:
        return
    for signal in facts.signals:
        key = signal.current.key
        if key in related or not signal.current.exiting or key.same_life(facts.process.key):
            continue
        end = end_of(fusion, key)
        related[key] = facts_of(fusion, key, end)
        _follow(fusion, related[key], related, depth + 1)


def end_of(fusion: Fusion, key: Key) -> ProcessExited | None:
    """The end of a life, if it is on record."""
    for end in fusion.exits(Wanted(pid=key.tgid)):
        if end.process.key.same_life(key):
            return end
    return None


def _gather_wills(fusion: Fusion, facts: Facts, wills: dict[Key, ParentDied]) -> None:
    pending: list[Key] = [s.creator.key for s in facts.signals if s.creator]
    if facts.exit and facts.exit.creator:
        pending.append(facts.exit.creator.key)
    while pending and len(wills) < 256:  # noqa: PLR2004 -- a bound, not a number with a meaning
        key = pending.pop()
        if key in wills:
            continue
        will = fusion.will(key)
        if will is None:
            continue
        wills[key] = will
        if will.creator:
            pending.append(will.creator.key)


def unended(fusion: Fusion, pid: int, ends: Iterable[ProcessExited]) -> list[Key]:
    """Lives of a number that got a deadly signal and have no end on record."""
    ended = [e.process.key for e in ends]
    keys: list[Key] = []
    for signal in fusion.signals(pid):
        key = signal.target.key
        known = any(key.same_life(k) for k in (*ended, *keys))
        if not known and (signal.doomed or signal.sig == sg.SIGKILL):
            keys.append(key)
    return keys


def frozen_by(signals: Iterable[SignalSent]) -> SignalSent | None:
    """The stop that still holds: the last stopping signal without a SIGCONT behind it."""
    held: SignalSent | None = None
    for signal in signals:
        if signal.sig in sg.STOPS:
            held = signal
        elif signal.sig == sg.SIGCONT:
            held = None
    return held

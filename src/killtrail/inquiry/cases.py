"""From events to cases: the facts of one death and of the deaths it may hang on."""

from collections.abc import Iterable
from typing import Final

from killtrail.attribution import fatal_signal
from killtrail.attribution.case import Case, Facts
from killtrail.inquiry import incidents
from killtrail.inquiry.merged import Fusion
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import (
    KernelLine,
    LimitSet,
    ManagerAsked,
    Note,
    OrphanedBy,
    ProcessExited,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.sources.base import Wanted

_DEEPEST: Final = 6
_AT_ONCE_NS: Final = 5 * NS
_WORK_MOST_NS: Final = 5 * NS
"""How long the kernel may leave work that sysrq has asked for to a kworker."""
_JOB_MOST_NS: Final = 120 * NS
"""How long systemd may wait with a stop job until those before it are done."""


def facts_of(fusion: Fusion, key: Key, end: ProcessExited | None) -> Facts:
    """All that is on record about one life."""
    signals = tuple(s for s in fusion.signals(key.tgid) if s.target.key.same_life(key))
    ooms = tuple(
        o for o in fusion.ooms(key.tgid) if o.victim.start_ns is None or o.victim.same_life(key)
    )
    process = end.process if end else Process(key)
    for signal in reversed(signals):
        process = process.merged(signal.target)
    return Facts(process, end, signals, ooms, _children(fusion, key, signals))


# Only who signals itself may be repeating what its child died of.
def _children(
    fusion: Fusion, key: Key, signals: tuple[SignalSent, ...]
) -> tuple[ProcessExited, ...]:
    own = [s for s in signals if s.same_group and fatal_signal.deliverable(s)]
    if not own:
        return ()
    last = own[-1].time_ns
    wanted = Wanted(parent=key.tgid, since_ns=last - _AT_ONCE_NS, until_ns=last)
    return tuple(
        end
        for end in fusion.exits(wanted)
        if end.signal and end.parent and end.parent.key.same_life(key)
    )


def case_of(fusion: Fusion, key: Key, end: ProcessExited | None) -> Case:
    """The case about one life, with whatever its explanation may hang on."""
    facts = facts_of(fusion, key, end)
    related: dict[Key, Facts] = {}
    _follow(fusion, facts, related, 0)
    found = fatal_signal.find(facts)
    signal = found.signal if found else None
    notes = (*_notes(fusion, facts, signal), *_limits_set(fusion, facts, signal))
    wills: dict[Key, OrphanedBy] = {}
    for each in (facts, *related.values()):
        _gather_wills(fusion, each, wills)
    _gather(fusion, [n.creator.key for n in notes if n.creator], wills)
    start = key.start_ns
    return Case(
        facts=facts,
        host=fusion.host,
        loss=fusion.loss(),
        related=related,
        wills=wills,
        armed_ns=fusion.armed_ns,
        watched=start is not None and start >= fusion.complete_since(end.signal if end else None),
        same_call=incidents.same_call(fusion, signal),
        notes=notes,
        reader=_reader(fusion, signal),
    )


# An exiting task that set a death off may itself have been killed, a sender may have passed on
# what it got, and a child may have died of the same: look those up, and so on.
def _follow(fusion: Fusion, facts: Facts, related: dict[Key, Facts], depth: int) -> None:
    if depth >= _DEEPEST:
        return
    children = {c.process.key: c for c in facts.children}
    for key in (*_leads(facts), *children):
        if key in related or key.same_life(facts.process.key):
            continue
        related[key] = facts_of(fusion, key, children.get(key) or end_of(fusion, key))
        _follow(fusion, related[key], related, depth + 1)


def _leads(facts: Facts) -> list[Key]:
    return [
        s.current.key
        for s in facts.signals
        if s.current.exiting or (s.sig in sg.ASKS and not s.current.kthread) or _mid_fork(s)
    ]


def _mid_fork(signal: SignalSent) -> bool:
    return "cgroup_post_fork" in (signal.kernel.stack or ())


def _notes(fusion: Fusion, facts: Facts, signal: SignalSent | None) -> tuple[Note, ...]:
    asked = [s for s in facts.signals if s.current.comm == "systemd"]
    first = asked[0] if asked else signal
    if first is None:
        return ()
    kernel = first.current.kthread and first.code == sg.SI_KERNEL
    if not asked and not kernel:
        return ()
    since = first.time_ns - (_WORK_MOST_NS if kernel else _JOB_MOST_NS)
    kind = KernelLine if kernel else ManagerAsked
    return tuple(n for n in fusion.notes(since, first.time_ns) if isinstance(n, kind))


def _limits_set(fusion: Fusion, facts: Facts, signal: SignalSent | None) -> tuple[LimitSet, ...]:
    limited: tuple[Process, ...] = ()
    if signal and signal.kernel.limit:
        limited = (facts.process, *signal.kernel.lineage[: signal.kernel.limit.carriers])
    elif facts.exit and facts.exit.exit_code and facts.exit.memory_limit is not None:
        limited = (facts.process,)
    keys = [p.key for p in limited if p.key.start_ns is not None]
    last = signal or facts.exit
    if not keys or last is None:
        return ()
    since = min(key.start_ns or 0 for key in keys)
    return tuple(
        n
        for n in fusion.notes(since, last.time_ns)
        if isinstance(n, LimitSet) and any(n.target.same_life(key) for key in keys)
    )


def _reader(fusion: Fusion, signal: SignalSent | None) -> ProcessExited | None:
    if signal is None or not signal.kernel.pipe:
        return None
    until = signal.time_ns + NS
    ends = [
        e
        for e in fusion.exits(Wanted(pipe=signal.kernel.pipe, until_ns=until))
        if not e.process.key.same_life(signal.target.key)
    ]
    last = [e for e in ends if e.stdin_pipe == signal.kernel.pipe and e.time_ns <= signal.time_ns]
    if last:
        return last[-1]
    # Some close it a moment before they end. Of several that had it, any may have been the last.
    near = [e for e in ends if abs(e.time_ns - signal.time_ns) <= NS]
    return near[0] if len(ends) == len(near) == 1 else None


def end_of(fusion: Fusion, key: Key) -> ProcessExited | None:
    """The end of a life, if it is on record."""
    for end in fusion.exits(Wanted(pid=key.tgid)):
        if end.process.key.same_life(key):
            return end
    return None


def _gather_wills(fusion: Fusion, facts: Facts, wills: dict[Key, OrphanedBy]) -> None:
    pending: list[Key] = [s.kernel.creator.key for s in facts.signals if s.kernel.creator]
    if facts.exit and facts.exit.creator:
        pending.append(facts.exit.creator.key)
    _gather(fusion, pending, wills)


def _gather(fusion: Fusion, pending: list[Key], wills: dict[Key, OrphanedBy]) -> None:
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


def unended(fusion: Fusion, pid: int) -> list[Key]:
    """Lives of a number that got a deadly signal and have no end on record."""
    ended = [e.process.key for e in fusion.exits(Wanted(pid=pid))]
    keys: list[Key] = []
    for signal in fusion.signals(pid):
        key = signal.target.key
        known = any(key.same_life(k) for k in (*ended, *keys))
        if not known and (signal.kernel.doomed or signal.sig == sg.SIGKILL):
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

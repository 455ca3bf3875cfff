"""Deaths that a recorder saw: the records of one process, and of those that its death may hang on."""

from collections.abc import Iterable, Iterator
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import fatal_signal
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.generation import explain
from killtrail.inquiry import incidents
from killtrail.inquiry.logged import DAY_NS
from killtrail.inquiry.logins import Start, login_of
from killtrail.inquiry.merged import Merged
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    HostEvent,
    HostEventKind,
    ImageReplaced,
    KernelLine,
    LimitSet,
    ManagerAsked,
    Note,
    OomKilled,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    SignalRefused,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key, Process
from killtrail.model.query import Query, Window

_DEEPEST: Final = 6
_AT_ONCE_NS: Final = 5 * NS
_SLACK_NS: Final = 5 * NS
"""How far log entries about an event may be from it in time."""
_WORK_MOST_NS: Final = 5 * NS
"""How long the kernel may leave work that sysrq has asked for to a kworker."""
_JOB_MOST_NS: Final = 120 * NS
"""How long systemd may wait with a stop job until those before it are done."""
_ORPHANS_MOST: Final = 256
_AROUND: Final = (SignalSent, SignalRefused, OomKilled, ProcessExited)
"""What logs may say of a death that a recorder saw."""


def exits(merged: Merged, query: Query) -> list[ProcessExited]:
    """Exits, oldest first, one for each process."""
    found = merged.recorded(replace(query, kinds=(ProcessExited,)))
    return [e for e in found if isinstance(e, ProcessExited)]


def signals(merged: Merged, query: Query) -> list[SignalSent]:
    """Signals, oldest first."""
    found = merged.recorded(replace(query, kinds=(SignalSent,)))
    return [e for e in found if isinstance(e, SignalSent)]


def threads(merged: Merged, pid: int) -> list[ThreadDied | ImageReplaced]:
    """Threads that exited, or replaced their process's program, while the process went on."""
    found = merged.recorded(Query(kinds=(ThreadDied, ImageReplaced), pid=pid))
    return [e for e in found if isinstance(e, ThreadDied | ImageReplaced)]


def exit_of(merged: Merged, key: Key) -> ProcessExited | None:
    """The exit of a process, if it is recorded.

    procfs has start times in ticks of 10 ms: of two that had the PID within one tick, the last.
    """
    found = [e for e in exits(merged, Query(key=key)) if e.process.key.same_life(key)]
    return found[-1] if found else None


def facts_of(merged: Merged, key: Key, end: ProcessExited | None) -> Facts:
    """All that is recorded of one process."""
    got = tuple(s for s in signals(merged, Query(key=key)) if s.target.key.same_life(key))
    marks = merged.recorded(Query(kinds=(OomVictimMarked,), pid=key.tgid))
    ooms = tuple(
        o
        for o in marks
        if isinstance(o, OomVictimMarked) and (o.victim.start_ns is None or o.victim.same_life(key))
    )
    process = end.process if end else Process(key)
    for signal in reversed(got):
        process = process.merged(signal.target)
    return Facts(process, end, got, ooms, _children(merged, key, got))


# Only a process that signals itself may be repeating what its child died of.
def _children(merged: Merged, key: Key, got: tuple[SignalSent, ...]) -> tuple[ProcessExited, ...]:
    own = [s for s in got if s.same_group and fatal_signal.deliverable(s)]
    if not own:
        return ()
    last = own[-1].time_ns
    query = Query(parent=key.tgid, window=Window(last - _AT_ONCE_NS, last))
    return tuple(
        end
        for end in exits(merged, query)
        if end.signal and end.parent and end.parent.key.same_life(key)
    )


def case_of(merged: Merged, key: Key, end: ProcessExited | None, *, listed: bool = False) -> Case:
    """The case of one process, with what its explanation may hang on and what logs say of it.

    `listed`: one of many, for which logs and the PID's other processes are not looked at.
    """
    facts = facts_of(merged, key, end)
    related: dict[Key, Facts] = {}
    _follow(merged, facts, related, 0)
    found = fatal_signal.find(facts)
    signal = found.signal if found else None
    notes = (*_notes(merged, facts, signal), *_limits_set(merged, facts, signal))
    told = [] if listed else [*_in_logs(merged, facts), *_oopses(merged, facts)]
    facts = facts if listed else _with_login(merged, facts, signal)
    since = merged.coverage.complete_since(end.signal if end else None)
    orphaned_by = _orphaned_by(merged, (facts, *related.values()), notes)
    return Case(
        facts=_with_creators_argv(facts, orphaned_by),
        host=merged.host,
        coverage=merged.coverage,
        related=related,
        orphaned_by=orphaned_by,
        watched=None not in (since, key.start_ns) and (key.start_ns or 0) >= (since or 0),
        same_call=incidents.same_call(merged, signal),
        notes=notes,
        reader=_reader(merged, signal),
        refused=tuple(e for e in told if isinstance(e, SignalRefused)),
        all_signals=() if listed else _all_signals(merged, facts, told),
        second_hand=tuple(e for e in told if not isinstance(e, SignalRefused)),
    )


# An exiting task that set a death off may itself have been killed, a sender may have passed on
# what it got, and a child may have died of the same: look those up, and so on.
def _follow(merged: Merged, facts: Facts, related: dict[Key, Facts], depth: int) -> None:
    if depth >= _DEEPEST:
        return
    children = {c.process.key: c for c in facts.children}
    for key in (*_leads(facts), *children):
        if key in related or key.same_life(facts.process.key):
            continue
        related[key] = facts_of(merged, key, children.get(key) or exit_of(merged, key))
        _follow(merged, related[key], related, depth + 1)


def _leads(facts: Facts) -> list[Key]:
    return [
        s.current.key
        for s in facts.signals
        if s.current.exiting or (s.sig in sg.ASKS and not s.current.kthread) or _mid_fork(s)
    ]


def _mid_fork(signal: SignalSent) -> bool:
    return "cgroup_post_fork" in (signal.kernel.stack or ())


def _notes(merged: Merged, facts: Facts, signal: SignalSent | None) -> tuple[Note, ...]:
    asked = [s for s in facts.signals if s.current.comm == "systemd"]
    first = asked[0] if asked else signal
    if first is None:
        return ()
    kernel = first.current.kthread and first.code == sg.SI_KERNEL
    if not asked and not kernel:
        return ()
    since = first.time_ns - (_WORK_MOST_NS if kernel else _JOB_MOST_NS)
    kind = KernelLine if kernel else ManagerAsked
    # A client may have asked for the last signal, after an earlier one did not suffice.
    until = first if kernel or signal is None else signal
    found = merged.recorded(Query(kinds=(kind,), window=Window(since, until.time_ns)))
    return tuple(n for n in found if isinstance(n, KernelLine | ManagerAsked))


def _limits_set(merged: Merged, facts: Facts, signal: SignalSent | None) -> tuple[LimitSet, ...]:
    limited: tuple[Process, ...] = ()
    if signal and signal.kernel.limit:
        limited = (facts.process, *signal.kernel.lineage[: signal.kernel.limit.carriers])
    elif facts.exit and facts.exit.exit_code and facts.exit.memory_limit is not None:
        limited = (facts.process,)
    keys = [p.key for p in limited if p.key.start_ns is not None]
    last = signal or facts.exit
    if not keys or last is None:
        return ()
    window = Window(min(key.start_ns or 0 for key in keys), last.time_ns)
    return tuple(
        n
        for n in merged.recorded(Query(kinds=(LimitSet,), window=window))
        if isinstance(n, LimitSet) and any(n.target.same_life(key) for key in keys)
    )


def _reader(merged: Merged, signal: SignalSent | None) -> ProcessExited | None:
    if signal is None or not signal.kernel.pipe:
        return None
    query = Query(pipe=signal.kernel.pipe, window=Window(None, signal.time_ns + NS))
    ends = [e for e in exits(merged, query) if not e.process.key.same_life(signal.target.key)]
    last = [e for e in ends if e.stdin_pipe == signal.kernel.pipe and e.time_ns <= signal.time_ns]
    if last:
        return last[-1]
    # Some close it a moment before they exit. Of several that had it, any may have been the last.
    near = [e for e in ends if abs(e.time_ns - signal.time_ns) <= NS]
    return near[0] if len(ends) == len(near) == 1 else None


def _orphaned_by(
    merged: Merged, all_facts: Iterable[Facts], notes: tuple[Note, ...]
) -> dict[Key, OrphanedBy]:
    pending = [n.creator.key for n in notes if n.creator]
    for facts in all_facts:
        pending += [s.kernel.creator.key for s in facts.signals if s.kernel.creator]
        if facts.exit and facts.exit.creator:
            pending.append(facts.exit.creator.key)
    found: dict[Key, OrphanedBy] = {}
    while pending and len(found) < _ORPHANS_MOST:
        key = pending.pop()
        if key in found:
            continue
        for event in merged.recorded(Query(kinds=(OrphanedBy,), key=key)):
            if isinstance(event, OrphanedBy):
                found[key] = event
                pending += [event.creator.key] if event.creator else []
                break
    return found


# The record of one that never exec'd holds its parent's command line. An orphan's is its reaper's by
# then: what it ran is that of the process that forked it.
def _with_creators_argv(facts: Facts, orphaned_by: dict[Key, OrphanedBy]) -> Facts:
    argv = facts.process.argv
    creator = facts.exit.creator if facts.exit else None
    if argv is None or not argv.inherited or creator is None or creator.index:
        return facts
    by = orphaned_by.get(creator.key)
    true = by.process.argv if by else None
    own = replace(true, inherited=True) if true else None
    return replace(facts, process=replace(facts.process, argv=own))


# Around the death alone: a live answer reads no more of the host's logs.
def _in_logs(merged: Merged, facts: Facts) -> list[Event]:
    times = [s.time_ns for s in facts.signals[-1:]] + ([facts.exit.time_ns] if facts.exit else [])
    if not times:
        return []
    window = Window(min(times) - _SLACK_NS, max(times) + _SLACK_NS)
    return merged.logged(
        Query(kinds=_AROUND, pid=facts.process.pid, window=window, launchers=False)
    )


# The first line of such a report names no PID; the source reads on to the line that does.
def _oopses(merged: Merged, facts: Facts) -> list[Event]:
    end = facts.exit
    if end is None or not set(end.stack or ()) & explain.OOPS_STACK:
        return []
    window = Window(end.time_ns - _SLACK_NS, end.time_ns + _SLACK_NS)
    return [
        e
        for e in merged.logged(Query(kinds=(HostEvent,), window=window))
        if isinstance(e, HostEvent)
        and e.kind is HostEventKind.OOPS
        and e.process is not None
        and e.process.pid == facts.process.pid
    ]


# cron, sshd and sudo write into syslog which job or session they started, and by which PID.
def _with_login(merged: Merged, facts: Facts, signal: SignalSent | None) -> Facts:
    if signal is None or signal.log.login is not None or not signal.kernel.lineage:
        return facts
    found = login_of(merged, _starts(signal))
    if found is None:
        return facts
    own = tuple(
        replace(s, log=replace(s.log, login=found)) if s is signal else s for s in facts.signals
    )
    return replace(facts, signals=own)


def _starts(signal: SignalSent) -> Iterator[Start]:
    for below, above in zip(
        (signal.current, *signal.kernel.lineage), signal.kernel.lineage, strict=False
    ):
        if below.key.start_ns is not None and above.pid > 1:
            yield Start(above, below, below.key.start_ns)


def _all_signals(
    merged: Merged, facts: Facts, told: list[Event]
) -> tuple[SignalSent | SignalRefused, ...]:
    last = max((s.time_ns for s in facts.signals), default=None)
    if last is None:
        return ()
    window = Window(last - DAY_NS, None)
    found: list[SignalSent | SignalRefused] = [
        s
        for s in signals(merged, Query(pid=facts.process.pid, window=window))
        if s.sig not in sg.NOISE
    ]
    found += [e for e in told if isinstance(e, SignalRefused)]
    return tuple(sorted(found, key=lambda e: e.time_ns))


def unended(merged: Merged, pid: int) -> list[Key]:
    """Processes of a PID that got a fatal signal and have no exit recorded."""
    ended = [e.process.key for e in exits(merged, Query(pid=pid))]
    keys: list[Key] = []
    for signal in signals(merged, Query(pid=pid)):
        key = signal.target.key
        known = any(key.same_life(k) for k in (*ended, *keys))
        if not known and (signal.kernel.doomed or signal.sig == sg.SIGKILL):
            keys.append(key)
    return keys


def frozen_by(got: Iterable[SignalSent]) -> SignalSent | None:
    """The stop that still holds: the last stopping signal without a SIGCONT after it."""
    held: SignalSent | None = None
    for signal in got:
        if signal.sig in sg.STOPS:
            held = signal
        elif signal.sig == sg.SIGCONT:
            held = None
    return held

"""Deaths in logs: the events of one PID, the processes that had it, their cases."""

from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.attribution import fatal_signal
from killtrail.attribution.case import Case, Facts
from killtrail.inquiry import hosts
from killtrail.inquiry.lives import ENDINGS, PATIENCE_NS, ZOMBIE_NS, Ending, Life, named_by, split
from killtrail.inquiry.logins import Start, login_of
from killtrail.inquiry.merged import Merged
from killtrail.model import signals as sg
from killtrail.model.cgroup_path import unit_of
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    ManagerAsked,
    ProcessSeen,
    Sighting,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.model.verdict import Host

_AROUND_NS: Final = 60 * NS
_AT_ONCE_NS: Final = 2 * NS
_JOB_MOST_NS: Final = 120 * NS
DAY_NS: Final = 86_400 * NS
"""How far back the same PID is looked at: patterns show in it."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One death in logs: its case, and the span of its records."""

    case: Case
    first_ns: int
    last_ns: int


def around(time_ns: int) -> Window:
    """What may belong to a death at that time, or to a pattern that it is part of."""
    return Window(time_ns - DAY_NS, time_ns + ZOMBIE_NS + NS)


def closely_around(time_ns: int) -> Window:
    """What may belong to a death at that time, with what came so soon before that it may matter."""
    return Window(time_ns - 2 * PATIENCE_NS, time_ns + ZOMBIE_NS + NS)


def of_pid(
    merged: Merged,
    who: tuple[int, str | None],
    window: Window,
    node: str | None,
    *,
    launchers: bool,
    near: Window | None = None,
) -> list[Logged]:
    """The deaths of all processes that had a PID in a span of time, oldest first.

    `near`: all that is needed of it where no pattern can show.
    """
    pid = who[0]
    query = Query(pid=pid, window=window, launchers=launchers, target=_unit(who))
    events = merged.logged(query, near)
    if pid == 0:
        events = [e for e in events if isinstance(e, ENDINGS) and named_by(e) == who]
    return [
        found
        for name, own in hosts.by_host(events).items()
        if node in (None, name)
        for found in of_events(merged, own, pid, name)
    ]


# The main process of a unit: systemd's lines are indexed by the unit's name.
def _unit(who: tuple[int, str | None]) -> Target | None:
    unit = unit_of(who[1]) if who[0] == 0 else None
    return None if unit is None else Target(Kind.UNIT, unit)


def of_events(merged: Merged, events: list[Event], pid: int, name: str) -> Iterator[Logged]:
    """The deaths in one PID's events of one host, oldest first."""
    attempts = tuple(e for e in events if isinstance(e, SignalSent | SignalRefused))
    host = hosts.named(merged.host, name)
    for life in split(events):
        facts = life.facts(pid)
        found = fatal_signal.find(facts)
        if found is None and not facts.exit and not facts.reports:
            # Stopped, continued, or asked with a signal that it handled: nothing says that it exited.
            continue
        case = _case(merged, host, life, facts, attempts)
        yield Logged(case, life.first_ns or 0, life.last_ns or 0)


def _case(
    merged: Merged,
    host: Host,
    life: Life,
    facts: Facts,
    attempts: tuple[SignalSent | SignalRefused, ...],
) -> Case:
    last = life.last_ns or 0
    facts = replace(facts, signals=tuple(_with_login(merged, s) for s in facts.signals))
    found = fatal_signal.find(facts)
    signal = found.signal if found else None
    login = signal.log.login if signal else None
    return Case(
        facts=facts,
        # A log without names, beside syslog's line about the job: both are of the host that this names.
        host=hosts.named(host, login.origin.host or "") if login and not host.name else host,
        coverage=merged.read(),
        watched=False,
        kept=True,
        related=_related(merged, signal),
        notes=_notes(merged, signal),
        caveat=life.caveat,
        same_call=same_call(merged, signal),
        refused=tuple(
            r
            for r in attempts
            if isinstance(r, SignalRefused) and abs(r.time_ns - last) <= _AROUND_NS
        ),
        all_signals=attempts,
        second_hand=tuple(life.second_hand),
    )


def same_call(merged: Merged, signal: SignalSent | None) -> tuple[SignalSent, ...]:
    """The signals of the call that this one was part of: one call may hit a group, or all processes."""
    if signal is None or signal.call_id is None:
        return ()
    window = Window(signal.time_ns - _AT_ONCE_NS, signal.time_ns + _AT_ONCE_NS)
    query = Query(kinds=(SignalSent,), sender=signal.current.key, window=window, launchers=False)
    return tuple(
        e for e in merged.logged(query) if isinstance(e, SignalSent) and e.call_id == signal.call_id
    )


# A sender may have passed on what it got a moment before: wrappers, container inits, sudo.
def _related(merged: Merged, signal: SignalSent | None) -> dict[Key, Facts]:
    if signal is None or signal.sig not in sg.ASKS or signal.current.pid <= 1:
        return {}
    sender = signal.current
    window = Window(signal.time_ns - _AT_ONCE_NS, signal.time_ns)
    got = merged.logged(Query(kinds=(SignalSent,), pid=sender.pid, window=window))
    signals = tuple(e for e in got if isinstance(e, SignalSent) and e.sig == signal.sig)
    return {sender.key: Facts(sender, None, signals)} if signals else {}


# What a manager's client asked for shows as the start of that client: `systemctl stop x`.
def _notes(merged: Merged, signal: SignalSent | None) -> tuple[ManagerAsked, ...]:
    if signal is None or signal.current.comm != "systemd":
        return ()
    window = Window(signal.time_ns - _JOB_MOST_NS, signal.time_ns)
    found = merged.logged(Query(kinds=(ManagerAsked,), window=window))
    return tuple(e for e in found if isinstance(e, ManagerAsked))


def _with_login(merged: Merged, signal: SignalSent) -> SignalSent:
    """The signal with the session or the job that its sender's chain began with, as syslog has it."""
    if not signal.log.chain or (signal.log.login is not None and signal.log.login.came_from):
        return signal
    found = login_of(merged, _starts(signal.log.chain))
    if found is None:
        return signal
    return replace(signal, log=replace(signal.log, login=found))


# A login names the parent of what it started: below it in the chain the last program that began.
def _starts(seen: tuple[ProcessSeen, ...]) -> Iterator[Start]:
    for at, above in enumerate(seen):
        begun = [s for s in seen[:at] if s.how is Sighting.EXEC]
        if begun:
            yield Start(above.process, begun[-1].process, begun[-1].time_ns)


def candidates(merged: Merged, query: Query) -> Iterator[Ending]:
    """Events that may be how a process exited, the newest first."""
    for event in merged.newest_logged(replace(query, kinds=ENDINGS, launchers=False)):
        if isinstance(event, ENDINGS):
            yield event


def covers(found: Logged, time_ns: int) -> bool:
    """Whether a record of that time is one of this death's."""
    return found.first_ns <= time_ns <= max(found.last_ns, found.first_ns + PATIENCE_NS)

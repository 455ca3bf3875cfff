"""Questions to kept evidence: lives of a number told apart, then the same rules as live."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from killtrail.attribution import effective
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.inquiry.ask import Filter
from killtrail.inquiry.target import Kind, Target
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    Loss,
    OomVictimMarked,
    ParseProblem,
    ProcessExited,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.verdict import Host, Verdict
from killtrail.sources.kept import Asked, Kept

_DEAD_NS: Final = NS
"""A signal that a number still takes so long after a SIGKILL is another process's, or a zombie's."""
_PATIENCE_NS: Final = 900 * NS
"""Requests further apart than this are about different deaths."""
_AROUND_NS: Final = 60 * NS


@dataclass(slots=True)
class _Life:
    signals: list[SignalSent] = field(default_factory=list)
    ooms: list[OomVictimMarked] = field(default_factory=list)
    exit: ProcessExited | None = None

    @property
    def last_ns(self) -> int | None:
        if self.exit is not None:
            return self.exit.time_ns
        times = [s.time_ns for s in self.signals] + [o.time_ns for o in self.ooms]
        return max(times) if times else None

    def ended_before(self, event: Event) -> bool:
        """Whether it was over when this happened."""
        if self.exit is not None:
            return event.time_ns > self.exit.time_ns
        last = self.last_ns
        if last is None:
            return False
        killed = [s.time_ns for s in self.signals if s.sig == sg.SIGKILL]
        if killed and event.time_ns - killed[0] > _DEAD_NS:
            return True
        return event.time_ns - last > _PATIENCE_NS


def why(kept: Iterable[Kept], target: Target, narrow: Filter, node: str | None) -> list[Verdict]:
    """Verdicts on every death that TARGET names in the evidence, oldest first per clock."""
    verdicts: list[Verdict] = []
    for group in _groups(kept):
        verdicts.extend(_why(group, target, narrow, node))
    return verdicts[-narrow.most :] if narrow.most else verdicts


# Evidence of one machine on one clock can be laid side by side.
def _groups(kept: Iterable[Kept]) -> list[list[Kept]]:
    groups: dict[object, list[Kept]] = {}
    for each in kept:
        boot = each.host.boot
        dated = boot.offset_ns is not None
        key = (each.host.name, "wall") if dated else (each.host.name, each.names)
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def _why(group: list[Kept], target: Target, narrow: Filter, node: str | None) -> list[Verdict]:
    asked = Asked(target.pid, narrow.since_ns, narrow.until_ns)
    if target.pid is not None:
        return _of_number(group, asked, target.pid, node)
    numbers = {
        _victim(event).pid
        for each in group
        for event in each.events(replace(asked, launchers=False))
        if isinstance(event, SignalSent | ProcessExited) and target.matches(_victim(event))
    }
    found = [
        verdict
        for pid in sorted(numbers)
        for verdict in _of_number(group, replace(asked, pid=pid), pid, node)
        if target.kind is Kind.PID or target.matches(verdict.death.process)
    ]
    return sorted(found, key=lambda v: v.death.time_ns or 0)


def _victim(event: SignalSent | ProcessExited) -> Process:
    return event.target if isinstance(event, SignalSent) else event.process


def _of_number(group: list[Kept], asked: Asked, pid: int, node: str | None) -> list[Verdict]:
    events = _distinct(event for each in group for event in each.events(asked))
    loss = _loss(group)
    verdicts: list[Verdict] = []
    for host in sorted({e.origin.host or "" for e in events}):
        if node is not None and host != node:
            continue
        own = [e for e in events if (e.origin.host or "") == host]
        verdicts.extend(_judged(own, pid, _host(group, host), loss))
    return verdicts


def _host(group: list[Kept], name: str) -> Host:
    return replace(group[0].host, name=name or group[0].host.name)


# The same record may stand in several files: a log, its rotated copy, an excerpt of it.
def _distinct(events: Iterable[Event]) -> list[Event]:
    found: dict[object, Event] = {}
    for event in events:
        found.setdefault(_same(event), event)
    return sorted(found.values(), key=_time)


def _time(event: Event) -> int:
    return event.time_ns


def _same(event: Event) -> object:
    host = event.origin.host
    if isinstance(event, SignalSent):
        return (host, event.time_ns, event.sig, event.target.pid, event.current.pid, event.act)
    if isinstance(event, SignalRefused):
        return (host, event.time_ns, event.sig, event.pid, event.process.pid, "refused")
    if isinstance(event, OomVictimMarked):
        return (host, event.time_ns, event.victim.tgid)
    return (host, event.time_ns, event.process.pid, type(event).__name__)


def _loss(group: list[Kept]) -> Loss:
    losses = [each.loss() for each in group]
    problems: tuple[ParseProblem, ...] = tuple(p for loss in losses for p in loss.problems)
    return Loss(events=None, problems=problems)


def _judged(events: list[Event], pid: int, host: Host, loss: Loss) -> Iterator[Verdict]:
    refused = [e for e in events if isinstance(e, SignalRefused) and e.pid == pid]
    tries = [
        e
        for e in events
        if (isinstance(e, SignalSent) and e.target.pid == pid) or isinstance(e, SignalRefused)
    ]
    company = [e for e in events if isinstance(e, SignalSent)]
    for life in _lives(events, pid):
        facts = _facts(life, pid)
        found = effective.find(facts)
        act = found.signal.act if found else None
        last = life.last_ns or 0
        yield judge(
            Case(
                facts=facts,
                host=host,
                loss=loss,
                watched=False,
                kept=True,
                company=tuple(s for s in company if act is not None and s.act == act),
                refused=tuple(r for r in refused if abs(r.time_ns - last) <= _AROUND_NS),
                around=tuple(tries),
            )
        )


def _lives(events: list[Event], pid: int) -> list[_Life]:
    lives: list[_Life] = []
    for event in events:
        if not _ends(event, pid):
            continue
        if not lives or lives[-1].ended_before(event):
            lives.append(_Life())
        life = lives[-1]
        if isinstance(event, SignalSent):
            life.signals.append(event)
        elif isinstance(event, OomVictimMarked):
            life.ooms.append(event)
        elif isinstance(event, ProcessExited):
            life.exit = event
    return lives


def _ends(event: Event, pid: int) -> bool:
    if isinstance(event, SignalSent):
        return event.target.pid == pid and event.sig not in sg.NOISE
    if isinstance(event, OomVictimMarked):
        return event.victim.tgid == pid
    return isinstance(event, ProcessExited) and event.process.pid == pid


def _facts(life: _Life, pid: int) -> Facts:
    process = life.exit.process if life.exit else Process(Key(pid, None), user="")
    for signal in reversed(life.signals):
        process = process.merged(signal.target)
    return Facts(process, life.exit, tuple(life.signals), tuple(life.ooms))

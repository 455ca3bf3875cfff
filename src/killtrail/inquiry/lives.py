"""Questions to kept evidence: lives of a number told apart, then the same rules as live."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from killtrail._slotted import dataclass, field, replace
from killtrail.attribution import fatal_signal, patterns
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.inquiry import hosts
from killtrail.inquiry.target import Kind, Target
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    HostEvent,
    LoginSeen,
    Loss,
    OomKilled,
    OomVictimMarked,
    ParseProblem,
    ProcessExited,
    ProcessSeen,
    Sighting,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.query import Filter
from killtrail.model.verdict import Host, Verdict
from killtrail.sources.kept import Asked, Kept

_DEAD_NS: Final = NS
"""A signal that a number still takes so long after a SIGKILL is another process's, or a zombie's."""
_ZOMBIE_NS: Final = 60 * NS
"""How long a number may stay taken by one who is dead, for want of a sign of a new life."""
_PATIENCE_NS: Final = 900 * NS
"""Requests further apart than this are about different deaths."""
_ZOMBIE: Final = "whether the number had passed to another process (a zombie takes signals, too)"
_BEGUN_NS: Final = 10 * NS
"""How soon a job or a session starts its first program."""
_AROUND_NS: Final = 60 * NS
_LISTED: Final = 50
_PER_DEATH: Final = 20
"""How many records one death may have brought, where only so many deaths are wanted."""
_Ending = SignalSent | ProcessExited | OomKilled


@dataclass(slots=True)
class _Life:
    signals: list[SignalSent] = field(default_factory=list)
    ooms: list[OomVictimMarked] = field(default_factory=list)
    reports: list[OomKilled] = field(default_factory=list)
    exit: ProcessExited | None = None
    seen: list[ProcessSeen] = field(default_factory=list)
    again: bool = False
    """Whether its number was seen to start a program after its end."""
    caveat: str | None = None

    @property
    def over(self) -> bool:
        """Whether something on record ended it for certain."""
        killed = any(s.sig == sg.SIGKILL or s.kernel.doomed for s in self.signals)
        return self.exit is not None or killed or bool(self.reports)

    @property
    def may_linger(self) -> bool:
        """Whether a zombie of it may still have the number: who told of its end has reaped it."""
        told = self.exit is not None and self.exit.second_hand
        return self.over and not self.again and not told

    @property
    def last_ns(self) -> int | None:
        if self.exit is not None:
            return self.exit.time_ns
        times = [e.time_ns for e in self.signals]
        times += [e.time_ns for e in self.ooms] + [e.time_ns for e in self.reports]
        return max(times) if times else None

    def ended_before(self, event: Event) -> bool:
        """Whether it was over when this happened."""
        if self.exit is not None:
            if isinstance(event, ProcessExited):
                return event.time_ns - self.exit.time_ns > _DEAD_NS
            # Signals that a number takes right after its end go to a zombie.
            return self.again or event.time_ns - self.exit.time_ns > _ZOMBIE_NS
        last = self.last_ns
        if last is None:
            return False
        killed = [s.time_ns for s in self.signals if s.sig == sg.SIGKILL or s.kernel.doomed]
        killed += [r.time_ns for r in self.reports]
        if killed and event.time_ns - killed[0] > _DEAD_NS:
            return True
        return event.time_ns - last > _PATIENCE_NS


def why(kept: Iterable[Kept], target: Target, narrow: Filter, node: str | None) -> list[Verdict]:
    """Verdicts on every death that TARGET names in the evidence, oldest first per clock."""
    verdicts: list[Verdict] = []
    for group in hosts.groups(kept):
        verdicts.extend(_why(group, target, narrow, node))
    return verdicts[-narrow.most :] if narrow.most else verdicts


def deaths(kept: Iterable[Kept], narrow: Filter, node: str | None, *, each: bool) -> list[Verdict]:
    """Verdicts on the newest deaths in the evidence, oldest first per clock.

    `each` False: of one call with many victims only one is shown.
    """
    most = narrow.most or _LISTED
    verdicts: list[Verdict] = []
    for group in hosts.groups(kept):
        verdicts.extend(_newest(group, narrow, most, node, each=each))
    return verdicts


def _newest(
    group: list[Kept], narrow: Filter, most: int, node: str | None, *, each: bool
) -> list[Verdict]:
    asked = Asked(None, narrow.since_ns, narrow.until_ns, launchers=False)
    events: list[Event] = []
    for source in group:
        endings = (e for e in source.events(asked) if isinstance(e, _Ending | SignalRefused))
        # Searched logs give the newest first, streams the oldest.
        taken = (
            islice(endings, most * _PER_DEATH)
            if source.newest_first
            else deque(endings, most * _PER_DEATH)
        )
        events.extend(taken)
    found: list[Verdict] = []
    for name, own in hosts.by_host(_distinct(events)).items():
        if node is None or name == node:
            found.extend(_newest_of(own, hosts.host(group, name), _loss(group), most, each=each))
    found.sort(key=lambda v: v.death.time_ns or 0)
    return found[-most:]


def _newest_of(
    events: list[Event], machine: Host, loss: Loss, most: int, *, each: bool
) -> list[Verdict]:
    last = {_who(e): e.time_ns for e in events if isinstance(e, _Ending)}
    everything = _Pile(events)
    found: list[Verdict] = []
    for who in sorted(last, key=lambda who: -last[who]):
        own = everything
        if who[0] == 0:
            own = _Pile([e for e in events if isinstance(e, _Ending) and _who(e) == who])
        found.extend(_judged(own, who[0], machine, loss))
        if len(found) >= most and (each or len(_one_per_act(found)) >= most):
            break
    found.sort(key=lambda v: v.death.time_ns or 0)
    return found if each else _one_per_act(found)


# A manager does not name main processes by number: these are told apart by their units.
def _who(event: SignalSent | ProcessExited | OomKilled) -> tuple[int, str | None]:
    process = _victim(event)
    return (process.pid, process.comm if process.pid == 0 else None)


def _one_per_act(verdicts: list[Verdict]) -> list[Verdict]:
    acts = {v.incident.id: v for v in verdicts if v.incident is not None}
    return [v for v in verdicts if v.incident is None or acts[v.incident.id] is v]


def why_host(kept: Iterable[Kept], narrow: Filter, node: str | None) -> list[Verdict]:
    """Verdicts on every end of the machine in the evidence, oldest first per clock."""
    from killtrail.attribution import host_down  # noqa: PLC0415 -- processes' deaths need none of it

    verdicts: list[Verdict] = []
    asked = Asked(None, narrow.since_ns, narrow.until_ns, launchers=False)
    for group in hosts.groups(kept):
        events = _distinct(
            e for each in group for e in each.events(asked) if isinstance(e, HostEvent)
        )
        for name, own in hosts.by_host(events).items():
            if node is None or name == node:
                told = [e for e in own if isinstance(e, HostEvent)]
                verdicts.extend(host_down.judge(told, hosts.host(group, name), _loss(group)))
    return verdicts[-narrow.most :] if narrow.most else verdicts


def _why(group: list[Kept], target: Target, narrow: Filter, node: str | None) -> list[Verdict]:
    asked = Asked(target.pid, narrow.since_ns, narrow.until_ns)
    if target.pid is not None:
        return _of_number(group, asked, target.pid, node)
    numbers = {
        _victim(event).pid
        for each in group
        for event in each.events(replace(asked, launchers=False))
        if isinstance(event, _Ending) and target.matches(_victim(event))
    }
    found = [
        verdict
        for pid in sorted(numbers)
        for verdict in _of_number(group, replace(asked, pid=pid), pid, node, target)
        if target.kind is Kind.PID or target.matches(verdict.death.process)
    ]
    return patterns.over(sorted(found, key=lambda v: v.death.time_ns or 0))


def _victim(event: SignalSent | ProcessExited | OomKilled) -> Process:
    if isinstance(event, OomKilled):
        return event.victim
    return event.target if isinstance(event, SignalSent) else event.process


def _of_number(
    group: list[Kept], asked: Asked, pid: int, node: str | None, target: Target | None = None
) -> list[Verdict]:
    events: list[Event] = _distinct(event for each in group for event in each.events(asked))
    if pid == 0 and target is not None:
        # Main processes that a manager did not name by number are told apart by their units.
        ends = [e for e in events if isinstance(e, _Ending) and target.matches(_victim(e))]
        events = [*ends]
    loss = _loss(group)
    verdicts: list[Verdict] = []
    for name, own in hosts.by_host(events).items():
        if node is None or name == node:
            verdicts.extend(_judged(_Pile(own), pid, hosts.host(group, name), loss))
    return verdicts


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
        return (host, event.time_ns, event.sig, event.target.pid, event.current.pid, event.call_id)
    if isinstance(event, SignalRefused):
        return (host, event.time_ns, event.sig, event.pid, event.process.pid, "refused")
    if isinstance(event, OomVictimMarked):
        return (host, event.time_ns, event.victim.tgid)
    if isinstance(event, OomKilled):
        return (host, event.time_ns, event.victim.pid, "oom")
    if isinstance(event, HostEvent):
        return (host, event.time_ns, event.kind, event.text)
    # Within one tick of audit's clock a number may end and begin again: its serials differ.
    number = event.origin.where.rpartition("(")[2]
    return (host, event.time_ns, event.process.pid, type(event).__name__, number)


def _loss(group: list[Kept]) -> Loss:
    losses = [each.loss() for each in group]
    problems: tuple[ParseProblem, ...] = tuple(p for loss in losses for p in loss.problems)
    gaps = tuple(gap for loss in losses for gap in loss.gaps)
    return Loss(events=None, problems=problems, gaps=gaps)


class _Pile:
    """Events by what is asked of them for each death, so that many deaths cost no more than their events."""

    def __init__(self, events: list[Event]) -> None:
        self._about: dict[int, list[Event]] = {}
        self._acts: dict[object, list[SignalSent]] = {}
        self.refused = [e for e in events if isinstance(e, SignalRefused)]
        self.logins = [e for e in events if isinstance(e, LoginSeen)]
        for event in events:
            pid = _number(event)
            if pid is not None:
                self._about.setdefault(pid, []).append(event)
            if isinstance(event, SignalSent):
                self._acts.setdefault(event.call_id, []).append(event)

    def about(self, pid: int) -> list[Event]:
        """What happened to a number, in order."""
        return self._about.get(pid, [])

    def act(self, act: object) -> tuple[SignalSent, ...]:
        """The signals of one call."""
        return tuple(self._acts.get(act, ())) if act is not None else ()


def _number(event: Event) -> int | None:
    if isinstance(event, SignalSent):
        return event.target.pid
    if isinstance(event, OomVictimMarked):
        return event.victim.tgid
    if isinstance(event, OomKilled):
        return event.victim.pid
    return event.process.pid if isinstance(event, ProcessSeen | ProcessExited) else None


def _judged(events: _Pile, pid: int, machine: Host, loss: Loss) -> Iterator[Verdict]:
    own = events.about(pid)
    refused = [e for e in events.refused if e.pid == pid]
    tries: list[SignalSent | SignalRefused] = [e for e in own if isinstance(e, SignalSent)]
    tries.extend(events.refused)
    tries.sort(key=_time)
    for life in _lives(own):
        life.signals = [_with_login(s, events.logins) for s in life.signals]
        facts = _facts(life, pid)
        found = fatal_signal.find(facts)
        if found is None and not facts.exit and not facts.reports:
            # Stopped, let go on, or asked what it had a handler for: nothing says that it ended.
            continue
        last = life.last_ns or 0
        yield judge(
            Case(
                facts=facts,
                host=machine,
                loss=loss,
                watched=False,
                kept=True,
                caveat=life.caveat,
                same_call=events.act(found.signal.call_id if found else None),
                refused=tuple(r for r in refused if abs(r.time_ns - last) <= _AROUND_NS),
                around=tuple(tries),
            )
        )


# syslog's word for who opened the session, or which job it was, in which the sender's chain stands.
def _with_login(signal: SignalSent, logins: list[LoginSeen]) -> SignalSent:
    if signal.log.login is not None and signal.log.login.came_from:
        return signal
    found = [e for e in logins if _began(signal.log.chain, e)]
    return replace(signal, log=replace(signal.log, login=found[-1])) if found else signal


# A number alone may be another process's by now: what it started must have begun right behind the line.
def _began(chain: tuple[ProcessSeen, ...], login: LoginSeen) -> bool:
    at = next((i for i, s in enumerate(chain) if s.process.pid == login.process.pid), 0)
    started = [seen for seen in chain[:at] if seen.how is Sighting.EXEC]
    return bool(started) and 0 <= started[-1].time_ns - login.time_ns <= _BEGUN_NS


def _lives(events: list[Event]) -> list[_Life]:
    lives: list[_Life] = []
    started: list[ProcessSeen] = []
    for event in events:
        if isinstance(event, ProcessSeen):
            started.append(event)
            if lives:
                lives[-1].again = lives[-1].over
            continue
        if isinstance(event, SignalSent) and event.sig in sg.NOISE:
            continue
        if not lives or lives[-1].ended_before(event):
            doubt = _ZOMBIE if lives and lives[-1].may_linger else None
            lives.append(_Life(caveat=None if isinstance(event, ProcessExited) else doubt))
        life = lives[-1]
        life.seen.extend(started)
        started.clear()
        if isinstance(event, SignalSent):
            life.signals.append(event)
        elif isinstance(event, OomVictimMarked):
            life.ooms.append(event)
        elif isinstance(event, OomKilled):
            life.reports.append(event)
        elif isinstance(event, ProcessExited):
            life.exit = event
    return lives


def _facts(life: _Life, pid: int) -> Facts:
    process = life.exit.process if life.exit else Process(Key(pid, None), user="")
    for signal in reversed(life.signals):
        process = process.merged(signal.target)
    for seen in reversed(life.seen):
        process = process.merged(seen.process)
    for report in life.reports:
        process = process.merged(report.victim)
    return Facts(
        process, life.exit, tuple(life.signals), tuple(life.ooms), reports=tuple(life.reports)
    )

"""Which records are about one process: a PID is used again, and logs know PIDs alone.

Recorders give start times, so their records sort themselves. Log entries are split by what can't be
survived: after a SIGKILL, an OOM kill or an exit the PID belongs to another process, or to a zombie.
"""

from collections.abc import Iterable
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.attribution.case import Facts
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    OomKilled,
    OomVictimMarked,
    ProcessExited,
    ProcessSeen,
    SignalSent,
)
from killtrail.model.process import Key, Process

_DEAD_NS: Final = NS
"""A signal so long after a SIGKILL hits another process, or a zombie."""
ZOMBIE_NS: Final = 60 * NS
"""How long a zombie may keep its PID, where nothing shows that the PID was used again."""
PATIENCE_NS: Final = 900 * NS
"""Requests further apart than this are about different deaths."""
_SAME_NS: Final = NS
"""Log entries about one event have times no further apart: syslog's are whole seconds."""
_ZOMBIE: Final = "whether the PID had been reused (a zombie takes signals, too)"

Ending = SignalSent | ProcessExited | OomKilled
ENDINGS: Final = (SignalSent, ProcessExited, OomKilled)
"""Events that may be how a process exited."""


@dataclass(slots=True)
class Life:
    """One process as logs show it, from its first record to its last."""

    signals: list[SignalSent] = field(default_factory=list)
    ooms: list[OomVictimMarked] = field(default_factory=list)
    reports: list[OomKilled] = field(default_factory=list)
    exit: ProcessExited | None = None
    seen: list[ProcessSeen] = field(default_factory=list)
    second_hand: list[Event] = field(default_factory=list)
    """What another log says of the same events."""
    reused: bool = False
    """Whether its PID was seen to start a program after its exit."""
    caveat: str | None = None

    @property
    def over(self) -> bool:
        """Whether something recorded ended it for certain."""
        killed = any(s.sig == sg.SIGKILL or s.kernel.doomed for s in self.signals)
        return self.exit is not None or killed or bool(self.reports)

    @property
    def may_linger(self) -> bool:
        """Whether it may still be a zombie: a parent that reports its exit has reaped it."""
        reaped = self.exit is not None and self.exit.second_hand
        return self.over and not self.reused and not reaped

    @property
    def first_ns(self) -> int | None:
        """The time of its first record."""
        return min(self._times(), default=None)

    @property
    def last_ns(self) -> int | None:
        """The time of its exit, else of its last record."""
        if self.exit is not None:
            return self.exit.time_ns
        return max(self._times(), default=None)

    def _times(self) -> list[int]:
        events: list[Event] = [*self.signals, *self.ooms, *self.reports]
        return [e.time_ns for e in (*events, *([self.exit] if self.exit else []))]

    def ended_before(self, event: Event) -> bool:
        """Whether it was over when this happened."""
        if self.exit is not None:
            if isinstance(event, ProcessExited):
                return event.time_ns - self.exit.time_ns > _DEAD_NS
            # Signals that come right after its exit hit a zombie.
            return self.reused or event.time_ns - self.exit.time_ns > ZOMBIE_NS
        last = self.last_ns
        if last is None:
            return False
        killed = [s.time_ns for s in self.signals if s.sig == sg.SIGKILL or s.kernel.doomed]
        killed += [r.time_ns for r in self.reports]
        if killed and event.time_ns - killed[0] > _DEAD_NS:
            return True
        return event.time_ns - last > PATIENCE_NS

    def add(self, event: Event) -> None:
        """Takes one event of this process."""
        if self._known(event):
            self.second_hand.append(event)
        elif isinstance(event, SignalSent):
            self.signals.append(event)
        elif isinstance(event, OomVictimMarked):
            self.ooms.append(event)
        elif isinstance(event, OomKilled):
            self.reports.append(event)
        elif isinstance(event, ProcessExited):
            self.exit = event

    def _known(self, event: Event) -> bool:
        own: tuple[Event, ...] = (*self.signals, *self.reports)
        return any(same_event(one, event) for one in (*own, *([self.exit] if self.exit else [])))

    def facts(self, pid: int) -> Facts:
        """What is known of it, for the rules."""
        process = self.exit.process if self.exit else Process(Key(pid, None), user="")
        for signal in reversed(self.signals):
            process = process.merged(signal.target)
        for seen in reversed(self.seen):
            process = process.merged(seen.process)
        for report in self.reports:
            process = process.merged(report.victim)
        return Facts(
            process, self.exit, tuple(self.signals), tuple(self.ooms), reports=tuple(self.reports)
        )


def same_event(one: Event, other: Event) -> bool:
    """Whether two log entries are about one event: one signal of one sender, one OOM kill, one exit."""
    if one.origin.source == other.origin.source or abs(one.time_ns - other.time_ns) > _SAME_NS:
        return False
    if isinstance(one, SignalSent) and isinstance(other, SignalSent):
        return (one.sig, one.target.pid, one.current.pid) == (
            other.sig,
            other.target.pid,
            other.current.pid,
        )
    if isinstance(one, OomKilled) and isinstance(other, OomKilled):
        return one.victim.pid == other.victim.pid
    if isinstance(one, ProcessExited) and isinstance(other, ProcessExited):
        return one.process.pid == other.process.pid
    return False


def split(events: Iterable[Event]) -> list[Life]:
    """The processes that had one PID, by log entries in time order."""
    lives: list[Life] = []
    started: list[ProcessSeen] = []
    for event in events:
        if isinstance(event, ProcessSeen):
            started.append(event)
            if lives:
                lives[-1].reused = lives[-1].over
            continue
        if isinstance(event, SignalSent) and event.sig in sg.NOISE:
            continue
        if not lives or lives[-1].ended_before(event):
            doubt = _ZOMBIE if lives and lives[-1].may_linger else None
            lives.append(Life(caveat=None if isinstance(event, ProcessExited) else doubt))
        life = lives[-1]
        life.seen.extend(started)
        started.clear()
        life.add(event)
    return lives


def victim_of(event: Ending) -> Process:
    """The process whose exit an event bears on."""
    if isinstance(event, OomKilled):
        return event.victim
    return event.target if isinstance(event, SignalSent) else event.process


def named_by(event: Ending) -> tuple[int, str | None]:
    """How a log distinguishes processes: by PID, and main processes of units, without one, by unit."""
    process = victim_of(event)
    return (process.pid, process.comm if process.pid == 0 else None)

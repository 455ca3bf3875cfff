"""One question to a source: what it is about, when, and how much of it is wanted."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.events import (
    Event,
    HostEvent,
    OomKilled,
    OomVictimMarked,
    ProcessExited,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.target import Target


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time on the clock of whom it is given to (ns); None = open on that side."""

    since_ns: int | None = None
    until_ns: int | None = None

    def covers(self, time_ns: int | None) -> bool:
        """Whether a moment lies in it; an unknown one may."""
        if time_ns is None:
            return True
        after = self.since_ns is None or time_ns >= self.since_ns
        return after and (self.until_ns is None or time_ns <= self.until_ns)

    def shifted(self, by_ns: int) -> "Window":
        """The same span on a clock that is `by_ns` ahead of this one."""
        if not by_ns:
            return self
        return Window(
            None if self.since_ns is None else self.since_ns + by_ns,
            None if self.until_ns is None else self.until_ns + by_ns,
        )

    def within(self, other: "Window") -> "Window":
        """What both spans cover."""
        since = [x for x in (self.since_ns, other.since_ns) if x is not None]
        until = [x for x in (self.until_ns, other.until_ns) if x is not None]
        return Window(max(since, default=None), min(until, default=None))

    @property
    def empty(self) -> bool:
        """Whether no moment lies in it."""
        return (
            self.since_ns is not None
            and self.until_ns is not None
            and self.since_ns > self.until_ns
        )


ALWAYS: Final = Window()


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted of a source; None = no restriction.

    A source may give more than was asked for where sorting it out would cost as much as reading it;
    `wants` and `window` are kept to strictly. Whoever needs one answer stops reading after it.
    """

    kinds: tuple[type[Event], ...] | None = None
    """Classes of events; None = all that bear on how processes exit."""
    pid: int | None = None
    """Events about this PID: signals for it, its exit, its threads."""
    target: Target | None = None
    """Events whose victim this target names."""
    key: Key | None = None
    """Events about this very process."""
    sender: Key | None = None
    """Signals for which this process was running."""
    parent: int | None = None
    """Exits of children of this PID."""
    pipe: int | None = None
    """Exits of processes that had this pipe as standard input."""
    window: Window = ALWAYS
    ordinary: bool = True
    """Whether exits without a signal and without a request count."""
    newest: int | None = None
    """How many deaths are wanted, the newest; a hint to read no further."""
    reach: int | None = None
    """How far from the end of the window a file is read, in bytes: for what is only a help."""
    launchers: bool = True
    """Whether launch chains are wanted: they may cost a walk through the whole evidence."""

    def wants(self, *kinds: type[Event]) -> bool:
        """Whether any of these classes is asked for."""
        return self.kinds is None or any(kind in self.kinds for kind in kinds)

    def names(self, process: Process) -> bool:
        """Whether the target, if there is one, names this process."""
        return self.target is None or self.target.matches(process)

    def relates(self, end: ProcessExited) -> bool:
        """Whether an exit has the parent and the pipe asked for."""
        if self.parent is not None and (end.parent is None or end.parent.pid != self.parent):
            return False
        return self.pipe is None or self.pipe in (end.stdin_pipe, end.exec_pipe)


def key_of(event: Event) -> Key | None:
    """The process that an event is about: who got the signal, who exited; None for a host's events."""
    if isinstance(event, SignalSent):
        return event.target.key
    if isinstance(event, OomVictimMarked):
        return event.victim
    if isinstance(event, OomKilled):
        return event.victim.key
    if isinstance(event, SignalRefused | HostEvent):
        return None
    return event.process.key

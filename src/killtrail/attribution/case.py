"""All evidence about one death, as input of the rules."""

from collections.abc import Mapping

from killtrail._slotted import dataclass, field, replace
from killtrail.model.events import (
    Loss,
    Note,
    OomKilled,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.verdict import Host


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sources recorded about one process: its exit and the signals it got, in time order."""

    process: Process
    exit: ProcessExited | None = None
    signals: tuple[SignalSent, ...] = ()
    ooms: tuple[OomVictimMarked, ...] = ()
    children: tuple[ProcessExited, ...] = ()
    """Its children that a signal had killed right before."""
    reports: tuple[OomKilled, ...] = ()
    """Kernel log entries about an OOM kill of it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One death, the deaths that may have caused it, and records of exited parents.

    `watched`: recording was on, and nothing lost, from before the first signal until the exit.
    """

    facts: Facts
    host: Host
    loss: Loss
    related: Mapping[Key, Facts] = field(default_factory=dict)
    wills: Mapping[Key, OrphanedBy] = field(default_factory=dict)
    armed_ns: int | None = None
    watched: bool = True
    kept: bool = False
    """Made from files alone, which may be incomplete."""
    caveat: str | None = None
    """Why this may not be a separate death, if so: certainty is *possible* then."""
    same_call: tuple[SignalSent, ...] = ()
    """Fatal signals of the same act, including the one to this victim, in time order."""
    notes: tuple[Note, ...] = ()
    """Earlier acts that reach a victim only through the kernel or a service manager."""
    reader: ProcessExited | None = None
    """The last reader of the pipe that it wrote to."""
    refused: tuple[SignalRefused, ...] = ()
    """Signals to its PID that reached no process, around its exit."""
    around: tuple[SignalSent | SignalRefused, ...] = ()
    """All signals to its PID, for every process that had it, in time order: they show patterns."""

    def for_related(self, key: Key) -> "Case | None":
        """The case of another death that this one depends on; None if it is not known."""
        facts = self.related.get(key)
        if facts is None:
            return None
        related = {k: v for k, v in self.related.items() if k != key}
        return replace(self, facts=facts, related=related, same_call=(), reader=None)

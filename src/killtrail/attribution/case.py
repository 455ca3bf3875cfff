"""All evidence about one death, as input of the rules."""

from collections.abc import Mapping

from killtrail._slotted import dataclass, field, replace
from killtrail.model.coverage import Coverage
from killtrail.model.events import (
    Event,
    Note,
    OomKilled,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.trust import Distrust
from killtrail.model.verdict import Host


@dataclass(frozen=True, slots=True)
class Facts:
    """What is recorded of one process: how it exited and the signals it got, in time order."""

    process: Process
    exit: ProcessExited | None = None
    signals: tuple[SignalSent, ...] = ()
    ooms: tuple[OomVictimMarked, ...] = ()
    children: tuple[ProcessExited, ...] = ()
    """Its own children that a signal had killed right before."""
    reports: tuple[OomKilled, ...] = ()
    """Kernel log entries about an OOM kill of it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One death, the deaths it may hang on, and all that other sources say of it.

    `watched`: a recorder was complete from before its first signal until its exit.
    """

    facts: Facts
    host: Host
    coverage: Coverage
    related: Mapping[Key, Facts] = field(default_factory=dict)
    orphaned_by: Mapping[Key, OrphanedBy] = field(default_factory=dict)
    """Parents that exited before their children, by their keys."""
    watched: bool = True
    kept: bool = False
    """All evidence of it comes from files: no recorder saw it."""
    caveat: str | None = None
    """Why this may be no death of its own: certainty is *possible* then."""
    same_call: tuple[SignalSent, ...] = ()
    """Fatal signals of the same act, the one to this victim included, in time order."""
    notes: tuple[Note, ...] = ()
    """Earlier acts that reach a victim only through the kernel or a service manager."""
    reader: ProcessExited | None = None
    """The last reader of the pipe that it wrote to."""
    refused: tuple[SignalRefused, ...] = ()
    """Signals for its PID that reached no process, around its exit."""
    all_signals: tuple[SignalSent | SignalRefused, ...] = ()
    """All signals for its PID, whichever process had it, in time order: patterns show in them."""
    second_hand: tuple[Event, ...] = ()
    """What logs say of the same death, beside the recorder that saw it."""
    distrust: tuple[Distrust, ...] = ()
    """What `trust` found against this host's own word."""

    def for_related(self, key: Key) -> "Case | None":
        """The case of another death that this one depends on; None if it is not known."""
        facts = self.related.get(key)
        if facts is None:
            return None
        related = {k: v for k, v in self.related.items() if k != key}
        return replace(self, facts=facts, related=related, same_call=(), reader=None)

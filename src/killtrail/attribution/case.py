"""Everything known about one death, as the rules get it."""

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
    """What the kernel's log says of an OOM kill of it."""


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
    """What people did before that reaches a victim only through the kernel or a manager."""
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
        """The same case seen from another death it hangs on; None where that one is not known."""
        facts = self.related.get(key)
        if facts is None:
            return None
        related = {k: v for k, v in self.related.items() if k != key}
        return replace(self, facts=facts, related=related, same_call=(), reader=None)

"""Everything known about one death, as the rules get it."""

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
    """What the sources hold about one life: how it ended and the signals it got, in time order."""

    process: Process
    exit: ProcessExited | None = None
    signals: tuple[SignalSent, ...] = ()
    ooms: tuple[OomVictimMarked, ...] = ()
    children: tuple[ProcessExited, ...] = ()
    """Children of its own that a signal had ended right before."""
    reports: tuple[OomKilled, ...] = ()
    """What the kernel's log says of an OOM kill of it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One death, the deaths it may hang on, and the wills of dead parents.

    `watched` says that recording was on, and nothing lost, from before the first signal until the end.
    """

    facts: Facts
    host: Host
    loss: Loss
    related: Mapping[Key, Facts] = field(default_factory=dict)
    wills: Mapping[Key, OrphanedBy] = field(default_factory=dict)
    armed_ns: int | None = None
    watched: bool = True
    kept: bool = False
    """Made from files alone, whatever they happen to hold."""
    caveat: str | None = None
    """Why this may be no death of its own, where that is so: certainty is *possible* then."""
    same_call: tuple[SignalSent, ...] = ()
    """Deadly sends of the same act, the one to this victim included, in time order."""
    notes: tuple[Note, ...] = ()
    """What people did before that reaches a victim only through the kernel or a manager."""
    reader: ProcessExited | None = None
    """The last reader of the pipe that it wrote to."""
    refused: tuple[SignalRefused, ...] = ()
    """Signals for its number that reached nobody, around its end."""
    around: tuple[SignalSent | SignalRefused, ...] = ()
    """All signals for its number, whichever life it was, in time order: patterns show in them."""

    def for_related(self, key: Key) -> "Case | None":
        """The same case seen from another death it hangs on; None where that one is not known."""
        facts = self.related.get(key)
        if facts is None:
            return None
        related = {k: v for k, v in self.related.items() if k != key}
        return replace(self, facts=facts, related=related, same_call=(), reader=None)

"""What is asked, and what comes back."""

from killtrail._slotted import dataclass
from killtrail.model.coverage import Coverage
from killtrail.model.query import ALWAYS, Window
from killtrail.model.shared import Shared
from killtrail.model.target import Target
from killtrail.model.verdict import Verdict

LOOKED_AT: int = 20
"""So many of the newest deaths are explained where a question does not say how many."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which deaths, of which evidence; times are of the wall clock (ns since the epoch)."""

    targets: tuple[Target, ...] = ()
    """Empty: all deaths."""
    window: Window = ALWAYS
    newest: int | None = None
    everything: bool = False
    """All deaths in the window, however many."""
    boot: str | None = None
    """As in journalctl: an id, 0, -1, -2, ..."""
    node: str | None = None
    """Only this host, of evidence that names several."""
    ordinary: bool = False
    """Exits without a signal and without a request, too."""
    evidence: tuple[str, ...] = ()
    """Files and folders to ask instead of this host."""
    each: bool = True
    """Every victim of an act; else one for each act."""

    @property
    def most(self) -> int | None:
        """How many deaths are looked at."""
        return self.newest if self.newest or self.everything else LOOKED_AT


@dataclass(frozen=True, slots=True)
class Answer:
    """Verdicts, oldest first, and what they rest on."""

    verdicts: tuple[Verdict, ...]
    shared: Shared | None = None
    consulted: tuple[str, ...] = ()
    """Sources that were asked."""
    unusable: tuple[str, ...] = ()
    """Sources that could not be asked, with reasons."""
    remedy: str | None = None
    """A command that would make one of them usable."""
    coverage: Coverage = Coverage()
    covered: tuple[str, ...] = ()
    """Since when each recorder is complete, in words."""
    near: tuple[str, ...] = ()
    """Where no death was found: names that are like the one asked for."""
    more: bool = False
    """Whether there may be older deaths that were not looked at."""

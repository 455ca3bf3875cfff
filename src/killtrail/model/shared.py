"""What several deaths of one answer have in common."""

from killtrail._slotted import dataclass
from killtrail.model.certainty import Certainty
from killtrail.model.verdict import Pattern


@dataclass(frozen=True, slots=True)
class Shared:
    """Times are of the wall clock (ns since the epoch); None = not the same for all, or not known."""

    deaths: int
    first_ns: int | None = None
    last_ns: int | None = None
    sender: str | None = None
    """The program that sent the fatal signal each time."""
    certainty: Certainty = Certainty.NOT_ESTABLISHED
    """That of the weakest of these sends."""
    signal: int | None = None
    patterns: tuple[Pattern, ...] = ()

"""What narrows a question."""

from killtrail._slotted import dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """What narrows a question; times on the boot clock."""

    since_ns: int | None = None
    until_ns: int | None = None
    most: int | None = None

    def covers(self, time_ns: int | None) -> bool:
        """Whether a moment is in the window; an unknown moment may be."""
        if time_ns is None:
            return True
        after = self.since_ns is None or time_ns >= self.since_ns
        return after and (self.until_ns is None or time_ns <= self.until_ns)

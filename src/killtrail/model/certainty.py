"""How sure a statement is."""

from enum import IntEnum


class Certainty(IntEnum):
    """Ordered, so that the weaker of two is `min(a, b)`.

    `ESTABLISHED` needs the join of exit truth, effective signal and the system call in flight;
    testimony alone (siginfo, flags set by a runtime, a supervisor's guess) is at most `LIKELY`.
    """

    NOT_ESTABLISHED = 0
    POSSIBLE = 1
    LIKELY = 2
    ESTABLISHED = 3

    @property
    def label(self) -> str:
        """The word used in every output."""
        return self.name.lower().replace("_", "-")

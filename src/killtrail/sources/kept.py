"""Questions to kept evidence: files that a host has written, here or copied from it."""

from collections.abc import Iterable
from typing import Protocol

from killtrail._slotted import dataclass
from killtrail.model.events import Event, Loss
from killtrail.model.verdict import Host


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to kept evidence; None = no restriction. Times on the evidence's own clock, ns."""

    pid: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    launchers: bool = True
    """Whether launch chains are wanted: they may cost a walk through the whole evidence."""

    def within(self, time_ns: int) -> bool:
        """Whether a moment is in the requested window."""
        after = self.since_ns is None or time_ns >= self.since_ns
        return after and (self.until_ns is None or time_ns <= self.until_ns)


class Kept(Protocol):
    """Evidence from one set of files that belong together, of one host and one clock."""

    @property
    def id(self) -> str:
        """Which kind of evidence it is."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The files that hold it."""
        ...

    @property
    def newest_first(self) -> bool:
        """Whether it starts with the newest events if it is asked for all."""
        ...

    @property
    def host(self) -> Host:
        """The machine and the clock it speaks of."""
        ...

    def events(self, asked: Asked) -> Iterable[Event]:
        """Events that may concern the exits of this PID (of all processes, without one)."""
        ...

    def loss(self) -> Loss:
        """What could not be read, and what its writer said was lost."""
        ...

    def close(self) -> None:
        """Closes files."""
        ...

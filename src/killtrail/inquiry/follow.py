"""Following the recorder: what is new since the last look."""

from typing import TYPE_CHECKING

from killtrail._slotted import dataclass
from killtrail.attribution.engine import judge
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.errors import UnavailableError
from killtrail.host import boot
from killtrail.inquiry import recorded
from killtrail.inquiry.merged import Merged
from killtrail.model.events import ProcessExited, SignalSent
from killtrail.model.verdict import Verdict
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.pins import Pins
from killtrail.recorder.private_recorder import PrivateRecorder
from killtrail.recorder.rings import Slot
from killtrail.sources import bpf
from killtrail.sources.bpf import BpfSource

if TYPE_CHECKING:
    from killtrail.model.clock import Boot
    from killtrail.model.process import Process

_ACTORS = frozenset({Actor.SENDER, Actor.SELF, Actor.TRIGGER})


@dataclass(frozen=True, slots=True)
class FollowedSignal:
    """A signal explained: `sender` is None where the kernel sent it, whatever task was running."""

    signal: SignalSent
    sender: "Process | None"
    mechanism: str | None


class DeathFollower:
    """New deaths in the armed recorder. Raises `UnavailableError` where none is armed or readable."""

    def __init__(self, *, ordinary: bool) -> None:
        usable = bpf.probe()
        if not usable.usable:
            raise UnavailableError(f"can't follow deaths: {usable.says}", usable.remedy)
        self._rings = (L.DEATHS, L.VICTIMS, *((L.EXITS,) if ordinary else ()))
        self._source = BpfSource(Pins())
        self._next = {r.name: self._source.box.state(r).written for r in self._rings}

    def new(self) -> list[Verdict]:
        """Verdicts on the deaths since the last call, oldest first."""
        slots = [s for ring in self._rings for s in self._fresh(ring)]
        if not slots:
            return []
        self._source.forget()
        merged = Merged(self._source.host, [self._source])
        slots.sort(key=lambda s: s.time_ns)
        ends = (self._source.event(s) for s in slots)
        return [
            judge(recorded.case_of(merged, end.process.key, end))
            for end in ends
            if isinstance(end, ProcessExited)
        ]

    def _fresh(self, ring: L.Ring) -> list[Slot]:
        if self._source.box.state(ring).written == self._next[ring.name]:
            return []
        slots = list(self._source.box.slots(ring, self._next[ring.name]))
        if slots:
            self._next[ring.name] = slots[-1].seq + 1
        return slots


class SignalFollower:
    """Every signal from now on, ignored ones too, from a private copy of the recorder.

    The armed box keeps only what can end, stop or ask a process; floods of handled signals would
    wipe it. The copy lives as long as this object. Raises `UnavailableError`.
    """

    def __init__(self) -> None:
        self._box = PrivateRecorder({"cfg_all": 1})
        self.boot: Boot = boot.this_boot()
        self.lost = 0

    def new(self) -> list[FollowedSignal]:
        """The signals since the last call, in kernel time order."""
        events = [e for e in self._box.new(L.KILLS) if isinstance(e, SignalSent)]
        return [explained(e) for e in sorted(events, key=lambda e: e.time_ns)]

    def close(self) -> None:
        """Unloads the copy."""
        self._box.close()


def explained(signal: SignalSent) -> FollowedSignal:
    """The signal with its sender and how it was generated."""
    how = explain(signal)
    sender = signal.current if how.actor in _ACTORS else None
    return FollowedSignal(signal, sender, how.mechanism.value if how.mechanism else None)

"""Moves records from the ring buffers into history: each once, in one transaction a turn.

The read position of each ring is stored in the same transaction, so that after kill -9 the next
drain continues there: nothing acknowledged is lost, nothing is read twice.
"""

import contextlib
import gc
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass, field
from killtrail.host import boot
from killtrail.model.events import Recorded
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.history.writer import Progress, WritableHistory
from killtrail.recorder.rings import RingBuffers, Slot

if TYPE_CHECKING:
    from killtrail.recorder.decode import Decoder

_BATCH: Final = 2048
_TURN: Final = 2
"""Batches in one turn, as many as the rings hold: under a storm there is always one more, and events
are kept until the turn ends."""


@dataclass(slots=True)
class Seen:
    """Next sequence number per ring, for one arming."""

    armed_ns: int
    next: dict[str, int] = field(default_factory=dict)

    def to_text(self) -> str:
        """As stored."""
        return json.dumps({"armed_ns": self.armed_ns, "next": self.next})


def seen_from(text: str, armed_ns: int) -> Seen:
    """As stored, if it belongs to this arming; else from the start (a new recorder counts from 0)."""
    try:
        data = json.loads(text)
        if data.get("armed_ns") == armed_ns:
            numbers = {str(k): int(v) for k, v in data["next"].items()}
            return Seen(armed_ns, numbers)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return Seen(armed_ns)


class Drain:
    """Drains one recorder into one history file."""

    def __init__(self, box: RingBuffers, history: WritableHistory) -> None:
        self._box, self._history = box, history
        self._host = boot.this_host()
        self._decoder: Decoder = box.decoder()
        self._row = history.begin_boot(self._host, box.meta.armed_ns)
        stored = next(b for b in history.boots() if b.row == self._row)
        self.seen: Seen = seen_from(stored.seen, box.meta.armed_ns)
        self.more: bool = False
        self.lost: int = 0
        self.problems: int = 0

    def turn(self) -> list[Recorded]:
        """Drains what waits, so much at most; gives the events that are now on disk.

        `more` says whether it stopped before there was nothing left.
        """
        taken: list[Recorded] = []
        for _ in range(_TURN):
            with _uncollected():
                batch = self._take()
            if not batch:
                self.more = False
                return taken
            taken.extend(batch)
        self.more = True
        return taken

    def _take(self) -> list[Recorded]:
        slots: list[Slot] = []
        lost, complete = 0, 0
        ahead = dict(self.seen.next)
        for state in self._box.states():
            ring, start = state.ring, ahead.get(state.ring.name, 0)
            got = list(self._new(ring, start, state.written))
            gap, end = _account(start, got, state.written, ring)
            slots.extend(got)
            ahead[ring.name] = end
            if gap and ring in L.DECISIVE:
                lost += gap
                complete = max(complete, boot.now_ns())
        if not slots and not lost and ahead == self.seen.next:
            return []
        events = self._decoded(slots)
        step = Seen(self.seen.armed_ns, ahead)
        progress = Progress(lost, complete, step.to_text(), step.armed_ns)
        self._history.add(self._row, self._host, events, progress)
        self.seen = step
        self.lost += lost
        return events

    def _new(self, ring: L.Ring, start: int, written: int) -> list[Slot]:
        first = max(start, written - ring.slots)
        until = min(written, first + _BATCH)
        return [s for s in self._box.slots(ring, first) if s.seq < until]

    def _decoded(self, slots: list[Slot]) -> list[Recorded]:
        events = []
        for slot in slots:
            try:
                event = self._decoder.decode(slot.record, slot.where, truncated=slot.truncated)
                events.append(event)
            except ValueError:
                self.problems += 1
        return events


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic collector: thousands of events come into being here, and none has a cycle."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _account(start: int, got: list[Slot], written: int, ring: L.Ring) -> tuple[int, int]:
    """(records missing, next sequence number) of one reading.

    A slot that is being written is read next time; a slot that was overwritten between reading the
    head and the slot is lost.
    """
    first = max(start, written - ring.slots)
    until = min(written, first + _BATCH)
    if until <= first:
        return 0, start
    if until == written:
        until = got[-1].seq + 1 if got else first
    return (until - start) - len(got), until

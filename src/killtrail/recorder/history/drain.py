"""Moves records from the box into history: each once, in one transaction a turn.

How far each ring was read is stored in the same transaction, so that after kill -9 the next one
goes on right there: nothing acknowledged is lost, nothing is taken twice.
"""

import json
from typing import TYPE_CHECKING

from killtrail._slotted import dataclass, field
from killtrail.host import boot
from killtrail.model.events import Recorded
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.history.store import History
from killtrail.recorder.rings import RingBuffers, Slot

if TYPE_CHECKING:
    from killtrail.recorder.decode import Decoder

_BATCH = 2048
_MATTER = (L.KILLS, L.DEATHS, L.VICTIMS, L.ASKS)
"""Rings without which a sender or an end can be missing."""


@dataclass(slots=True)
class Progress:
    """Next sequence number per ring, for one arming."""

    armed_ns: int
    next: dict[str, int] = field(default_factory=dict)

    def to_text(self) -> str:
        """As stored."""
        return json.dumps({"armed_ns": self.armed_ns, "next": self.next})


def progress_from(text: str, armed_ns: int) -> Progress:
    """As stored, if it is of this arming; else from the start (a new box counts from 0 again)."""
    try:
        data = json.loads(text)
        if data.get("armed_ns") == armed_ns:
            numbers = {str(k): int(v) for k, v in data["next"].items()}
            return Progress(armed_ns, numbers)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return Progress(armed_ns)


class Drain:
    """One box, one history file."""

    def __init__(self, box: RingBuffers, history: History) -> None:
        self._box, self._history = box, history
        self._host = boot.this_host()
        self._decoder: Decoder = box.decoder()
        self._row = history.begin_boot(self._host, box.meta.armed_ns)
        stored = next(b for b in history.boots() if b.row == self._row)
        self.progress: Progress = progress_from(stored.seen, box.meta.armed_ns)
        self.lost: int = 0
        self.problems: int = 0

    def turn(self) -> list[Recorded]:
        """Drains all that waits; gives the events that are now on disk."""
        taken: list[Recorded] = []
        while batch := self._take():
            taken.extend(batch)
        return taken

    def _take(self) -> list[Recorded]:
        slots: list[Slot] = []
        lost, complete = 0, 0
        ahead = dict(self.progress.next)
        for state in self._box.states():
            ring, start = state.ring, ahead.get(state.ring.name, 0)
            got = list(self._new(ring, start, state.written))
            gap, end = _account(start, got, state.written, ring)
            slots.extend(got)
            ahead[ring.name] = end
            if gap and ring in _MATTER:
                lost += gap
                complete = max(complete, boot.now_ns())
        if not slots and not lost and ahead == self.progress.next:
            return []
        events = self._decoded(slots)
        step = Progress(self.progress.armed_ns, ahead)
        self._history.add(
            self._row, self._host, events, lost=lost, complete_ns=complete, seen=step.to_text()
        )
        self.progress = step
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


def _account(start: int, got: list[Slot], written: int, ring: L.Ring) -> tuple[int, int]:
    """(records missing, next sequence number) of one reading.

    A slot that is being written right now is read next time; one that a later lap has taken
    between reading the head and the slot is gone.
    """
    first = max(start, written - ring.slots)
    until = min(written, first + _BATCH)
    if until <= first:
        return 0, start
    if until == written:
        until = got[-1].seq + 1 if got else first
    return (until - start) - len(got), until

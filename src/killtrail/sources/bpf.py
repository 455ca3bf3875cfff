"""The armed BPF box. Slots are indexed by their fixed offsets; only what is asked gets decoded."""

import contextlib
import struct
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from killtrail.host import boot
from killtrail.model import signals as sg
from killtrail.model.events import (
    ImageReplaced,
    KernelLine,
    LimitSet,
    Loss,
    ManagerAsked,
    Note,
    OomVictimMarked,
    OrphanedBy,
    ParseProblem,
    ProcessExited,
    Recorded,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.pins import Pins
from killtrail.recorder.rings import RingBuffers, Slot
from killtrail.sources.base import Wanted
from killtrail.sources.shared_sender import completed

if TYPE_CHECKING:
    from killtrail.model.verdict import Host

_TGID_IN_WHO: Final = 16
_SIGNAL_TGID: Final = L.SIGNAL_TARGET + _TGID_IN_WHO
_SENDER_TGID: Final = L.SIGNAL_SENDER + _TGID_IN_WHO
_EXIT_TGID: Final = L.EXIT_WHO + _TGID_IN_WHO
_SIGNAL_RINGS: Final = (L.KILLS, L.REQUESTS, L.VICTIMS, L.EXITS)
_PARENT_TGID: Final = L.EXIT_PARENT + 8
_ORPHANED_KEY: Final = L.PROCESS_WHO
_PROBLEMS_KEPT: Final = 100
_E = TypeVar("_E", bound=Recorded)


class BpfSource:
    """Reads the box when first asked and answers from that one reading."""

    id = "bpf"

    def __init__(self, pins: Pins | None = None) -> None:
        self.box = RingBuffers(pins or Pins())
        self._decoder = self.box.decoder()
        self._problems: list[ParseProblem] = []
        self._read: dict[str, list[Slot]] = {}
        self.host: Host = boot.this_host()

    @property
    def armed_ns(self) -> int | None:
        """Since when every orphan's creator is known: arming, unless too many came since.

        The map of creators forgets its oldest entries when it is full. An orphan whose creator is
        forgotten looks like a child of its reaper, so only the time of the wills still there counts.
        """
        armed = self.box.meta.armed_ns
        if self._orphans <= L.CREATORS_KEPT:
            return armed
        oldest = self.box.oldest(L.ORPHANED)
        return max(armed, oldest.time_ns) if oldest else armed

    @cached_property
    def _orphans(self) -> int:
        return self.box.stats()["orphans"]

    @cached_property
    def _signals(self) -> dict[int, list[Slot]]:
        return self._by_number(_SIGNAL_RINGS, L.REC_SIGNAL, _SIGNAL_TGID)

    @cached_property
    def _sends(self) -> dict[int, list[Slot]]:
        return self._by_number(_SIGNAL_RINGS, L.REC_SIGNAL, _SENDER_TGID)

    @cached_property
    def _threads(self) -> dict[int, list[Slot]]:
        found = self._by_number((L.DEATHS,), L.REC_THREAD, L.THREAD_WHO + _TGID_IN_WHO)
        by_tid = self._by_number((L.DEATHS,), L.REC_THREAD, L.THREAD_WHO + _TGID_IN_WHO + 4)
        replaced = self._by_number((L.EXITS,), L.REC_REPLACED, L.REPLACED_WHO + _TGID_IN_WHO)
        by_old = self._by_number((L.EXITS,), L.REC_REPLACED, 16)
        for more in (by_tid, replaced, by_old):
            for number, slots in more.items():
                found.setdefault(number, []).extend(slots)
        return found

    @cached_property
    def _places(self) -> dict[str, Slot]:
        return {s.where: s for ring in (L.KILLS, L.REQUESTS) for s in self._slots(ring)}

    @cached_property
    def _exits(self) -> dict[int, list[Slot]]:
        return self._by_number((L.DEATHS, L.EXITS, L.VICTIMS), L.REC_DEATH, _EXIT_TGID)

    @cached_property
    def _ooms(self) -> dict[int, list[Slot]]:
        return self._by_number((L.DEATHS,), L.REC_OOM, 16)

    @cached_property
    def _wills(self) -> dict[Key, Slot]:
        found: dict[Key, Slot] = {}
        for slot in self._slots(L.ORPHANED):
            if len(slot.record) >= L.PROCESS_LENGTHS:
                start, _, tgid = struct.unpack_from("<QQI", slot.record, _ORPHANED_KEY)
                found[Key(tgid, start)] = slot
        return found

    # Several indexes ask for the same rings; reading them is most of the work.
    def _slots(self, ring: L.Ring) -> list[Slot]:
        found = self._read.get(ring.name)
        if found is None:
            found = self._read[ring.name] = list(self.box.slots(ring))
        return found

    def _by_number(self, rings: tuple[L.Ring, ...], kind: int, at: int) -> dict[int, list[Slot]]:
        found: defaultdict[int, list[Slot]] = defaultdict(list)
        for ring in rings:
            for slot in self._slots(ring):
                record = slot.record
                if len(record) >= at + 4 and record[0] == kind:
                    found[int.from_bytes(record[at : at + 4], "little")].append(slot)
        for slots in found.values():
            slots.sort(key=lambda s: s.time_ns)
        return found

    def exits(self, wanted: Wanted) -> Iterator[ProcessExited]:
        """Ends of processes, oldest first."""
        if wanted.pid is not None:
            slots = self._exits.get(wanted.pid, [])
        else:
            slots = sorted(
                (s for many in self._exits.values() for s in many), key=lambda s: s.time_ns
            )
        slots = [s for s in slots if wanted.within(s.time_ns) and _asked_for(s, wanted)]
        for event in self._decoded(slots[-wanted.most :] if wanted.most else slots, ProcessExited):
            if wanted.relates(event):
                yield event

    def signals(self, pid: int | None) -> Iterator[SignalSent]:
        """Signals sent to a process number, oldest first."""
        if pid is not None:
            slots = self._signals.get(pid, [])
        else:
            slots = sorted(
                (s for many in self._signals.values() for s in many), key=lambda s: s.time_ns
            )
        yield from self._decoded(slots, SignalSent)

    def ooms(self, pid: int) -> Iterator[OomVictimMarked]:
        """OOM marks on a process number."""
        yield from self._decoded(self._ooms.get(pid, []), OomVictimMarked)

    def sent_by(self, sender: Key, since_ns: int, until_ns: int) -> Iterator[SignalSent]:
        """Signals for which this process was `current`, in that time."""
        for slot in self._sends.get(sender.tgid, []):
            if since_ns <= slot.time_ns <= until_ns:
                with contextlib.suppress(ValueError):
                    event = self._decoder.outline(slot.record, slot.where)
                    if event.current.key.same_life(sender):
                        yield event

    def notes(self, since_ns: int, until_ns: int) -> Iterator[Note]:
        """Kernel lines, managers' clients and limits set for others of that time."""
        kinds = (L.REC_LINE, L.REC_CLIENT, L.REC_LIMIT_SET)
        for slot in (*self._slots(L.REQUESTS), *self._slots(L.LIMITS)):
            if slot.record[0] in kinds and since_ns <= slot.time_ns <= until_ns:
                event = self.event(slot)
                if isinstance(event, KernelLine | ManagerAsked | LimitSet):
                    yield event

    def threads(self, pid: int) -> Iterator[ThreadDied | ImageReplaced]:
        """Threads that ended while their process went on."""
        slots = {slot.where: slot for slot in self._threads.get(pid, [])}
        for slot in sorted(slots.values(), key=lambda s: s.time_ns):
            event = self.event(slot)
            if isinstance(event, ThreadDied | ImageReplaced):
                yield event

    def will(self, key: Key) -> OrphanedBy | None:
        """What a dead parent left."""
        slot = self._wills.get(key)
        event = self.event(slot) if slot else None
        return event if isinstance(event, OrphanedBy) else None

    def loss(self) -> Loss:
        """Overwritten and failed records of the rings that matter for senders."""
        return Loss(self._lost, self.complete_since(), tuple(self._problems))

    @cached_property
    def _lost(self) -> int:
        states = {s.ring.name: s for s in self.box.states()}
        overwritten = sum(states[ring.name].overwritten for ring in L.DECISIVE)
        stats = self.box.stats()
        missed = sum(misses for _, misses, _ in self._programs())
        return overwritten + stats["failed"] + missed

    def _programs(self) -> list[tuple[int, int, int]]:
        try:
            return list(self.box.pins.programs().values())
        except OSError:
            # A reader in group adm may open maps, not programs.
            return []

    def complete_since(self, sig: int | None = None) -> int:
        """From the oldest record of each ring that has wrapped, else from arming.

        What had been blocked when it was sent lies with the requests.
        """
        return self._requests_since if sig not in (None, 0, sg.SIGKILL) else self._complete_since

    @cached_property
    def _complete_since(self) -> int:
        return self._oldest_of(L.DECISIVE_OF_SIGKILL)

    @cached_property
    def _requests_since(self) -> int:
        return self._oldest_of(L.DECISIVE)

    def _oldest_of(self, rings: tuple[L.Ring, ...]) -> int:
        since = self.box.meta.armed_ns
        for state in self.box.states():
            if state.ring in rings and state.overwritten:
                oldest = self.box.oldest(state.ring)
                if oldest is not None:
                    since = max(since, oldest.time_ns)
        return since

    def forget(self) -> None:
        """Drops what was read, so that the next question reads the box anew."""
        self._read.clear()
        for name in (
            "_signals",
            "_sends",
            "_threads",
            "_places",
            "_exits",
            "_ooms",
            "_wills",
            "_lost",
            "_complete_since",
            "_requests_since",
            "_orphans",
        ):
            self.__dict__.pop(name, None)

    def close(self) -> None:
        """Closes the pins."""
        self.box.close()

    def event(self, slot: Slot) -> object:
        """The event in a slot; a problem is counted and gives None."""
        try:
            event = self._decoder.decode(slot.record, slot.where, truncated=slot.truncated)
        except ValueError as error:
            if len(self._problems) < _PROBLEMS_KEPT:
                self._problems.append(ParseProblem(self.id, slot.where, str(error)))
            return None
        if isinstance(event, SignalSent) and slot.ring is L.VICTIMS:
            return completed(event, self._first_of)
        return event

    def _first_of(self, place: str) -> SignalSent | None:
        slot = self._places.get(place)
        event = self.event(slot) if slot else None
        return event if isinstance(event, SignalSent) else None

    def _decoded(self, slots: list[Slot], kind: type[_E]) -> Iterator[_E]:
        for slot in slots:
            event = self.event(slot)
            if isinstance(event, kind):
                yield event


# On raw bytes: to decode thousands of ends for the one that is asked for takes too long.
def _asked_for(slot: Slot, wanted: Wanted) -> bool:
    record = slot.record
    if wanted.parent is not None and wanted.parent != _tgid_at(record, _PARENT_TGID):
        return False
    pipes = struct.unpack_from("<QQ", record, L.EXIT_STDIN_PIPE)
    if wanted.pipe is not None and wanted.pipe not in pipes:
        return False
    return wanted.ordinary or slot.ring is not L.EXITS


def _tgid_at(record: bytes, offset: int) -> int:
    return int.from_bytes(record[offset : offset + 4], "little") & ~L.ANCESTOR_REAPER

"""The armed BPF recorder: slots are indexed by fixed offsets, only requested ones are decoded."""

import contextlib
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

from killtrail.errors import UnavailableError
from killtrail.host import boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import (
    Event,
    ImageReplaced,
    KernelLine,
    LimitSet,
    ManagerAsked,
    OomVictimMarked,
    OrphanedBy,
    ParseProblem,
    ProcessExited,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Key
from killtrail.model.query import Query, key_of
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.pins import Pins
from killtrail.recorder.rings import RingBuffers, Slot
from killtrail.sources.base import Descriptor, Usable
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


class BpfSource:
    """Reads the ring buffers at the first question and answers all from that reading."""

    id = "bpf"
    exact = True
    names: tuple[str, ...] = ()

    def __init__(self, pins: Pins | None = None) -> None:
        self.box: RingBuffers = RingBuffers(pins or Pins())
        self._decoder = self.box.decoder()
        self._problems: list[ParseProblem] = []
        self._read: dict[str, list[Slot]] = {}
        self._named: dict[tuple[bytes, ...], set[int]] = {}
        self.host: Host = boot.this_host()

    @property
    def _creators_since(self) -> int | None:
        """Boot-clock ns from which creators are known: arming, unless too many orphans followed.

        That is arming, unless too many orphans followed.

        The map of creators drops its oldest entries when it is full. An orphan whose creator was
        dropped looks like a child of its reaper, so only the time of the oldest remaining record
        counts.
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

    # Several indexes need the same rings; reading them is most of the work.
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

    def events(self, query: Query) -> Iterator[Event]:
        """What the rings hold for this query, the newest first; only what is asked for is decoded."""
        if query.sender is not None:
            yield from self._sent_by(query.sender, query)
            return
        slots = [
            slot
            for kinds, chosen in self._readers
            if query.wants(*kinds)
            for slot in chosen(query)
            if query.window.covers(slot.time_ns)
        ]
        slots.sort(key=lambda s: -s.time_ns)
        for slot in slots:
            event = self.event(slot)
            if event is not None and query.wants(type(event)) and _meant(event, query):
                yield event

    @property
    def _readers(self) -> tuple[tuple[tuple[type[Event], ...], Callable[[Query], list[Slot]]], ...]:
        return (
            ((SignalSent,), self._signal_slots),
            ((ProcessExited,), self._exit_slots),
            ((OomVictimMarked,), self._oom_slots),
            ((ThreadDied, ImageReplaced), self._thread_slots),
            ((OrphanedBy,), self._orphan_slots),
            ((KernelLine, ManagerAsked, LimitSet), self._note_slots),
        )

    def _sent_by(self, sender: Key, query: Query) -> Iterator[SignalSent]:
        for slot in reversed(self._sends.get(sender.tgid, [])):
            if query.window.covers(slot.time_ns):
                with contextlib.suppress(ValueError):
                    event = self._decoder.outline(slot.record, slot.where)
                    if event.current.key.same_life(sender):
                        yield event

    def _signal_slots(self, query: Query) -> list[Slot]:
        return self._chosen(self._signals, query)

    def _exit_slots(self, query: Query) -> list[Slot]:
        return [s for s in self._chosen(self._exits, query) if _asked_for(s, query)]

    def _oom_slots(self, query: Query) -> list[Slot]:
        return self._chosen(self._ooms, query)

    def _thread_slots(self, query: Query) -> list[Slot]:
        return list({slot.where: slot for slot in self._chosen(self._threads, query)}.values())

    def _orphan_slots(self, query: Query) -> list[Slot]:
        if query.key is None:
            return [] if query.pid is not None else list(self._wills.values())
        slot = self._wills.get(query.key)
        return [slot] if slot else []

    def _note_slots(self, query: Query) -> list[Slot]:
        if query.pid is not None or query.target is not None:
            return []
        kinds = (L.REC_LINE, L.REC_CLIENT, L.REC_LIMIT_SET)
        noted = (*self._slots(L.REQUESTS), *self._slots(L.LIMITS))
        return [s for s in noted if s.record[0] in kinds]

    def _chosen(self, index: dict[int, list[Slot]], query: Query) -> list[Slot]:
        pid = query.key.tgid if query.key is not None else query.pid
        if pid is not None:
            return index.get(pid, [])
        words = query.target.words() if query.target is not None else ()
        numbers = self._naming(tuple(w.encode() for w in words)) if words else index.keys()
        return [s for number in numbers for s in index.get(number, ())]

    # A name may stand in the record of a signal only (exe, cgroup, argv), or in that of the exit only.
    def _naming(self, words: tuple[bytes, ...]) -> set[int]:
        found = self._named.get(words)
        if found is None:
            indexes = (self._signals, self._exits, self._threads)
            found = self._named[words] = {
                number
                for index in indexes
                for number, slots in index.items()
                if any(word in slot.record for slot in slots for word in words)
            }
        return found

    def coverage(self) -> Coverage:
        """Overwritten and failed records of the rings that matter for senders."""
        return Coverage(
            lost=self._lost,
            complete_from_ns=self._complete_since,
            requests_from_ns=self._requests_since,
            creators_from_ns=self._creators_since,
            problems=tuple(self._problems),
        )

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
        """Drops the reading, so that the next question reads the ring buffers again."""
        self._read.clear()
        self._named.clear()
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

    def event(self, slot: Slot) -> Event | None:
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


# On raw bytes: decoding thousands of exits to find one takes too long.
def _asked_for(slot: Slot, query: Query) -> bool:
    record = slot.record
    if query.parent is not None and query.parent != _tgid_at(record, _PARENT_TGID):
        return False
    pipes = struct.unpack_from("<QQ", record, L.EXIT_STDIN_PIPE)
    if query.pipe is not None and query.pipe not in pipes:
        return False
    return query.ordinary or slot.ring is not L.EXITS


def _tgid_at(record: bytes, offset: int) -> int:
    return int.from_bytes(record[offset : offset + 4], "little") & ~L.ANCESTOR_REAPER


def _meant(event: Event, query: Query) -> bool:
    if isinstance(event, ProcessExited) and not query.relates(event):
        return False
    key = key_of(event)
    return query.key is None or (key is not None and key.same_life(query.key))


def probe() -> Usable:
    """Whether it can be asked here, by this user."""
    try:
        if not Pins().exists():
            return Usable(usable=False, says="the recorder is not armed", remedy=ARM)
        Pins().read_meta()
    except PermissionError:
        return Usable(
            usable=False,
            says="the recorder's ring buffers may be read by root and group adm only",
            remedy="the same command with sudo, or join group adm",
        )
    except UnavailableError as error:
        return Usable(usable=False, says=str(error), remedy=error.remedy, damaged=True)
    except OSError as error:
        return Usable(
            usable=False, says=f"the ring buffers can't be opened: {error.strerror}", remedy=ARM
        )
    return Usable(usable=True, says="armed")


ARM: Final = "sudo killtrail arm"
DESCRIPTOR: Final = Descriptor(
    id="bpf",
    what="the flight recorder: ring buffers in kernel memory, filled by BPF programs",
    yields="fatal, stop and termination signals with senders; all exits; parents that exited before their"
    " children",
    silent_about="what happened before it was armed, and what its rings have overwritten",
    needs="arming as root (CAP_BPF, CAP_PERFMON; BTF; 5.17); reading as root or group adm",
    clock="boot",
    completeness="complete since arming, up to its size; overwritten records are counted",
    probe=probe,
    open_here=lambda: [BpfSource()],
)

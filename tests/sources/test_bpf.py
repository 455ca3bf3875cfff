"""The recorder's rings as evidence: what is read from which, and what an overwritten one costs."""

import pytest

from killtrail.model import signals as sg
from killtrail.model.events import KernelLine, LimitSet, ManagerAsked
from killtrail.model.process import Key
from killtrail.model.query import Query, Window
from killtrail.recorder import layout as L
from killtrail.recorder.decode import Decoder
from killtrail.recorder.pins import Meta
from killtrail.recorder.rings import RingState, Slot
from killtrail.recorder.symbols import from_rows
from killtrail.sources import bpf

ARMED = 100


def of_process(kind: int, time_ns: int, *, limit: bytes = bytes(32)) -> bytes:
    """A record of process 70."""
    who = L.WHO.pack(50, 0, 70, 70, 0, 0, 0, 0, 0, 0, b"p70")
    head = L.RECORD_HEAD.pack(kind, 0, 0, time_ns)
    return head + limit + bytes(16) + who + L.PROCESS_LENS.pack(0, 0, 0, 0)


class Rings:
    """Stands for the pinned maps: slots and heads that a test chose."""

    def __init__(self, records: dict[L.Ring, list[bytes]], written: dict[L.Ring, int]) -> None:
        self.meta = Meta(L.LAYOUT, "0", ARMED, "redacted", 64, from_rows([]))
        self.pins = self
        self._records, self._written = records, written

    def decoder(self) -> Decoder:
        """Without symbols."""
        return Decoder(self.meta.symbols)

    def states(self) -> tuple[RingState, ...]:
        """Every ring, most of them empty."""
        return tuple(RingState(ring, self._written.get(ring, 0)) for ring in L.RINGS)

    def slots(self, ring: L.Ring, since: int = 0) -> list[Slot]:
        """The records chosen."""
        found = self._records.get(ring, [])
        return [Slot(ring, i, raw, truncated=False) for i, raw in enumerate(found) if i >= since]

    def oldest(self, ring: L.Ring) -> Slot | None:
        """The first of them."""
        return next(iter(self.slots(ring)), None)

    def stats(self) -> dict[str, int]:
        """Nothing failed."""
        return dict.fromkeys(L.STATS, 0)

    def programs(self) -> dict[str, tuple[int, int, int]]:
        """None missed a run."""
        return {}


@pytest.fixture
def source(monkeypatch):
    """A source over such rings."""

    def make(records=None, written=None) -> bpf.BpfSource:
        rings = Rings(records or {}, written or {})
        monkeypatch.setattr(bpf, "RingBuffers", lambda _: rings)
        return bpf.BpfSource(pins=rings)

    return make


def test_notes_come_from_both_rings(source):
    """Kernel lines and clients lie with the requests, limits set for others in a ring of their own."""
    limit = L.LIMIT_SET.pack(40, 1, 6, 9, 0)
    found = source(
        {
            L.REQUESTS: [of_process(L.REC_LINE, 110), of_process(L.REC_CLIENT, 120)],
            L.LIMITS: [
                of_process(L.REC_LIMIT_SET, time_ns, limit=limit) for time_ns in (90, 130, 190)
            ],
        }
    )
    kinds = (KernelLine, ManagerAsked, LimitSet)
    notes = list(found.events(Query(kinds=kinds, window=Window(100, 150))))[::-1]

    assert [(type(n), n.time_ns) for n in notes] == [
        (KernelLine, 110), (ManagerAsked, 120), (LimitSet, 130),
    ]  # fmt: skip
    assert notes[-1].target == Key(9, 40)
    assert notes[-1].origin.where == "limits:1"


@pytest.mark.parametrize(
    ("ring", "lost", "after_kill", "after_term"),
    [
        (L.KILLS, 3, 500, 500),
        (L.DEATHS, 3, 500, 500),
        (L.VICTIMS, 3, 500, 500),
        (L.REQUESTS, 3, ARMED, 500),  # a SIGKILL is neither blocked nor handled: no request
        (L.EXITS, 0, ARMED, ARMED),
        (L.ORPHANED, 0, ARMED, ARMED),
        (L.LIMITS, 0, ARMED, ARMED),
    ],
)
def test_what_an_overwritten_ring_costs(source, ring, lost, after_kill, after_term):
    """Only a ring without which a sender or a fatal exit can be missing counts as loss."""
    oldest = of_process(L.REC_LINE, 500)
    found = source({ring: [oldest]}, {ring: ring.slots + 3})

    covered = found.coverage()
    assert covered.lost == lost
    assert covered.complete_since(sg.SIGKILL) == after_kill
    assert covered.complete_since(sg.SIGTERM) == after_term

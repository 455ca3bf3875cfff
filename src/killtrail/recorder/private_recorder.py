"""A copy of the recorder that only this process sees, and that is removed when it exits."""

import struct

from killtrail.host import boot
from killtrail.model.events import Recorded
from killtrail.recorder import bpf, load_errors, loader
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.decode import Decoder
from killtrail.recorder.proc_scan import sweep
from killtrail.recorder.rings import live_slots
from killtrail.recorder.symbols import Symbols, from_rows, read_kallsyms


class PrivateRecorder:
    """Loads, attaches, and reads what is new. Raises `UnavailableError` where that is refused."""

    def __init__(self, settings: dict[str, int]) -> None:
        try:
            blob, self._loaded = loader.load_best(settings)
        except OSError as error:
            raise load_errors.explain(error, "can't load a recorder") from error
        sweep(self._loaded.maps["images"], boot.now_ns(), with_argv=True)
        self._bss = len(blob.initial["bss"])
        self._next: dict[str, int] = {}
        self.lost: int = 0
        self.problems: int = 0
        self._decoder = Decoder(_symbols())

    def new(self, ring: L.Ring) -> list[Recorded]:
        """The events of a ring since the last call; what was overwritten meanwhile is in `lost`."""
        raw = bpf.lookup(self._loaded.maps["bss"], 0, self._bss)
        written = struct.unpack_from("<Q", raw, 8 * ring.head)[0]
        since = self._next.get(ring.name, 0)
        if written == since:
            return []
        slots = list(live_slots(self._loaded.maps[ring.name], ring, since, written))
        self._next[ring.name] = slots[-1].seq + 1 if slots else written
        self.lost += self._next[ring.name] - since - len(slots)
        events = []
        for slot in slots:
            try:
                events.append(self._decoder.decode(slot.record, slot.where))
            except ValueError:
                self.problems += 1
        return events

    def close(self) -> None:
        """Detaches and unloads."""
        self._loaded.close()


def _symbols() -> Symbols:
    try:
        return read_kallsyms()
    except OSError:
        return from_rows([])

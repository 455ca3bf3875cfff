"""The names in bpffs: one folder holds links, maps and programs of what is armed."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError
from killtrail.recorder import bpf
from killtrail.recorder import layout as L  # noqa: N812
from killtrail.recorder.symbols import Symbols, from_rows

BPFFS: Final = Path("/sys/fs/bpf")
FOLDER: Final = BPFFS / "killtrail"
_SLACK: Final = 64


@dataclass(frozen=True, slots=True)
class Meta:
    """What arming wrote into the metadata map."""

    layout: int
    version: str
    armed_ns: int
    argv: str
    """`redacted`, `full` or `off`."""
    bss_size: int
    symbols: Symbols

    def to_bytes(self) -> bytes:
        """As stored: JSON, NUL-padded."""
        rows = self.symbols.rows()
        text = json.dumps(
            {
                "layout": self.layout,
                "version": self.version,
                "armed_ns": self.armed_ns,
                "argv": self.argv,
                "bss_size": self.bss_size,
                "symbols": rows,
            }
        ).encode()
        if len(text) > L.META_SIZE:
            raise ValueError("recorder metadata too large")
        return text.ljust(L.META_SIZE, b"\0")


def meta_from_bytes(raw: bytes) -> Meta:
    """Raises `UnavailableError` for another layout or unreadable bytes."""
    remedy = "sudo killtrail disarm && sudo killtrail arm"
    try:
        data: dict[str, Any] = json.loads(raw.rstrip(b"\0"))
        layout = int(data["layout"])
        if layout == L.LAYOUT:
            return Meta(
                layout=layout,
                version=str(data["version"]),
                armed_ns=int(data["armed_ns"]),
                argv=str(data["argv"]),
                bss_size=min(int(data["bss_size"]), 1 << 20),
                symbols=from_rows(data["symbols"]),
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableError(f"the recorder's metadata is damaged: {error}", remedy) from error
    raise UnavailableError(
        f"the recorder was armed by another version (layout {layout}, this killtrail reads "
        f"{L.LAYOUT})",
        remedy,
    )


class Pins:
    """Paths and descriptors below one folder in bpffs."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Whether something is armed. Raises PermissionError where bpffs may not be searched."""
        try:
            return bool(os.stat(self.folder / "map_meta"))  # noqa: PTH116 -- Path.exists hides EACCES
        except (FileNotFoundError, NotADirectoryError):
            return False

    def open_map(self, name: str) -> int:
        """A read-only descriptor of a map."""
        return bpf.open_pin(str(self.folder / f"map_{name}"))

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """A map's descriptor for a while."""
        fd = self.open_map(name)
        try:
            yield fd
        finally:
            os.close(fd)

    def read_meta(self) -> Meta:
        """What the armer wrote."""
        with self.opened("meta") as fd:
            return meta_from_bytes(bpf.lookup(fd, 0, L.META_SIZE))

    def programs(self) -> dict[str, tuple[int, int, int]]:
        """Program -> (verified instructions, missed runs, runs)."""
        rows = {}
        for path in sorted(self.folder.glob("prog_*")):
            fd = bpf.open_pin(str(path), read_only=False)
            try:
                rows[path.name.removeprefix("prog_")] = bpf.program_info(fd)
            finally:
                os.close(fd)
        return rows

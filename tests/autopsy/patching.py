"""A dump changed from outside: bytes written into a copy of an ELF core, by the kernel's addresses."""

import lzma
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from killtrail.autopsy import dump_file, kernel, pages
from tests.conftest import ROOT

DUMPS = ROOT / "tests/dumps"
START_MAP = 0xFFFFFFFF80000000


def unpacked(name: str, folder: Path) -> Path:
    """A dump of ours, unpacked once."""
    path = folder / name
    if not path.exists():
        path.write_bytes(lzma.decompress((DUMPS / f"{name}.xz").read_bytes()))
    return path


@dataclass
class Patch:
    """An ELF core in memory, to be changed and written."""

    raw: bytearray
    seen: kernel.Kernel
    space: pages.Space
    base: int

    @classmethod
    def of(cls, path: Path) -> "Patch":
        """Of a dump, with its symbols and types."""
        seen = kernel.wake(dump_file.open_dump(str(path)))
        found = re.search(r"NUMBER\(phys_base\)=(-?\d+)", seen.dump.text)
        return cls(bytearray(path.read_bytes()), seen, pages.walk(seen), int(found[1]))

    def physical(self, address: int) -> int:
        """Where a kernel address lies in memory: its image, or module space."""
        low, high = self.seen.image
        if low <= address < high:
            return address - START_MAP + self.base
        page = address & ~0xFFF
        return self.space.pages[page][0] + (address - page)

    def offset(self, address: int) -> int:
        """Where it lies in the file."""
        wanted = self.physical(address)
        (table,) = struct.unpack_from("<Q", self.raw, 32)
        size, count = struct.unpack_from("<HH", self.raw, 54)
        for number in range(count):
            kind, _, at, _, start, length = struct.unpack_from(
                "<IIQQQQ", self.raw, table + size * number
            )
            if kind == 1 and start <= wanted < start + length:
                return at + wanted - start
        raise KeyError(hex(address))

    def write(self, address: int, content: bytes) -> None:
        """Changes memory."""
        at = self.offset(address)
        self.raw[at : at + len(content)] = content

    def word(self, address: int, value: int) -> None:
        """Changes one 64-bit word."""
        self.write(address, struct.pack("<Q", value & (1 << 64) - 1))

    def drop(self, address: int) -> None:
        """Takes the page of an address out: its segment ends before it, as a filter would leave it."""
        wanted = self.physical(address) & ~0xFFF
        (table,) = struct.unpack_from("<Q", self.raw, 32)
        size, count = struct.unpack_from("<HH", self.raw, 54)
        for number in range(count):
            row = table + size * number
            kind, _, _, _, start, length = struct.unpack_from("<IIQQQQ", self.raw, row)
            if kind == 1 and start <= wanted < start + length:
                struct.pack_into("<QQ", self.raw, row + 32, wanted - start, wanted - start)
                return
        raise KeyError(hex(address))

    def saved(self, path: Path) -> Path:
        """Writes it."""
        path.write_bytes(self.raw)
        return path

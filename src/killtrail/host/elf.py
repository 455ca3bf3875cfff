"""ELF headers: class, machine, interpreter, static or not (elf(5), gabi 4.1 chapters 4 and 5)."""

import os
import struct
from typing import Final

from killtrail._slotted import dataclass

_MAGIC: Final = b"\x7fELF"
_PT_INTERP: Final = 3
_HEADERS_MOST: Final = 1 << 16
_PATH_MOST: Final = 4096
_MACHINES: Final = {
    3: "i386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86-64",
    183: "aarch64", 243: "riscv", 258: "loongarch",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Elf:
    """The headers of a program or library."""

    bits: int
    machine: str
    interpreter: str | None

    @property
    def static(self) -> bool:
        """Whether it needs no loader: static, or static-pie (which has a dynamic section all the same)."""
        return self.interpreter is None

    def __str__(self) -> str:
        linked = "static" if self.static else "dynamic"
        return f"{self.bits}-bit {self.machine}, {linked}"


def read(fd: int) -> Elf | None:
    """The headers of an open file; None if it is not an ELF file, or a broken one."""
    try:
        return _read(fd)
    except (struct.error, OSError, ValueError, IndexError, OverflowError):
        return None


def _read(fd: int) -> Elf | None:
    head = os.pread(fd, 64, 0)
    if head[:4] != _MAGIC or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"  # noqa: PLR2004 -- ELFCLASS64
    (machine,) = struct.unpack_from(order + "H", head, 18)
    if wide:
        at, size, count = *struct.unpack_from(order + "Q", head, 32), *struct.unpack_from(order + "HH", head, 54)  # fmt: skip
    else:
        at, size, count = *struct.unpack_from(order + "I", head, 28), *struct.unpack_from(order + "HH", head, 42)  # fmt: skip
    if size < (56 if wide else 32) or size * count > _HEADERS_MOST:
        return None
    table = os.pread(fd, size * count, at)
    interpreter = None
    for number in range(len(table) // size):
        row = number * size
        (of,) = struct.unpack_from(order + "I", table, row)
        if of == _PT_INTERP:
            place, _, _, length = (
                struct.unpack_from(order + "QQQQ", table, row + 8)
                if wide
                else struct.unpack_from(order + "IIII", table, row + 4)
            )
            raw = os.pread(fd, min(length, _PATH_MOST), place)
            interpreter = raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return Elf(64 if wide else 32, _MACHINES.get(machine, f"machine {machine}"), interpreter)

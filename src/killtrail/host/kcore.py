"""Memory of the running kernel, read-only, through /proc/kcore (proc(5)); and symbols by name."""

import os
import struct
from collections.abc import Iterable
from typing import Final

from killtrail._slotted import dataclass, field

_PATH: Final = "/proc/kcore"
_PT_LOAD: Final = 1
_HEADERS_MOST: Final = 1 << 20
_KALLSYMS: Final = "/proc/kallsyms"


@dataclass(frozen=True, slots=True)
class Symbols:
    """Kernel symbols: addresses of a few by name, all code addresses with their names, module names."""

    addresses: dict[str, int]
    names: dict[int, str]
    modules: frozenset[str] = field(default=frozenset())


def symbols(wanted: Iterable[str]) -> Symbols | None:
    """Kallsyms as root sees it; None where addresses are hidden (kptr_restrict) or it can't be read."""
    wanted = set(wanted)
    addresses: dict[str, int] = {}
    names: dict[int, str] = {}
    modules: set[str] = set()
    try:
        with open(_KALLSYMS, encoding="ascii", errors="replace") as file:  # noqa: PTH123 -- 10 MB
            for line in file:
                fields = line.split()
                if len(fields) > 3:  # noqa: PLR2004 -- address, type, name, [module]
                    modules.add(fields[3].strip("[]"))
                elif len(fields) == 3:  # noqa: PLR2004
                    address = int(fields[0], 16)
                    if fields[2] in wanted:
                        addresses[fields[2]] = address
                    # Calls that a kernel was built without are weak symbols.
                    if fields[1] in "tTwW" and "sys" in fields[2]:
                        names.setdefault(address, fields[2])
    except (OSError, ValueError):
        return None
    if not any(addresses.values()):
        return None
    return Symbols(addresses, names, frozenset(modules))


def read(address: int, size: int) -> bytes | None:
    """Bytes at a virtual address; None where they can't be read (lockdown(7), no /proc/kcore)."""
    try:
        fd = os.open(_PATH, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        at = _offset(fd, address, size)
        found = os.pread(fd, size, at) if at is not None else b""
        return found if len(found) == size else None
    except (OSError, struct.error, OverflowError):
        return None
    finally:
        os.close(fd)


def _offset(fd: int, address: int, size: int) -> int | None:
    head = os.pread(fd, 64, 0)
    (table,) = struct.unpack_from("=Q", head, 32)
    width, count = struct.unpack_from("=HH", head, 54)
    rows = os.pread(fd, min(width * count, _HEADERS_MOST), table)
    for row in range(0, len(rows) - 55, width):
        kind, _, offset, start, _, length = struct.unpack_from("=IIQQQQ", rows, row)
        if kind == _PT_LOAD and start <= address and address + size <= start + length:
            return int(offset + address - start)
    return None

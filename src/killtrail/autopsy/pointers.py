"""Pointers into memory without a known owner: each such word of kernel data, by its symbol."""

import re
import struct
from typing import TYPE_CHECKING, Final

from killtrail.autopsy.kernel import Kernel
from killtrail.autopsy.notes import Notes
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 1 << 20
_MOST: Final = 50


def check(kernel: Kernel, notes: Notes, regions: list[tuple[int, int]]) -> None:
    """Searches the kernel's image for pointers into these regions (start, size)."""
    if regions:
        kernel.guarded("pointers into unowned memory", lambda: _check(kernel, notes, regions), None)


def _check(kernel: Kernel, notes: Notes, regions: list[tuple[int, int]]) -> None:
    known = {finding.where for finding in notes.findings}
    found = 0
    for place, value in _pointing(kernel, regions):
        name = kernel.near(place) or hex(place)
        if name in known or _is_table(name):
            continue
        found += 1
        if found > _MOST:
            kernel.miss("more pointers into unowned memory", f"only the first {_MOST} are listed")
            return
        notes.add(
            FindingKind.POINTER_INTO_UNOWNED, name, value,
            f"{name} points to {value:#x}, in memory without a known owner",
        )  # fmt: skip


# Entries of the call table are already among the findings, by call number.
def _is_table(name: str) -> bool:
    return name.startswith(("sys_call_table", "ia32_sys_call_table", "x32_sys_call_table"))


# Addresses of one region share their upper bytes: they are searched as bytes, then read as words.
def _pointing(kernel: Kernel, regions: list[tuple[int, int]]) -> "Iterator[tuple[int, int]]":
    tops = {struct.pack("<Q", page)[2:] for start, size in regions for page in range(start & ~0xFFFF, start + size, 1 << 16)}  # fmt: skip
    pattern = re.compile(b"|".join(re.escape(top) for top in sorted(tops)))
    low, high = kernel.image
    for start in range(low & ~7, high, _CHUNK):
        raw = kernel.read(start, min(_CHUNK, high - start))
        blocks = [(start, raw)] if raw else _pages(kernel, start, min(start + _CHUNK, high))
        for place, block in blocks:
            for match in pattern.finditer(block):
                at = match.start() - 2
                if at < 0 or (place + at) % 8 or at + 8 > len(block):
                    continue
                (value,) = struct.unpack_from("<Q", block, at)
                if any(first <= value < first + size for first, size in regions):
                    yield place + at, value


def _pages(kernel: Kernel, low: int, high: int) -> "Iterator[tuple[int, bytes]]":
    for page in range(low & ~0xFFF, high, 4096):
        raw = kernel.read(page, 4096)
        if raw is not None:
            yield page, raw

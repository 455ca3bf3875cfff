"""The running kernel's own type information: one function's type id and one structure.

/sys/kernel/btf/vmlinux, Documentation/bpf/btf.rst. It is walked once, without building a tree: a
kernel has some 100,000 types.
"""

import struct
from functools import cache
from pathlib import Path
from typing import Final

from killtrail._slotted import dataclass

_PATH: Final = Path("/sys/kernel/btf/vmlinux")
_HEADER: Final = struct.Struct("=HBBIIIII")
_TYPE: Final = struct.Struct("=III")
_MAGIC: Final = 0xEB9F
_STRUCT, _UNION, _FUNC = 4, 5, 12
# Bytes after a type, by kind: fixed, then for each of its `vlen` members (btf.rst, 2.2).
_BEHIND: Final = {
    1: (4, 0), 2: (0, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 7: (0, 0), 8: (0, 0), 9: (0, 0),
    10: (0, 0), 11: (0, 0), 12: (0, 0), 13: (0, 8), 14: (4, 0), 15: (0, 12), 16: (0, 0), 17: (4, 0),
    18: (0, 0), 19: (0, 12),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A function's type id, and the offsets of members of a structure (bytes)."""

    function: int
    members: dict[str, int]


@cache
def find(function: str, structure: str, members: tuple[str, ...]) -> Found | None:
    """Both; None where the kernel has no BTF, or not these in it."""
    try:
        return _find(_PATH.read_bytes(), function.encode(), structure.encode(), members)
    except (OSError, struct.error, KeyError, ValueError):
        return None


def _find(raw: bytes, function: bytes, structure: bytes, members: tuple[str, ...]) -> Found | None:
    magic, _, _, head, types, type_size, strings, string_size = _HEADER.unpack_from(raw)
    if magic != _MAGIC:
        return None
    names = raw[head + strings : head + strings + string_size]
    wanted = {_FUNC: _offset(names, function), _STRUCT: _offset(names, structure)}
    at, end, number = head + types, head + types + type_size, 1
    found: int | None = None
    places: dict[str, int] | None = None
    while at < end and (found is None or places is None):
        name, info, _ = _TYPE.unpack_from(raw, at)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        if kind == _FUNC and name == wanted[_FUNC]:
            found = number
        elif kind == _STRUCT and name == wanted[_STRUCT]:
            places = _members(raw, at + _TYPE.size, count, names, members, flag=bool(info >> 31))
        fixed, each = _BEHIND[kind]
        at += _TYPE.size + fixed + each * count
        number += 1
    if found is None or places is None or set(places) != set(members):
        return None
    return Found(found, places)


def _offset(names: bytes, name: bytes) -> int:
    return names.index(b"\0" + name + b"\0") + 1


def _members(
    raw: bytes, at: int, count: int, names: bytes, members: tuple[str, ...], *, flag: bool
) -> dict[str, int]:
    wanted = set(members)
    found: dict[str, int] = {}
    for number in range(count):
        name, _, offset = _TYPE.unpack_from(raw, at + number * _TYPE.size)
        text = names[name : names.index(b"\0", name)].decode("ascii", "replace")
        if text in wanted:
            # With the flag set the upper byte is a bit field's width.
            found[text] = (offset & 0xFFFFFF if flag else offset) // 8
    return found

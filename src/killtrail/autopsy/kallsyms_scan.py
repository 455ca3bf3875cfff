"""Finds kallsyms in the image of a kernel before 6.0, whose VMCOREINFO does not hold its address.

The token table holds the ten digits as separate tokens, one after the other; its index repeats the
offsets, the markers before it count names, and before them come the names, their count, the base
and the offsets (scripts/kallsyms.c, kernel/kallsyms.c). The result is passed to drgn as VMCOREINFO
lines.
"""

import re
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from drgn import Program

_IMAGE_MOST: Final = 96 << 20
_CHUNK: Final = 1 << 20
_DIGITS: Final = b"".join(b"%d\0" % digit for digit in range(10))
_TOKENS, _ZERO = 256, 0x30
_EACH: Final = 256
"""Names from marker to marker."""


def lines(program: "Program", stext: int) -> str:
    """`SYMBOL(kallsyms_names)=...` and its like; nothing where they can't be found."""
    image = _image(program, stext)
    try:
        for match in re.finditer(re.escape(_DIGITS), image):
            found = _tables(image, match.start())
            if found is not None:
                rows = (f"SYMBOL({name})={stext + place:x}" for name, place in found.items())
                return "".join(f"{row}\n" for row in rows)
    except (IndexError, struct.error, ValueError):
        pass
    return ""


def _image(program: "Program", start: int) -> bytes:
    from drgn import FaultError  # noqa: PLC0415

    parts: list[bytes] = []
    address = start
    while len(parts) * _CHUNK < _IMAGE_MOST:
        try:
            parts.append(program.read(address, _CHUNK))
        except FaultError:
            break
        address += _CHUNK
    return b"".join(parts)


def _tables(image: bytes, digits: int) -> dict[str, int] | None:
    tokens = _token_table(image, digits)
    offsets, at = [], tokens
    for _ in range(_TOKENS):
        offsets.append(at - tokens)
        at = image.index(b"\0", at) + 1
    index = image.find(struct.pack(f"<{_TOKENS}H", *(o & 0xFFFF for o in offsets)), at, at + 1024)
    if index < 0:
        return None
    markers, last = _markers(image, tokens)
    names = _names(image, markers, last)
    if names is None:
        return None
    count = _u32(image, names - 8)
    base = names - 16
    return {
        "kallsyms_names": names,
        "kallsyms_num_syms": names - 8,
        "kallsyms_token_table": tokens,
        "kallsyms_token_index": index,
        "kallsyms_offsets": base - ((4 * count + 7) & ~7),
        "kallsyms_relative_base": base,
    }


def _token_table(image: bytes, digits: int) -> int:
    at = digits
    for _ in range(_ZERO):
        at = image.rfind(b"\0", 0, at - 1) + 1
    return at


def _u32(image: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", image, at)[0])


# They grow from zero, so the first one is found walking back from the last.
def _markers(image: bytes, tokens: int) -> tuple[int, int]:
    at = (tokens & ~7) - 4
    while _u32(image, at) == 0:
        at -= 4
    last = at
    while _u32(image, at) != 0:
        if _u32(image, at - 4) >= _u32(image, at):
            raise ValueError("no markers")
        at -= 4
    return at, last


def _names(image: bytes, markers: int, last: int) -> int | None:
    first, second = _u32(image, markers + 4), _u32(image, markers + 8)
    count = (last - markers) // 4 + 1
    high = markers - _u32(image, last)
    for names in range(high & ~7, high - _EACH * 64, -8):
        if _length(image, names) != first or _length(image, names + first) != second - first:
            continue
        if _EACH * (count - 1) < _u32(image, names - 8) <= _EACH * count:
            return names
    return None


def _length(image: bytes, start: int) -> int | None:
    at = start
    for _ in range(_EACH):
        size = image[at]
        at += 1
        if size & 0x80:
            size = (size & 0x7F) | image[at] << 7
            at += 1
        if not size:
            return None
        at += size
    return at - start

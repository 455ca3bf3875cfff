"""The distribution's own kernel image against the dump: tables word by word, shifted by KASLR.

A bzImage holds the compressed kernel after its set-up code (Documentation/arch/x86/boot.rst). Data
tables are compared exactly. Code is not: the kernel patches itself in thousands of places.
"""

import lzma
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass
from killtrail.autopsy.kernel import Kernel, build_id
from killtrail.autopsy.notes import Notes
from killtrail.errors import UnavailableError, UsageError
from killtrail.model.autopsy import FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 512 << 20
_TABLES: Final = ("sys_call_table", "ia32_sys_call_table", "x32_sys_call_table")
_PT_LOAD, _PT_NOTE = 1, 4
_BUILD_ID: Final = 3


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked vmlinux."""

    raw: bytes
    segments: tuple[tuple[int, int, int], ...]
    """(virtual address, place in the file, size)."""
    build_id: str | None

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """64-bit words at a virtual address; none if the image has no data there."""
        for start, place, size in self.segments:
            if start <= address and address + 8 * count <= start + size:
                return struct.unpack_from(f"<{count}Q", self.raw, place + address - start)
        return ()


def open_image(path: str) -> Image:
    """A vmlinuz or vmlinux. Raises `UsageError` for what is none, `UnavailableError` for how it is packed."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if not raw.startswith(b"\x7fELF"):
        raw = _unpacked(path, raw)
    try:
        rows = list(_headers(raw))
        segments = tuple((v, o, s) for kind, o, v, s in rows if kind == _PT_LOAD)
        notes = b"".join(raw[o : o + s] for kind, o, _, s in rows if kind == _PT_NOTE)
    except struct.error as error:
        raise UsageError(f"{path}: not a kernel image") from error
    return Image(raw, segments, _build_id(notes))


def _unpacked(path: str, raw: bytes) -> bytes:
    if raw[0x202:0x206] == b"" or raw[0x1FE:0x200] != b"\x55\xaa":
        raise UsageError(f"{path}: not a kernel image")
    offset, length = struct.unpack_from("<II", raw, 0x248)
    start = ((raw[0x1F1] or 4) + 1) * 512 + offset
    packed = raw[start : start + length]
    try:
        if packed.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor().decompress(packed, _MOST)
        if packed.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(packed, _MOST)
    except (lzma.LZMAError, zlib.error) as error:
        raise UsageError(f"{path}: {error}") from error
    if packed.startswith(b"\x28\xb5\x2f\xfd") and (program := shutil.which("zstd")):
        # The last four bytes are the size that the kernel's own unpacker wants.
        return subprocess.run(  # noqa: S603 -- a path that which() gave
            [program, "-dcq", "--no-check"], input=packed[:-4], capture_output=True, check=False
        ).stdout
    kind = {b"\x02\x21\x4c\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}.get(
        packed[:4], "an unknown formatatatatat"
    )
    raise UnavailableError(
        f"{path}: compressed with {kind}, for which there is no decompressor here", "give a vmlinux"
    )


def _headers(raw: bytes) -> "Iterator[tuple[int, int, int, int]]":
    (table,) = struct.unpack_from("<Q", raw, 32)
    size, count = struct.unpack_from("<HH", raw, 54)
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from(
            "<IIQQQQ", raw, table + number * size
        )
        yield kind, offset, address, length


def _build_id(notes: bytes) -> str | None:
    at = 0
    while at + 12 <= len(notes):
        name, size, kind = struct.unpack_from("<III", notes, at)
        start = at + 12 + (name + 3 & ~3)
        if kind == _BUILD_ID and notes[at + 12 : at + 15] == b"GNU":
            return notes[start : start + size].hex()
        at = start + (size + 3 & ~3)
    return None


def check(kernel: Kernel, notes: Notes, path: str) -> str:
    """Compares the tables; what it says of the comparison. Raises as `open_image` does."""
    image = open_image(path)
    own = build_id(kernel)
    name = os.path.basename(path)  # noqa: PTH119
    if own and image.build_id and own != image.build_id:
        raise UsageError(f"{path} is of another build: {image.build_id}, the dump's is {own}")
    shift = kernel.dump.value("KERNELOFFSET")
    offset = int(shift, 16) if shift and re.fullmatch(r"[0-9a-f]+", shift) else 0
    compared = 0
    for table in _TABLES:
        compared += _table(kernel, notes, image, table, offset)
    same = "" if own and image.build_id else "; neither holds a build id"
    return f"{compared} entries of call tables compared with {name}{same}"


def _table(kernel: Kernel, notes: Notes, image: Image, table: str, offset: int) -> int:
    start = kernel.symbol(table)
    if start is None:
        return 0
    count = int(kernel.program.symbol(table).size) // 8
    wanted, found = image.words(start - offset, count), kernel.words(start, count)
    known = {finding.where for finding in notes.findings}
    for number, (should, entry) in enumerate(zip(wanted, found, strict=False)):
        where = f"{table}[{number}]"
        if should and should + offset != entry and where not in known:
            name = kernel.near(should + offset) or hex(should + offset)
            notes.add(
                FindingKind.SYSCALL_TABLE, where, entry,
                f"the distribution's image has another value there, {name}",
                expected=name, owner=kernel.owner(entry),
            )  # fmt: skip
    return min(len(wanted), len(found))

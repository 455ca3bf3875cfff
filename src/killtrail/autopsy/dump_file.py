"""Opening a dump: ELF, kdump (flattened too), LiME and raw memory; packed ones are unpacked first.

drgn reads the first two itself. qemu leaves the machine's name out of a kdump, so the platform is given.
Without a VMCOREINFO note its text is searched in memory: the kernel keeps it in its own page
(kernel/vmcore_info.c).
"""

import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError
from killtrail.files.opened import Piece, open_piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from drgn import Platform, Program

KDUMP: Final = (b"KDUMP   ", b"DISKDUMP", b"makedumpfile")
LIME: Final = b"EMiL"
_LIME: Final = struct.Struct("<IIQQQ")
_LIME_MAGIC: Final = 0x4C694D45
_ELF_X86_64: Final = 62
_INFO: Final = re.compile(rb"OSRELEASE=[\x20-\x7e]{1,64}\n(?:[\x21-\x7e][\x20-\x7e]*\n){8,}")
_CHUNK: Final = 16 << 20
_OVERLAP: Final = 1 << 14
_SMALLEST: Final = 1 << 16
EXTRA: Final = "pip install 'killtrail[autopsy]'"


@dataclass(slots=True)
class Dump:
    """An open dump. `text` is its VMCOREINFO."""

    program: "Program"
    text: str
    again: "Callable[[bytes], Program]"
    """Makes the program anew with another VMCOREINFO."""
    piece: Piece

    def value(self, name: str) -> str | None:
        """A line of VMCOREINFO: `OSRELEASE`, `SYMBOL(_stext)`."""
        match = re.search(rf"^{re.escape(name)}=(.*)$", self.text, re.MULTILINE)
        return match[1] if match else None


def open_dump(path: str) -> Dump:
    """Opens it. Raises `UnavailableError` for what is none, and where drgn is missing."""
    try:
        import drgn  # noqa: F401, PLC0415 -- an extra, 10 MB
    except ImportError as error:
        raise UnavailableError("autopsy needs drgn", EXTRA) from error
    piece = open_piece(Path(path))
    again = _maker(piece, path)
    try:
        program = again(b"")
    except UnavailableError:
        raise
    except Exception as error:
        found = _searched(piece)
        if not found:
            raise UnavailableError(f"{path}: {_first_line(error)}") from error
        program = _tried(again, found, path)
    return Dump(program, _text_of(program), again, piece)


def _tried(again: "Callable[[bytes], Program]", info: bytes, path: str) -> "Program":
    try:
        return again(info)
    except Exception as error:
        raise UnavailableError(f"{path}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _maker(piece: Piece, path: str) -> "Callable[[bytes], Program]":
    head = os.pread(piece.fd, 64, 0)
    if head.startswith(KDUMP):
        return lambda info: _by_drgn(piece, info)
    if head.startswith(b"\x7fELF"):
        machine = int.from_bytes(head[18:20], "little")
        if machine != _ELF_X86_64:
            raise UnavailableError(f"{path}: a dump of another machine than x86-64 ({machine})")
        return lambda info: _by_drgn(piece, info)
    ranges = _lime(piece) if head.startswith(LIME) else [(0, 0, piece.size)]
    if piece.size < _SMALLEST:
        raise UnavailableError(f"{path}: not a crash dump")
    return lambda info: _raw(piece, ranges, info or _searched(piece))


def _platform() -> "Platform":
    from drgn import Architecture, Platform  # noqa: PLC0415

    return Platform(Architecture.X86_64)


def _by_drgn(piece: Piece, info: bytes) -> "Program":
    from drgn import Program  # noqa: PLC0415

    more = {"vmcoreinfo": info} if info else {}
    program = Program(platform=_platform(), **more)
    program.set_core_dump(os.dup(piece.fd))
    if not _text_of(program):
        raise ValueError(
            "not a kernel dump, by its notes (no VMCOREINFO): perhaps the core of a process"
        )
    return program


def _raw(piece: Piece, ranges: list[tuple[int, int, int]], info: bytes) -> "Program":
    from drgn import Program  # noqa: PLC0415

    if not info:
        raise UnavailableError(f"{piece.name}: not a crash dump: it holds no VMCOREINFO")
    program = Program(platform=_platform())
    for start, place, size in ranges:

        def read(
            _at: int, count: int, offset: int, *_physical: object, place: int = place
        ) -> bytes:
            return os.pread(piece.fd, count, place + offset)

        program.add_memory_segment(start, size, read, physical=True)
    program.set_linux_kernel_custom(info, False)  # noqa: FBT003 -- drgn's signature
    return program


# Ranges of physical memory, each after its own header (LiME, docs/README).
def _lime(piece: Piece) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    at = 0
    while at + _LIME.size <= piece.size and len(found) < 1 << 16:
        magic, _, start, end, _ = _LIME.unpack(os.pread(piece.fd, _LIME.size, at))
        if magic != _LIME_MAGIC or end < start:
            break
        at += _LIME.size
        size = min(end - start + 1, piece.size - at)
        found.append((start, at, size))
        at += size
    return found


# The newest copy is as good as any: the text is written once, at boot.
def _searched(piece: Piece) -> bytes:
    best = b""
    for at in range(0, piece.size, _CHUNK):
        block = os.pread(piece.fd, _CHUNK + _OVERLAP, at)
        for match in _INFO.finditer(block):
            if len(match[0]) > len(best) and b"SYMBOL(" in match[0]:
                best = match[0]
    return best


def _text_of(program: "Program") -> str:
    try:
        raw: bytes = program["VMCOREINFO"].string_()
        return raw.decode("ascii", "replace")
    except (KeyError, LookupError):
        return ""

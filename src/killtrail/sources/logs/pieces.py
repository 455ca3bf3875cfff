"""Files as they were found, opened for reading anywhere in them, unpacked where need be."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

from killtrail.errors import UnavailableError

CHUNK: Final = 1 << 20
HEAD: Final = 1 << 16
_SPILL_MOST: Final = 16 << 30
_LINES_COUNTED: Final = 64 << 20
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}
_BAD_DATA: Final = (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError)


@dataclass(slots=True)
class Piece:
    """One file of a log. What was compressed lies in an unnamed temporary file."""

    path: str
    fd: int
    size: int
    cut: str | None = None
    """Why the rest of it could not be unpacked."""
    _counted: tuple[int, int] = (0, 1)
    """The last place that was asked for, and its line: most questions are about one near it."""

    @property
    def name(self) -> str:
        """The file's own name, as provenance shows it."""
        return os.path.basename(self.path)  # noqa: PTH119 -- no Path for every record

    def again(self) -> "Piece":
        """The same file once more, to be closed by itself."""
        return Piece(self.path, os.dup(self.fd), self.size, self.cut)

    def head(self) -> bytes:
        """Its first 64 KiB."""
        return os.pread(self.fd, HEAD, 0)

    def place(self, offset: int) -> str:
        """`audit.log:17`; `audit.log@BYTE` where counting the lines before it would take long."""
        if offset > _LINES_COUNTED:
            return f"{self.name}@{offset}"
        at, line = self._counted
        if abs(offset - at) > offset:
            at, line = 0, 1
        if at <= offset:
            line += self._ends(at, offset)
        else:
            line -= self._ends(offset, at)
        self._counted = (offset, line)
        return f"{self.name}:{line}"

    def _ends(self, low: int, high: int) -> int:
        found = 0
        while low < high:
            block = os.pread(self.fd, min(CHUNK, high - low), low)
            if not block:
                break
            found += block.count(b"\n")
            low += len(block)
        return found

    def lines(self, longest: int = CHUNK) -> Iterator[tuple[int, bytes]]:
        """(offset, line without its end), never more than `longest` bytes of one."""
        with os.fdopen(os.dup(self.fd), "rb") as file:
            file.seek(0)
            offset = 0
            while line := file.readline(longest):
                yield offset, line.rstrip(b"\r\n")
                offset += len(line)

    def close(self) -> None:
        """Closes it; a temporary file is gone then."""
        os.close(self.fd)


def open_piece(path: Path) -> Piece:
    """Opens a file. Raises `UnavailableError` where it is none or can't be read."""
    try:
        # Never wait for a writer of a FIFO, nor open a device.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    if not os.path.isfile(f"/proc/self/fd/{fd}"):  # noqa: PTH113
        os.close(fd)
        raise UnavailableError(f"{path}: not a regular file")
    how = packed(os.pread(fd, 8, 0))
    if how is None:
        return Piece(str(path), fd, os.fstat(fd).st_size)
    return _unpack(path, fd, how)


def packed(magic: bytes) -> str | None:
    """How a file is packed, by how it begins; None for what is not."""
    return next((kind for start, kind in _MAGIC.items() if magic.startswith(start)), None)


def _unpack(path: Path, fd: int, how: str) -> Piece:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    most = min(_SPILL_MOST, free // 2)
    spill = tempfile.TemporaryFile(prefix="killtrail-", dir=tempfile.gettempdir())  # noqa: SIM115
    cut = None
    written = 0
    with spill, os.fdopen(fd, "rb") as raw, closing(_reader(path, raw, how)) as reader:
        try:
            while block := reader.read(CHUNK):
                if written + len(block) > most:
                    cut = f"only its first {written} bytes: unpacked it takes more than {most}"
                    break
                written += spill.write(block)
        except _BAD_DATA as error:
            cut = f"{how} data end or break after {written} bytes: {error}"
        spill.flush()
        return Piece(str(path), os.dup(spill.fileno()), written, cut)


def _reader(path: Path, raw: BinaryIO, how: str) -> "BinaryIO | _Program":
    if how == "gzip":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if how == "xz":
        return lzma.LZMAFile(raw)  # type: ignore[return-value]
    if how == "bzip2":
        return bz2.BZ2File(raw)  # type: ignore[return-value]
    return _zstd(path, raw)


# The standard library has zstd from 3.14 on (PEP 784).
def _zstd(path: Path, raw: BinaryIO) -> "BinaryIO | _Program":
    for name in ("compression.zstd", "backports.zstd"):
        try:
            opened: BinaryIO = import_module(name).ZstdFile(raw)
        except ImportError:
            continue
        return opened
    program = shutil.which("zstd")
    if program is None:
        raw.close()
        raise UnavailableError(f"{path}: nothing here unpacks zstd", "apt-get install zstd")
    return _Program([program, "-dcq"], raw)


class _Program:
    """A program that unpacks its standard input."""

    def __init__(self, argv: list[str], raw: BinaryIO) -> None:
        self._process = subprocess.Popen(  # noqa: S603 -- a path that which() gave
            argv, stdin=raw, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def read(self, size: int) -> bytes:
        """The next bytes. Raises OSError at its end if it failed."""
        assert self._process.stdout is not None  # noqa: S101 -- a pipe was asked for
        block = self._process.stdout.read(size)
        if not block and self._process.wait():
            raise OSError(f"zstd failed with status {self._process.returncode}")
        return block

    def close(self) -> None:
        """Ends it."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

"""Packed logs, unpacked into an unnamed temporary file that can be read backwards."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import tempfile
import zlib
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, Final

from killtrail.errors import UnavailableError

if TYPE_CHECKING:
    from io import BufferedIOBase

_CHUNK: Final = 1 << 20
_SPILL_MOST: Final = 16 << 30
_BAD_DATA: Final = (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError)


def unpack(path: str, fd: int, how: str) -> tuple[int, int, str | None]:
    """(descriptor, size, why the rest is missing) of the packed data in `fd`, which is closed.

    Uses at most half of the free space in the temporary folder, and never more than 16 GiB. Raises
    `UnavailableError` without a decompressor.
    """
    free = shutil.disk_usage(tempfile.gettempdir()).free
    most = min(_SPILL_MOST, free // 2)
    spill = tempfile.TemporaryFile(prefix="killtrail-", dir=tempfile.gettempdir())  # noqa: SIM115
    cut = None
    written = 0
    with spill, os.fdopen(fd, "rb") as raw, closing(_reader(path, raw, how)) as reader:
        try:
            # read() would keep back what it had unpacked before the data broke.
            while block := reader.read1(_CHUNK):
                if written + len(block) > most:
                    cut = f"only its first {written} bytes: it takes more than {most} unpacked"
                    break
                written += spill.write(block)
        except _BAD_DATA as error:
            cut = f"{how} data is cut off or damaged after {written} bytes: {error}"
        spill.flush()
        return os.dup(spill.fileno()), written, cut


def _reader(path: str, raw: BinaryIO, how: str) -> "BufferedIOBase | _Program":
    if how == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if how == "xz":
        return lzma.LZMAFile(raw)
    if how == "bzip2":
        return bz2.BZ2File(raw)
    return _zstd(path, raw)


# The standard library has zstd from 3.14 on (PEP 784).
def _zstd(path: str, raw: BinaryIO) -> "BufferedIOBase | _Program":
    for name in ("compression.zstd", "backports.zstd"):
        try:
            opened: BufferedIOBase = import_module(name).ZstdFile(raw)
        except ImportError:
            continue
        return opened
    program = shutil.which("zstd")
    if program is None:
        raw.close()
        raise UnavailableError(f"{path}: zstd is not installed", "apt-get install zstd")
    return _Program([program, "-dcq"], raw)


class _Program:
    """A program that unpacks its standard input."""

    def __init__(self, argv: list[str], raw: BinaryIO) -> None:
        self._process = subprocess.Popen(  # noqa: S603 -- a path that which() gave
            argv, stdin=raw, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def read1(self, size: int) -> bytes:
        """The next bytes. Raises OSError at the end if the program failed."""
        assert self._process.stdout is not None  # noqa: S101 -- a pipe was asked for
        block = self._process.stdout.read(size)
        if not block and self._process.wait():
            raise OSError(f"zstd failed with status {self._process.returncode}")
        return block

    def close(self) -> None:
        """Stops the program."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

"""Files as they were found, opened for reading anywhere in them, unpacked where need be."""

import os
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.errors import UnavailableError

CHUNK: Final = 1 << 20
HEAD: Final = 1 << 16
_LINES_COUNTED: Final = 64 << 20
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}


@dataclass(slots=True)
class Piece:
    """One file of a log. A compressed one is unpacked into an unnamed temporary file."""

    path: str
    fd: int
    size: int
    cut: str | None = None
    """Why the rest could not be unpacked."""
    _counted: tuple[int, int] = (0, 1)
    """The last requested offset and its line: most requests are near it."""
    searched: dict[tuple[bytes, int], bytearray] = field(default_factory=dict)
    """What `blocks` knows of it."""

    @property
    def name(self) -> str:
        """The file's own name, as provenance shows it."""
        return os.path.basename(self.path)

    def again(self) -> "Piece":
        """The same file once more, to be closed by itself."""
        return Piece(self.path, os.dup(self.fd), self.size, self.cut, searched=self.searched)

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

    def lines(
        self, longest: int = CHUNK, low: int = 0, high: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """(offset, line without its end) of those that begin in [low, high); of one at most `longest` bytes.

        `low` has to be the beginning of a line.
        """
        with os.fdopen(os.dup(self.fd), "rb") as file:
            file.seek(low)
            offset = low
            while (high is None or offset < high) and (line := file.readline(longest)):
                yield offset, line.rstrip(b"\r\n")
                offset += len(line)

    def line_start(self, offset: int) -> int:
        """The first beginning of a line at or after a place, sought for a mebibyte."""
        if offset <= 0:
            return 0
        block = os.pread(self.fd, CHUNK, offset - 1)
        found = block.find(b"\n")
        return offset if found < 0 else offset + found

    def close(self) -> None:
        """Closes it; a temporary file is removed."""
        os.close(self.fd)


def open_piece(path: str | os.PathLike[str]) -> Piece:
    """Opens a file, unpacked where it is packed. Raises `UnavailableError` where it is none or can't be read."""
    try:
        # Never wait for a writer of a FIFO, nor open a device.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    if not os.path.isfile(f"/proc/self/fd/{fd}"):
        os.close(fd)
        raise UnavailableError(f"{path}: not a regular file")
    how = packed(os.pread(fd, 8, 0))
    if how is None:
        return Piece(str(path), fd, os.fstat(fd).st_size)
    from killtrail.files import unpack  # noqa: PLC0415 -- four libraries that most logs don't need

    spill, size, cut = unpack.unpack(str(path), fd, how)
    return Piece(str(path), spill, size, cut)


def packed(magic: bytes) -> str | None:
    """How a file is packed, by how it begins; None for what is not."""
    return next((kind for start, kind in _MAGIC.items() if magic.startswith(start)), None)

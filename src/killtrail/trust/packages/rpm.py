"""rpm's database, rpmdb.sqlite: one header blob a package (rpm 4.16 and later, Fedora 33, RHEL 9).

A blob is two big-endian counts, 16-byte index entries (tag, type, offset, count) and the data they
point into (lib/header.c, rpmtag.h). It is opened read-only and immutable: neither -wal nor -shm is
touched. The older Berkeley DB and ndb forms are not read, and that is said.
"""

import os
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from killtrail._slotted import dataclass
from killtrail.model.events import ParseProblem
from killtrail.trust.packages.index import IS_PROGRAM, Index, Owned
from killtrail.trust.root import Root

ID: Final = "rpm"
_PLACES: Final = ("/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm")
_OLD: Final = ("Packages", "Packages.db")
_NAME, _ARCH, _DIGESTS, _FLAGS = 1000, 1022, 1035, 1037
_FOLDER_OF, _NAMES, _FOLDERS, _ALGORITHM = 1116, 1117, 1118, 5011
_INT16, _INT32, _STRING, _ARRAY, _I18N = 3, 4, 6, 8, 9
_CONFIG, _GHOST = 1, 64
_ALGORITHMS: Final = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
_ENTRY: Final = struct.Struct(">IIII")
_BLOB_MOST: Final = 64 << 20
_WAL_MOST: Final = 256 << 20
_PROBLEMS_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Header:
    """One package's header."""

    entries: dict[int, tuple[int, int, int]]
    """Tag -> type, offset, count."""
    data: bytes

    def strings(self, tag: int) -> list[str]:
        """A string or a list of them; ValueError where the header is broken."""
        kind, at, count = self.entries.get(tag, (0, 0, 0))
        if kind not in (_STRING, _ARRAY, _I18N):
            return []
        found = []
        for _ in range(count if kind != _STRING else 1):
            end = self.data.index(b"\0", at)
            found.append(self.data[at:end].decode("utf-8", "surrogateescape"))
            at = end + 1
        return found

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Integers; struct.error if the header is broken."""
        kind, at, count = self.entries.get(tag, (0, 0, 0))
        form = {_INT16: "H", _INT32: "I"}.get(kind)
        if form is None or count > len(self.data):
            return ()
        return struct.unpack_from(f">{count}{form}", self.data, at)


def read(root: Root, *, everything: bool = False) -> Index | None:
    """The database of a system that has rpm, of programs and libraries or of everything; None without one."""
    path = _database(root)
    if path is None:
        return None
    index = Index(ID)
    try:
        for where, blob in blobs(root):
            files = _package(root, index, where, blob)
            index.files.update(
                (place, owned)
                for place, owned in files
                if everything or IS_PROGRAM.fullmatch(os.fsencode(place))
            )
    except (sqlite3.Error, OSError) as error:
        index.problems.append(ParseProblem(ID, path, str(error)))
    return index


def there(root: Root) -> bool:
    """Whether the tree has such a database."""
    return _database(root) is not None


def _database(root: Root) -> str | None:
    paths = (f"{place}/rpmdb.sqlite" for place in _PLACES)
    return next((path for path in paths if root.stat(path) is not None), None)


def blobs(root: Root) -> Iterator[tuple[str, bytes]]:
    """(where, header blob) of each package. Raises sqlite3.Error and OSError for a broken database."""
    path = _database(root)
    if path is None:
        return
    with _opened(root, path) as database:
        query = "SELECT hnum, blob FROM Packages WHERE length(blob) <= ?"
        for number, blob in database.execute(query, (_BLOB_MOST,)):
            yield f"{path}#{number}", blob if isinstance(blob, bytes) else b""


def older(root: Root) -> str | None:
    """A database in a format that is not supported."""
    paths = (f"{place}/{name}" for place in _PLACES for name in _OLD)
    return next((path for path in paths if root.stat(path) is not None), None)


# What was not written back yet is in the -wal file, which immutable ignores: a copy is read then.
@contextmanager
def _opened(root: Root, path: str) -> Iterator[sqlite3.Connection]:
    outside = root.outside(root.resolve(path))
    with tempfile.TemporaryDirectory(prefix="killtrail-") as folder:
        wal = root.read(f"{path}-wal", _WAL_MOST)
        if wal:
            shutil.copyfile(outside, f"{folder}/rpmdb.sqlite", follow_symlinks=False)
            Path(folder, "rpmdb.sqlite-wal").write_bytes(wal)
            uri = f"file:{folder}/rpmdb.sqlite"
        else:
            uri = f"file:{quote(outside)}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            yield database


def _package(root: Root, index: Index, where: str, blob: bytes) -> list[tuple[str, Owned]]:
    try:
        head = header(blob)
        name = next(iter(head.strings(_NAME)), "?")
        index.installed(name, next(iter(head.strings(_ARCH)), ""))
        return list(_files(root, head, name))
    except (ValueError, IndexError, struct.error) as error:
        if len(index.problems) < _PROBLEMS_MOST:
            index.problems.append(ParseProblem(ID, where, f"a broken header: {error}"))
        return []


def owner(root: Root, paths: set[str]) -> dict[str, str]:
    """The packages of a few files of any kind; none if the database can't be read."""
    wanted = {root.settle(path): path for path in paths}
    found: dict[str, str] = {}
    try:
        for where, blob in blobs(root):
            for place, owned in _package(root, Index(ID), where, blob):
                if place in wanted:
                    found[wanted[place]] = owned.package
    except (sqlite3.Error, OSError):
        return found
    return found


def header(blob: bytes) -> Header:
    """A header; ValueError or struct.error where it is broken."""
    count, size = struct.unpack_from(">II", blob)
    start = 8 + count * _ENTRY.size
    if count > 1 << 16 or start + size > len(blob):
        raise ValueError("its counts exceed its size")
    entries = {
        tag: (kind, at, number)
        for tag, kind, at, number in _ENTRY.iter_unpack(blob[8:start])
        if number <= size
    }
    return Header(entries, blob[start : start + size])


def _files(root: Root, head: Header, package: str) -> Iterator[tuple[str, Owned]]:
    names, folders = head.strings(_NAMES), head.strings(_FOLDERS)
    digests, flags = head.strings(_DIGESTS), head.numbers(_FLAGS)
    algorithm = _ALGORITHMS.get(next(iter(head.numbers(_ALGORITHM)), 1))
    for number, (name, folder) in enumerate(zip(names, head.numbers(_FOLDER_OF), strict=False)):
        flag = flags[number] if number < len(flags) else 0
        digest = digests[number] if number < len(digests) and algorithm else None
        owned = Owned(
            package,
            None if flag & _GHOST else digest or None,
            algorithm or "md5",
            config=bool(flag & _CONFIG),
        )
        yield root.settle(folders[folder] + name), owned

"""Programs compared with packages from elsewhere: .deb files trusted by the user or by a signature.

Root can change the digests on a host, but not a package that a signed list names:
InRelease (signed) holds the digest of Packages, that holds the digest of the .deb, and that holds the
files (deb(5), apt-secure(8)). Every answer says which step of this chain was reached.
"""

import hashlib
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from killtrail._slotted import dataclass, field
from killtrail.errors import UsageError
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.trust import openpgp, rpm_headers
from killtrail.trust.packages import dpkg, rpm
from killtrail.trust.packages.index import IS_PROGRAM
from killtrail.trust.root import Root

_AR: Final = b"!<arch>\n"
_AR_HEADER: Final = 60
_SMALL: Final = 64 << 20
_LIST_MOST: Final = 512 << 20
_ENTRY: Final = re.compile(rb"^ ([0-9a-f]{64}) +\d+ (\S*Packages(?:\.\w+)?)$", re.MULTILINE)
_SHA256: Final = re.compile(rb"^SHA256: ([0-9a-f]{64})$", re.MULTILINE)
_RPM_KEYS: Final = "/etc/pki/rpm-gpg"
_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_BROKEN: Final = (tarfile.TarError, OSError, EOFError, ValueError, lzma.LZMAError, zlib.error)


@dataclass(slots=True)
class _Given:
    """What the paths hold."""

    packages: list[Path] = field(default_factory=list)
    releases: list[Path] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    rings: list[Path] = field(default_factory=list)


def checks(root: Root, paths: tuple[str, ...], *, deep: bool) -> Iterator[Check]:
    """One check per package; contradicted for each program that is not the package's."""
    given = _given(paths)
    ring, whose = _ring(root, given)
    vouched = _vouched(given, ring, whose)
    versions = dpkg.versions(root)
    for path in given.packages:
        signer = vouched.get(_digest(path))
        rung = f"signed by {signer}" if signer else "your own choice: no signed list names it"
        yield from _package(root, path, rung, versions, deep=deep)
    headers = list(rpm_headers.checks(root, ring, whose)) if rpm.there(root) else []
    yield from headers
    if not given.packages and not headers:
        yield _check(
            Result.NOT_CHECKABLE,
            "packages",
            ", ".join(map(visible, paths)),
            "it holds no .deb",
        )


def _given(paths: tuple[str, ...]) -> _Given:
    found = _Given()
    for text in paths:
        top = Path(text)
        if not top.exists():
            raise UsageError(f"{text}: no such file or folder")
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if not path.is_file():
                continue
            if path.suffix == ".deb":
                found.packages.append(path)
            elif path.name.endswith("InRelease"):
                found.releases.append(path)
            elif re.search(r"Packages(?:\.\w+)?$", path.name):
                found.lists.append(path)
            elif path.suffix in (".gpg", ".asc", ".pgp"):
                found.rings.append(path)
    return found


def _ring(root: Root, given: _Given) -> tuple[list[openpgp.Key], str]:
    ring = [key for path in given.rings for key in openpgp.keys(_bytes(path, _SMALL))]
    if ring:
        return ring, "your keyring"
    places = [_KEYRING, *(f"{_RPM_KEYS}/{name}" for name in root.names(_RPM_KEYS))]
    ring = [key for place in places for key in openpgp.keys(root.read(place, _SMALL) or b"")]
    return ring, "the keyring of the examined system, which its root could have changed"


# Digests of packages that signed lists name, and the signing key.
def _vouched(given: _Given, ring: list[openpgp.Key], whose: str) -> dict[str, str]:
    listed: dict[str, str] = {}
    for release in given.releases:
        verified = openpgp.verified(_bytes(release, _SMALL), ring)
        if verified is not None:
            text, key = verified
            listed |= {m[1].decode(): f"key {key} of {whose}" for m in _ENTRY.finditer(text)}
    found: dict[str, str] = {}
    for path in given.lists:
        raw = _bytes(path, _LIST_MOST)
        signer = listed.get(hashlib.sha256(raw).hexdigest())
        if signer is not None:
            found |= {m[1].decode(): signer for m in _SHA256.finditer(_unpacked(path, raw))}
    return found


def _unpacked(path: Path, raw: bytes) -> bytes:
    try:
        if path.suffix == ".xz":
            return lzma.LZMADecompressor().decompress(raw, _LIST_MOST)
        if path.suffix == ".gz":
            return zlib.decompressobj(31).decompress(raw, _LIST_MOST)
    except _BROKEN:
        return b""
    return raw


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package(
    root: Root, path: Path, rung: str, versions: dict[str, str], *, deep: bool
) -> Iterator[Check]:
    by = visible(path.name)
    compared = 0
    off: list[str] = []
    try:
        name, version = _identity(path)
        if versions.get(name) != version:
            here = versions.get(name, "none")
            says = f"it has {visible(name)} {visible(version)}, installed is {visible(here)}"
            yield _check(Result.NOT_CHECKABLE, visible(path.name), by, says)
            return
        for place, wanted in _programs(path, deep=deep):
            inside = root.settle(place)
            digest = root.digest(inside, "sha256")
            compared += digest is not None
            if digest is not None and digest != wanted:
                off.append(inside)
    except _BROKEN as error:
        yield _check(
            Result.NOT_CHECKABLE, visible(path.name), by, f"not to be read: {visible(str(error))}"
        )
        return
    for inside in off:
        says = f"it is not the program that its package has ({rung})"
        yield _check(Result.CONTRADICTED, visible(inside), by, says)
    if not off:
        says = f"its programs, {compared} of them here, are as it has them ({rung})"
        yield _check(Result.CONSISTENT, by, by, says)


def _identity(path: Path) -> tuple[str, str]:
    with path.open("rb") as file, _member(file, "control.tar") as archive:
        for entry in archive:
            held = archive.extractfile(entry) if entry.name.lstrip("./") == "control" else None
            if held is not None:
                lines = held.read(1 << 20).decode("utf-8", "surrogateescape").split("\n")
                fields = {line.partition(": ")[0]: line.partition(": ")[2] for line in lines}
                return fields.get("Package", "?"), fields.get("Version", "?")
    raise ValueError("it has no control file")


def _programs(path: Path, *, deep: bool) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file, _member(file, "data.tar") as archive:
        for entry in archive:
            place = "/" + entry.name.lstrip("./")
            wanted = entry.isreg() and (deep or IS_PROGRAM.fullmatch(os.fsencode(place)))
            held = archive.extractfile(entry) if wanted and entry.mode & 0o111 else None
            if held is not None:
                yield place, _of_stream(held)


def _of_stream(held: IO[bytes]) -> str:
    state = hashlib.sha256()
    while block := held.read(1 << 20):
        state.update(block)
    return state.hexdigest()


# ar(5): sixty bytes before each member, its size in decimal; members begin at even places.
def _member(file: IO[bytes], start: str) -> tarfile.TarFile:
    if file.read(len(_AR)) != _AR:
        raise ValueError("not a Debian package")
    while len(head := file.read(_AR_HEADER)) == _AR_HEADER:
        name, size = head[:16].decode("ascii", "replace").strip().rstrip("/"), int(head[48:58])
        if name.startswith(start):
            kind = {".xz": "xz", ".gz": "gz", ".bz2": "bz2", "": "tar"}.get(
                name.removeprefix(start)
            )
            if kind is None:
                raise ValueError(f"{name}: nothing here unpacks that")
            return tarfile.open(fileobj=file, mode=f"r|{kind}")  # type: ignore[call-overload,no-any-return]
        file.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError(f"it has no {start}")


def _check(result: Result, subject: str, by: str, says: str) -> Check:
    return Check(CheckId.SIGNED_CHAIN, subject, result, by, says, layer=Layer.TOOLS)

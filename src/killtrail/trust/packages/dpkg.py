"""dpkg's database: var/lib/dpkg/info/*.list and *.md5sums, status, diversions (deb(5), dpkg(1)).

Paths are recorded as the package has them: `/bin/ps` on a system where /bin is /usr/bin. So the links
of each path's folder are followed before anything is compared. A diverted file has another name,
unless it belongs to the diverting package. Alternatives are links without an owner.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.events import ParseProblem
from killtrail.trust.packages.index import PROGRAMS, Index, Owned
from killtrail.trust.root import Root

ID: Final = "dpkg"
_INFO: Final = "/var/lib/dpkg/info"
_STATUS: Final = "/var/lib/dpkg/status"
_DIVERSIONS: Final = "/var/lib/dpkg/diversions"
_PATH: Final = re.compile(rb"^/(.+)$", re.MULTILINE)
_PROGRAM: Final = re.compile(rb"^/(%s)$" % PROGRAMS, re.MULTILINE)
_SUM: Final = re.compile(rb"^([0-9a-fA-F]{32})  (?:\./)?(.+)$", re.MULTILINE)
_PROGRAM_SUM: Final = re.compile(rb"^([0-9a-fA-F]{32})  (?:\./)?(%s)$" % PROGRAMS, re.MULTILINE)
_CONFFILE: Final = re.compile(rb" /(.+) ([0-9a-f]{32})(?: obsolete)?")
_PROBLEMS_MOST: Final = 100
_FILE_MOST: Final = 64 << 20
_FILES_MOST: Final = 4_000_000
"""Paths in all; large systems have a million."""


@dataclass(slots=True)
class _Reader:
    root: Root
    index: Index
    diverted: dict[str, tuple[str, str]]
    """From -> (to, package whose own file stays)."""
    everything: bool

    def put(self, raw: bytes, owned: Owned, *, unless: bool = False) -> None:
        path = "/" + raw.decode("utf-8", "surrogateescape")
        found = self.diverted.get(path)
        if found is not None and found[1] != owned.package:
            path = found[0]
        path = self.root.settle(path)
        if unless:
            self.index.files.setdefault(path, owned)
        elif len(self.index.files) < _FILES_MOST:
            self.index.files[path] = owned

    def text(self, name: str) -> bytes:
        found = self.root.read(f"{_INFO}/{name}", _FILE_MOST)
        if found is None:
            self.problem(name, "can't be read")
        return found or b""

    def problem(self, where: str, what: str) -> None:
        if len(self.index.problems) < _PROBLEMS_MOST:
            self.index.problems.append(ParseProblem(ID, where, what))


def read(root: Root, *, everything: bool = False) -> Index | None:
    """The database of a Debian-like system, of programs and libraries or of everything; None without one."""
    names = root.names(_INFO)
    if root.stat(_STATUS) is None or not names:
        return None
    reader = _Reader(root, Index(ID), _diversions(root), everything)
    _summed(reader, [n for n in names if n.endswith(".md5sums")])
    _owned(reader, [n for n in names if n.endswith(".list")])
    _status(reader)
    return reader.index


def _diversions(root: Root) -> dict[str, tuple[str, str]]:
    lines = [line.decode("utf-8", "surrogateescape") for line in root.lines(_DIVERSIONS)]
    whole = len(lines) - len(lines) % 3
    return {lines[i]: (lines[i + 1], lines[i + 2]) for i in range(0, whole, 3)}


def _package(name: str) -> str:
    return name.rpartition(".")[0].partition(":")[0]


def _summed(reader: _Reader, names: list[str]) -> None:
    pattern = _SUM if reader.everything else _PROGRAM_SUM
    for name in names:
        package, text = _package(name), reader.text(name)
        for match in pattern.finditer(text):
            reader.put(match[2], Owned(package, match[1].decode("ascii").lower()))
        broken = sum(1 for line in text.splitlines() if line and line[32:34] != b"  ")
        if broken:
            reader.problem(name, f"{broken} lines that are not a digest and a path")


# A path in several packages' lists is shared on purpose: the package with a digest decides.
def _owned(reader: _Reader, names: list[str]) -> None:
    pattern = _PATH if reader.everything else _PROGRAM
    for name in names:
        nothing = Owned(_package(name), None)
        for match in pattern.finditer(reader.text(name)):
            reader.put(match[1], nothing, unless=True)


def _status(reader: _Reader) -> None:
    for name, architecture, conffiles in _paragraphs(reader.root):
        reader.index.installed(name, architecture)
        if reader.everything:
            for path, digest in conffiles:
                reader.put(path, Owned(name, digest.decode("ascii"), config=True))


def _paragraphs(root: Root) -> Iterator[tuple[str, str, list[tuple[bytes, bytes]]]]:
    name, architecture = "", ""
    conffiles: list[tuple[bytes, bytes]] = []
    for line in root.lines(_STATUS):
        if not line:
            if name:
                yield name, architecture, conffiles
            name, architecture, conffiles = "", "", []
        elif line.startswith(b"Package: "):
            name = line[9:].decode("ascii", "replace")
        elif line.startswith(b"Architecture: "):
            architecture = line[14:].decode("ascii", "replace")
        elif line.startswith(b" /") and (match := _CONFFILE.fullmatch(line)):
            conffiles.append((match[1], match[2]))
    if name:
        yield name, architecture, conffiles


def versions(root: Root) -> dict[str, str]:
    """Installed packages and their versions."""
    found: dict[str, str] = {}
    name = ""
    for line in root.lines(_STATUS):
        if line.startswith(b"Package: "):
            name = line[9:].decode("utf-8", "replace")
        elif line.startswith(b"Version: "):
            found[name] = line[9:].decode("utf-8", "replace")
    return found


def owner(root: Root, paths: set[str]) -> dict[str, str]:
    """The packages of a few files, by the lists alone; for what the index of programs leaves out."""
    wanted = {root.settle(path): path for path in paths}
    names = {path.rpartition("/")[2].encode("utf-8", "surrogateescape") for path in paths}
    pattern = re.compile(rb"^/(.*(?:%s))$" % b"|".join(map(re.escape, names)), re.MULTILINE)
    found: dict[str, str] = {}
    for name in root.names(_INFO) if paths else ():
        if not name.endswith(".list"):
            continue
        for match in pattern.finditer(root.read(f"{_INFO}/{name}", _FILE_MOST) or b""):
            place = root.settle("/" + match[1].decode("utf-8", "surrogateescape"))
            if place in wanted:
                found[wanted[place]] = _package(name)
    return found

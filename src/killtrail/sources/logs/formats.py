"""Which format each file has, and the sources in a set of files."""

import os
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError, UsageError
from killtrail.files.opened import Piece, open_piece
from killtrail.model.events import ParseProblem
from killtrail.sources import catalogue
from killtrail.sources.base import Descriptor, Match, Source

_FILES_MOST: Final = 4096
_LOG_FOLDERS: Final = ("var/log", "run/log")
"""Of a copied root only these are read."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a set of paths holds: sources, files of an unknown format, files that can't be read."""

    sources: tuple[Source, ...]
    unknown: tuple[str, ...]
    problems: tuple[ParseProblem, ...]

    def close(self) -> None:
        """Closes all sources."""
        for each in self.sources:
            each.close()


def open_paths(paths: list[str]) -> Evidence:
    """Opens files and folders. Raises `UsageError` for a path that does not exist."""
    sorter = _Sorter()
    for path in _files(paths):
        try:
            sorter.take(open_piece(path))
        except UnavailableError as error:
            sorter.problems.append(ParseProblem("files", path, str(error)))
    return sorter.opened()


class _Sorter:
    """Files by format: some formats read several of their files as one."""

    def __init__(self) -> None:
        self.problems: list[ParseProblem] = []
        self._unknown: list[str] = []
        self._found: dict[str, tuple[Descriptor, list[Piece]]] = {}

    def take(self, piece: Piece) -> None:
        """Gives one file to the formats that claim it; closes it where none does."""
        sample = piece.head()
        if not sample:
            if piece.cut:
                self.problems.append(
                    ParseProblem("files", piece.path, f"{piece.path}: {piece.cut}")
                )
            piece.close()
            return
        claims = list(_claims(piece, sample))
        if not claims:
            self._unknown.append(piece.path)
            piece.close()
        for number, descriptor in enumerate(claims):
            own = piece if number == 0 else piece.again()
            self._found.setdefault(descriptor.id, (descriptor, []))[1].append(own)

    def opened(self) -> Evidence:
        """The whole content."""
        sources: list[Source] = []
        for descriptor, pieces in self._found.values():
            assert descriptor.open_files is not None  # noqa: S101 -- it has claimed files
            found = descriptor.open_files(pieces)
            sources.extend(found.sources)
            self.problems.extend(
                ParseProblem("files", path, f"{path}: {why}") for path, why in found.problems
            )
        return Evidence(tuple(sources), tuple(self._unknown), tuple(self.problems))


# In the catalogue's order. A format that only has a part of the lines leaves the rest to one other.
def _claims(piece: Piece, sample: bytes) -> Iterator[Descriptor]:
    for descriptor in catalogue.formats():
        match = descriptor.looks(piece, sample) if descriptor.looks else Match.NO
        if match is not Match.NO:
            yield descriptor
        if match is Match.WHOLE:
            return


def _files(paths: list[str]) -> Iterator[str]:
    count = 0
    for text in paths:
        if not os.path.exists(text):
            raise UsageError(f"{text}: no such file or folder")
        # One spelling for one place, as hosts are told apart by folders; `..` may follow a link.
        path = text if ".." in text.split("/") else os.path.normpath(text)
        for each in _below(path) if os.path.isdir(path) else (path,):
            count += 1
            if count > _FILES_MOST:
                raise UsageError(f"more than {_FILES_MOST} files", "name the logs that matter")
            yield each


# os.walk does not follow links to folders, so no loop can hold it.
def _below(folder: str) -> Iterator[str]:
    logs = [each for name in _LOG_FOLDERS if os.path.isdir(each := os.path.join(folder, name))]
    for top in logs or [folder]:
        for root, folders, files in os.walk(top):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(root, name)
                if os.path.isfile(path):
                    yield path

"""Which format a file has, and the evidence in a set of files."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from killtrail.errors import UnavailableError, UsageError
from killtrail.model.clock import Boot
from killtrail.model.events import ParseProblem
from killtrail.sources.kept import Kept
from killtrail.sources.logs import ftrace, kernlog, strace, tables
from killtrail.sources.logs.audit import log as audit
from killtrail.sources.logs.pieces import Piece, open_piece
from killtrail.sources.logs.stream import Parser, Stream

_UNDATED: Final = Boot("", None, timed=False)
_SINCE_BOOT: Final = Boot("", None)
_FILES_MOST: Final = 4096


@dataclass(frozen=True, slots=True)
class Opened:
    """What a set of paths holds: evidence, files of no known format, and what can't be read."""

    kept: tuple[Kept, ...]
    unknown: tuple[str, ...]
    problems: tuple[ParseProblem, ...]

    def close(self) -> None:
        """Closes all."""
        for each in self.kept:
            each.close()


def open_paths(paths: list[str]) -> Opened:
    """Opens files and folders. Raises `UsageError` for a path that is not there."""
    pieces: list[Piece] = []
    problems: list[ParseProblem] = []
    for path in _files(paths):
        try:
            pieces.append(open_piece(path))
        except UnavailableError as error:
            problems.append(ParseProblem("files", str(path), str(error)))
    logs: dict[str, list[Piece]] = {}
    kept: list[Kept] = []
    unknown: list[str] = []
    for piece in pieces:
        sample = piece.head()
        stream = _stream(piece, sample)
        if audit.looks(sample):
            # A kernel's log has audit records and other lines.
            own = piece if stream is None else piece.again()
            logs.setdefault(os.path.dirname(piece.path), []).append(own)  # noqa: PTH120
        elif stream is None:
            unknown.append(piece.path)
            piece.close()
        if stream is not None:
            kept.append(stream)
    kept.extend(audit.AuditLog(together) for together in logs.values())
    return Opened(tuple(kept), tuple(unknown), tuple(problems))


def _stream(piece: Piece, sample: bytes) -> Stream | None:
    for kind, looks, parse in _FORMATS:
        if looks(sample):
            return Stream(kind, piece, parse, _clock(kind, sample))
    return None


def _clock(kind: str, sample: bytes) -> Boot:
    if kind == ftrace.ID:
        return _SINCE_BOOT
    if kind == kernlog.ID:
        return {True: Boot("", 0), False: _SINCE_BOOT, None: _UNDATED}[kernlog.dated(sample)]
    return Boot("", 0) if kind == strace.ID and strace.dated(sample) else _UNDATED


_FORMATS: Final[tuple[tuple[str, Callable[[bytes], bool], Parser], ...]] = (
    (ftrace.ID, ftrace.looks, ftrace.parse),
    (tables.SIGMON, tables.looks_sigmon, tables.sigmon),
    (tables.KILLSNOOP, tables.looks_killsnoop, tables.killsnoop),
    (strace.ID, strace.looks, strace.parse),
    (kernlog.ID, kernlog.looks, kernlog.parse),
)


def _files(paths: list[str]) -> Iterator[Path]:
    count = 0
    for text in paths:
        path = Path(text)
        if not path.exists():
            raise UsageError(f"{text}: no such file or folder")
        for each in _below(path) if path.is_dir() else (path,):
            count += 1
            if count > _FILES_MOST:
                raise UsageError(f"more than {_FILES_MOST} files", "name the logs that matter")
            yield each


# os.walk does not follow links to folders, so no loop can hold it.
def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            if path.is_file():
                yield path

"""Which format a file has, and the evidence in a set of files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from killtrail.errors import UnavailableError, UsageError
from killtrail.model.events import ParseProblem
from killtrail.sources.kept import Kept
from killtrail.sources.logs.audit import log as audit
from killtrail.sources.logs.pieces import Piece, open_piece

_FILES_MOST: Final = 4096
_JOURNAL: Final = b"LPKSHHRH"
"""How a binary journal file begins."""


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
        if not piece.size:
            piece.close()
            continue
        sample = piece.head()
        if sample.startswith(_JOURNAL):
            piece.close()
            stream = _journal(str(path))
            if stream is None:
                problems.append(
                    ParseProblem(
                        "journal", str(path), f"{path}: needs journalctl (apt-get install systemd)"
                    )
                )
            else:
                kept.append(stream)
            continue
        audited = audit.looks(sample)
        pure = audited and sample.startswith((b"type=", b"node="))
        stream = None if pure else _text(piece, sample)
        if audited:
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


def _journal(path: str) -> Kept | None:
    from killtrail.sources.logs import journal, texts  # noqa: PLC0415

    piece = journal.from_binary(path)
    return texts.journal_stream(piece) if piece is not None else None


def _text(piece: Piece, sample: bytes) -> Kept | None:
    from killtrail.sources.logs import texts  # noqa: PLC0415 -- not for a log that is audit's alone

    return texts.stream(piece, sample)


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


_LOG_FOLDERS: Final = ("var/log", "run/log")
"""Of a copied root only these are read."""


# os.walk does not follow links to folders, so no loop can hold it.
def _below(folder: Path) -> Iterator[Path]:
    logs = [folder / name for name in _LOG_FOLDERS if (folder / name).is_dir()]
    for top in logs or [folder]:
        for root, folders, files in os.walk(top):
            folders.sort()
            for name in sorted(files):
                path = Path(root, name)
                if path.is_file():
                    yield path

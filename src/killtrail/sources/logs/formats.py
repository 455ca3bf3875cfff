"""Which format a file has, and the evidence in a set of files."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from killtrail._slotted import dataclass
from killtrail.errors import UnavailableError, UsageError
from killtrail.files.opened import Piece, open_piece
from killtrail.model.events import ParseProblem
from killtrail.sources.kept import Kept
from killtrail.sources.logs.audit import log as audit

if TYPE_CHECKING:
    from killtrail.recorder.tracefs.formats import Format

_FILES_MOST: Final = 4096
_CONTAINERS: Final = {
    b"LPKSHHRH": ("journalctl", "systemd"),
    b"\x17\x08\x44tracing": ("trace-cmd", "trace-cmd"),
}
"""Binary files that their own program turns into text: how they begin, that program, its package."""
_FORM: Final = b"name: signal_generate"


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
    sorter = _Sorter()
    for path in _files(paths):
        try:
            sorter.take(open_piece(path))
        except UnavailableError as error:
            sorter.problems.append(ParseProblem("files", path, str(error)))
    return sorter.opened()


class _Sorter:
    """Files by what they are; some only make sense together."""

    def __init__(self) -> None:
        self.problems: list[ParseProblem] = []
        self._kept: list[Kept] = []
        self._unknown: list[str] = []
        self._logs: dict[str, list[Piece]] = {}
        self._pages: list[Piece] = []
        self._forms: list[Format] = []

    def take(self, piece: Piece) -> None:
        """Puts one file where it belongs."""
        sample = piece.head()
        if not sample:
            piece.close()
        elif sample.startswith(tuple(_CONTAINERS)):
            self._unpack(piece, sample)
        elif sample.startswith(_FORM) or not sample.isascii():
            self._binary(piece, sample)
        else:
            self._text(piece, sample)

    def _unpack(self, piece: Piece, sample: bytes) -> None:
        from killtrail.sources.logs import journal, rawtrace, texts  # noqa: PLC0415

        piece.close()
        program, package = next(v for k, v in _CONTAINERS.items() if sample.startswith(k))
        dat = sample.startswith(rawtrace.DAT)
        text = rawtrace.as_text(piece.path) if dat else journal.from_binary(piece.path)
        if text is None:
            what = f"{piece.path}: {program} could not read it, or is missing (apt-get install {package})"
            self.problems.append(ParseProblem("files", piece.path, what))
        elif dat:
            self._text(text, text.head())
        else:
            self._kept.append(texts.journal_stream(text))

    def _binary(self, piece: Piece, sample: bytes) -> None:
        from killtrail.sources.logs import rawtrace  # noqa: PLC0415

        form = rawtrace.description(sample)
        if form is not None:
            self._forms.append(form)
            piece.close()
        elif rawtrace.looks(sample, piece.size):
            self._pages.append(piece)
        else:
            self._text(piece, sample)

    def _text(self, piece: Piece, sample: bytes) -> None:
        audited = audit.looks(sample)
        pure = audited and sample.startswith((b"type=", b"node="))
        stream = None if pure else _stream(piece, sample)
        if audited:
            # A kernel's log has audit records and other lines.
            own = piece if stream is None else piece.again()
            self._logs.setdefault(os.path.dirname(piece.path), []).append(own)
        elif stream is None:
            self._unknown.append(piece.path)
            piece.close()
        if stream is not None:
            self._kept.append(stream)

    def opened(self) -> Opened:
        """The whole content."""
        self._kept.extend(audit.AuditLog(together) for together in self._logs.values())
        if self._pages:
            self._raw()
        return Opened(tuple(self._kept), tuple(self._unknown), tuple(self.problems))

    def _raw(self) -> None:
        from killtrail.sources.logs import rawtrace, texts  # noqa: PLC0415

        for piece in self._pages:
            if self._forms:
                self._kept.append(texts.pages_stream(piece, rawtrace.Pages(self._forms[0])))
                continue
            what = (
                f"{piece.path}: raw pages need the event format of their kernel: copy "
                "/sys/kernel/tracing/events/signal/signal_generate/format next to them"
            )
            self.problems.append(ParseProblem("files", piece.path, what))
            piece.close()


def _stream(piece: Piece, sample: bytes) -> Kept | None:
    from killtrail.sources.logs import texts  # noqa: PLC0415 -- not for a log that is audit's alone

    return texts.stream(piece, sample)


def _files(paths: list[str]) -> Iterator[str]:
    count = 0
    for text in paths:
        if not os.path.exists(text):
            raise UsageError(f"{text}: no such file or folder")
        # One spelling per path, as folders separate machines; `..` may follow a link.
        path = text if ".." in text.split("/") else os.path.normpath(text)
        for each in _below(path) if os.path.isdir(path) else (path,):
            count += 1
            if count > _FILES_MOST:
                raise UsageError(f"more than {_FILES_MOST} files", "name the logs that matter")
            yield each


_LOG_FOLDERS: Final = ("var/log", "run/log")
"""Of a copied root only these are read."""


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

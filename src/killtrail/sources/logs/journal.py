"""systemd's journal, as `journalctl -o json` gives it: from a file of that form, or from journal files.

systemd.journal-fields(7). Fields that begin with an underscore come from journald; MESSAGE comes
from the writer. Binary files are read by journalctl itself, which knows their compression and their
damage.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from killtrail.files.opened import Piece
from killtrail.model.clock import NS
from killtrail.model.events import Event, ParseProblem
from killtrail.sources.base import Descriptor, Match, Opened, Source, Usable
from killtrail.sources.logs import kernel_reports, kernlog, oom
from killtrail.sources.logs.kernel_lines import Line
from killtrail.sources.logs.literals import Literal
from killtrail.sources.logs.searched import SearchedLog
from killtrail.sources.logs.stream import WALL

ID: Final = "journal"
MAGIC: Final = b"LPKSHHRH"
_ENTRY_MOST: Final = 1 << 20
_SLACK_NS: Final = 60 * NS
_STAMP: Final = re.compile(rb'"__REALTIME_TIMESTAMP" ?: ?"(\d{1,18})"')
_DIGITS: Final = 18


def looks(sample: bytes) -> bool:
    """Whether a file is journalctl's JSON."""
    return sample.startswith(b"{") and b'"__REALTIME_TIMESTAMP"' in sample[:65536]


def read(offset: int, raw: bytes) -> Line | None:
    """One entry; None where it can't be read."""
    fields = entry(raw)
    return None if fields is None else line_of(offset, fields)


def entry(raw: bytes) -> dict[str, Any] | None:
    """The fields of one entry."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def line_of(offset: int, fields: dict[str, Any]) -> Line | None:
    """What `told` reads of an entry; None where its text or its time is missing."""
    message, stamp = fields.get("MESSAGE"), fields.get("__REALTIME_TIMESTAMP")
    # Text that is not UTF-8 comes as a list of bytes.
    if isinstance(message, list):
        message = bytes(b for b in message if isinstance(b, int) and 0 <= b < 256).decode(  # noqa: PLR2004
            "utf-8", "surrogateescape"
        )
    if (
        not isinstance(message, str)
        or not isinstance(stamp, str)
        or not stamp.isdecimal()
        or len(stamp) > _DIGITS
    ):
        return None
    kernel = fields.get("_TRANSPORT") == "kernel"
    tag = "kernel" if kernel else fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM") or "?"
    # Any program may use the identifier systemd; journald itself records the process that wrote it.
    pid = fields.get("_PID")
    if tag == "systemd" and pid != "1":
        tag = "?"
    return Line(
        offset,
        message,
        int(stamp) * 1000,
        None,
        fields.get("_HOSTNAME") if isinstance(fields.get("_HOSTNAME"), str) else None,
        str(tag),
        int(pid) if isinstance(pid, str) and pid.isdecimal() and len(pid) < _DIGITS else None,
    )


class JournalText:
    """journalctl's JSON in a file, as a form that is searched."""

    literals: tuple[Literal, ...] = kernel_reports.OF_ENTRIES
    carriers: tuple[bytes, ...] = kernel_reports.CARRIERS
    near = oom.CUT_REACH
    slack_ns: int | None = _SLACK_NS

    def __init__(self, piece: Piece) -> None:
        self._piece = piece

    def parse(self, low: int, high: int) -> Iterator[tuple[int, Event | ParseProblem]]:
        """(offset, event) of the entries in [low, high); a problem for each that can't be read."""
        bad: list[int] = []

        def timed() -> Iterator[tuple[int | None, Line]]:
            for offset, raw in self._piece.lines(_ENTRY_MOST, low, high):
                line = read(offset, raw)
                if line is None:
                    bad.append(offset)
                else:
                    yield line.wall_ns, line

        yield from kernlog.told(self._piece, timed(), ID, kernel_reports.ENTRY)
        for offset in bad:
            where = self._piece.place(offset)
            yield offset, ParseProblem(ID, where, "an entry that is not JSON of journalctl")

    def begins(self, offset: int) -> int:
        """Where the report begins whose kill stands at an offset."""
        return kernel_reports.begins(self._piece, offset, _kernel_text, kernel_reports.ENTRY)

    def time(self, raw: bytes) -> int | None:
        """When an entry was received."""
        match = _STAMP.search(raw)
        return int(match[1]) * 1000 if match else None


def _kernel_text(at: int, raw: bytes) -> str:
    line = read(at, raw)
    return line.text if line is not None and line.by_kernel else ""


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """All events of a file of JSON."""
    return (event for _, event in JournalText(piece).parse(0, piece.size))


def _opened(pieces: list[Piece]) -> Opened:
    sources: list[Source] = []
    folders: dict[str, list[str]] = {}
    for piece in pieces:
        if piece.head().startswith(MAGIC):
            folders.setdefault(piece.path.rpartition("/")[0], []).append(piece.path)
            piece.close()
        else:
            sources.append(SearchedLog(ID, piece, JournalText(piece), WALL))
    if not folders:
        return Opened(tuple(sources))
    from killtrail.sources.logs import journalctl  # noqa: PLC0415 -- starts a program

    if not journalctl.there():
        return Opened(
            tuple(sources),
            tuple((path, journalctl.MISSING) for paths in folders.values() for path in paths),
        )
    sources.extend(journalctl.of_files(paths) for paths in folders.values())
    return Opened(tuple(sources))


def _probe() -> Usable:
    from killtrail.sources.logs import journalctl  # noqa: PLC0415 -- starts a program

    return journalctl.probe()


def _open_here() -> list[Source]:
    from killtrail.sources.logs import journalctl  # noqa: PLC0415 -- starts a program

    return [journalctl.of_this_host(all_boots=True)]


DESCRIPTOR: Final = Descriptor(
    id=ID,
    what="systemd's journal: its files, or `journalctl -o json`",
    yields="as kernlog; units that were stopped, killed, timed out, missed their watchdog or ran out of"
    " memory; who asked for a shutdown",
    silent_about="which client asked systemd; signals of other programs",
    needs="the file; journalctl for binary files",
    clock="wall clock",
    completeness="what journald kept; rate limits drop entries",
    places=("/var/log/journal", "/run/log/journal"),
    probe=_probe,
    open_here=_open_here,
    looks=lambda _piece, sample: (
        Match.WHOLE if sample.startswith(MAGIC) or looks(sample) else Match.NO
    ),
    open_files=_opened,
)

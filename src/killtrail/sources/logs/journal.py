"""systemd's journal, as `journalctl -o json` gives it: from a file of that form, or from journal files.

systemd.journal-fields(7). Fields that begin with an underscore come from journald; MESSAGE comes
from the writer. Binary files are read by journalctl itself, which knows their compression and their
damage.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any, Final

from killtrail.files.opened import CHUNK, Piece
from killtrail.sources.base import Descriptor, Match, Opened, Source
from killtrail.sources.logs.kernel_lines import Line
from killtrail.sources.logs.stream import WALL, Stream

ID: Final = "journal"
MAGIC: Final = b"LPKSHHRH"
_ENTRY_MOST: Final = 1 << 20
_WRITERS: Final = (
    "_TRANSPORT=kernel",
    "_PID=1",
    *(
        f"SYSLOG_IDENTIFIER={name}"
        for name in ("systemd-logind", "sudo", "systemd-shutdown", "systemd-oomd")
    ),
)
_OUTPUT_MOST: Final = 1 << 30
_SECONDS: Final = 60
_DIGITS: Final = 18


def looks(sample: bytes) -> bool:
    """Whether a file is journalctl's JSON."""
    return sample.startswith(b"{") and b'"__REALTIME_TIMESTAMP"' in sample[:65536]


def lines(piece: Piece) -> Iterator[Line | None]:
    """Its entries in the order of the file; None for one that can't be read."""
    for offset, raw in piece.lines(_ENTRY_MOST):
        try:
            entry = json.loads(raw)
            yield _line(offset, entry) if isinstance(entry, dict) else None
        except (ValueError, RecursionError):
            yield None


def _line(offset: int, entry: dict[str, Any]) -> Line | None:
    message, stamp = entry.get("MESSAGE"), entry.get("__REALTIME_TIMESTAMP")
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
    kernel = entry.get("_TRANSPORT") == "kernel"
    tag = "kernel" if kernel else entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "?"
    # Any program may use the identifier systemd; journald itself records the process that wrote it.
    pid = entry.get("_PID")
    if tag == "systemd" and pid != "1":
        tag = "?"
    return Line(
        offset,
        message,
        int(stamp) * 1000,
        None,
        entry.get("_HOSTNAME") if isinstance(entry.get("_HOSTNAME"), str) else None,
        str(tag),
        int(pid) if isinstance(pid, str) and pid.isdecimal() and len(pid) < _DIGITS else None,
    )


def from_binary(path: str) -> Piece | None:
    """A journal file as JSON in a temporary file; None where journalctl is missing or fails."""
    return _run(path, "--file", path)


def of_this_host(*, all_boots: bool, since_s: int = 0) -> Piece | None:
    """Entries of this host's journal by the kernel, systemd and programs that shut down machines."""
    boots = ("--boot", "all") if all_boots else ("--boot",)
    since = ("--since", f"@{since_s}") if since_s else ()
    return _run("journal", *boots, *since)


def _run(name: str, *words: str) -> Piece | None:
    program = shutil.which("journalctl")
    if program is None:
        return None
    wanted = [w for writer in _WRITERS for w in ("+", writer)][1:]
    argv = [program, "-q", "-o", "json", "--no-pager", *words, *wanted]
    with tempfile.TemporaryFile(prefix="killtrail-") as spill:
        cut = _spill(argv, spill)
        spill.flush()
        if not spill.tell():
            return None
        return Piece(name, os.dup(spill.fileno()), spill.tell(), cut)


def _spill(argv: list[str], spill: Any) -> str | None:  # noqa: ANN401 -- tempfile's own type
    process = subprocess.Popen(  # noqa: S603 -- journalctl itself
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None  # noqa: S101 -- a pipe was asked for
    written = 0
    with process.stdout:
        while block := process.stdout.read(CHUNK):
            written += spill.write(block)
            if written > _OUTPUT_MOST:
                process.kill()
                process.wait()
                return f"only its first {written} bytes of JSON"
    process.wait(_SECONDS)
    return None


def _opened(pieces: list[Piece]) -> Opened:
    from killtrail.sources.logs.kernlog import parse_journal  # noqa: PLC0415 -- it imports this

    sources: list[Source] = []
    problems: list[tuple[str, str]] = []
    for piece in pieces:
        text: Piece | None = piece
        if piece.head().startswith(MAGIC):
            piece.close()
            text = from_binary(piece.path)
        if text is None:
            what = "journalctl could not read it, or is missing (apt-get install systemd)"
            problems.append((piece.path, what))
        else:
            sources.append(Stream(ID, text, parse_journal, WALL))
    return Opened(tuple(sources), tuple(problems))


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
    looks=lambda _piece, sample: (
        Match.WHOLE if sample.startswith(MAGIC) or looks(sample) else Match.NO
    ),
    open_files=_opened,
)

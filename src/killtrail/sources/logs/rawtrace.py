"""Raw pages of ftrace (per_cpu/cpuN/trace_pipe_raw) and trace-cmd's .dat files.

Raw pages need the kernel's own format of the event, events/signal/signal_generate/format, copied
next to them: ids and offsets differ between kernels. A name can't imitate a record in them. A .dat
file is turned into text by trace-cmd(1), as its container changes with that program.
"""

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.events import Event, ParseProblem, Provenance, SignalSent
from killtrail.model.process import Key, Process
from killtrail.recorder.tracefs import pages
from killtrail.recorder.tracefs.formats import Format
from killtrail.recorder.tracefs.formats import parse as parse_format
from killtrail.sources.base import Descriptor, Match, Opened, Source
from killtrail.sources.logs import ftrace
from killtrail.sources.logs.stream import SINCE_BOOT, Stream

ID: Final = "ftrace-raw"
DAT: Final = b"\x17\x08\x44tracing"
PAGE: Final = 4096
_HEADER: Final = struct.Struct("<QQ")
_LENGTH: Final = (1 << 20) - 1
_EVENT: Final = "signal_generate"


def looks(sample: bytes, size: int) -> bool:
    """Whether a file is whole pages that begin as the ring buffer's do."""
    if size < PAGE or size % PAGE or len(sample) < PAGE:
        return False
    stamp, commit = _HEADER.unpack_from(sample)
    length = commit & _LENGTH
    page = pages.parse(sample[:PAGE])
    return bool(stamp >> 56 == 0 and 0 < length <= PAGE and not page.damaged and page.records)


def description(sample: bytes) -> Format | None:
    """A file that describes signal_generate; None for any other."""
    if not sample.startswith(b"name: "):
        return None
    try:
        found = parse_format(sample.decode("utf-8", "replace"))
    except ValueError:
        return None
    return found if found.name == _EVENT else None


class Pages:
    """The parser of raw pages, by one kernel's description."""

    def __init__(self, form: Format) -> None:
        self._form = form

    def __call__(self, piece: Piece) -> Iterator[Event | ParseProblem]:
        """The signals in a file of pages; the clock is the trace clock."""
        for offset in range(0, piece.size, PAGE):
            page = pages.parse(os.pread(piece.fd, PAGE, offset))
            where = f"{piece.name}@{offset}"
            if page.damaged:
                yield ParseProblem(ID, where, "a truncated page")
            if page.missed != 0:
                lost = "an unknown number of" if page.missed is None else str(page.missed)
                yield ParseProblem(ID, where, f"{lost} events were lost before this page")
            for number, (time_ns, record) in enumerate(page.records):
                if self._form.number_of(record, "common_type") == self._form.number:
                    yield self._sent(time_ns, record, f"{where}+{number}")

    def _sent(self, time_ns: int, record: bytes, where: str) -> SignalSent:
        form = self._form
        target, current = form.number_of(record, "pid"), form.number_of(record, "common_pid")
        return SignalSent(
            time_ns=time_ns,
            origin=Provenance(ID, where),
            sig=form.number_of(record, "sig"),
            code=form.number_of(record, "code"),
            result=form.number_of(record, "result"),
            group=form.number_of(record, "group") == 1,
            target=Process(
                Key(target, None), comm=form.text_of(record, "comm"), tid=target, user=""
            ),
            current=Process(Key(current, None), tid=current, user=""),
            same_task=current == target,
            same_group=current == target,
        )


def as_text(path: str) -> Piece | None:
    """A .dat file as trace-cmd prints it; None where that is missing or fails."""
    program = shutil.which("trace-cmd")
    if program is None:
        return None
    with tempfile.TemporaryFile(prefix="killtrail-") as text:
        done = subprocess.run(  # noqa: S603 -- trace-cmd itself
            [program, "report", "-i", path], stdout=text, stderr=subprocess.DEVNULL, check=False
        )
        size = os.fstat(text.fileno()).st_size
        if done.returncode or not size:
            return None
        return Piece(path, os.dup(text.fileno()), size)


def _opened(pieces: list[Piece]) -> Opened:
    forms = [form for piece in pieces if (form := description(piece.head())) is not None]
    sources: list[Source] = []
    problems: list[tuple[str, str]] = []
    for piece in pieces:
        head = piece.head()
        if head.startswith(DAT):
            piece.close()
            text = as_text(piece.path)
            if text is None:
                what = "trace-cmd could not read it, or is missing (apt-get install trace-cmd)"
                problems.append((piece.path, what))
            else:
                sources.append(Stream(ftrace.ID, text, ftrace.parse, SINCE_BOOT))
        elif not looks(head, piece.size):
            piece.close()
        elif forms:
            sources.append(Stream(ID, piece, Pages(forms[0]), SINCE_BOOT))
        else:
            problems.append((piece.path, _NO_FORM))
            piece.close()
    return Opened(tuple(sources), tuple(problems))


_NO_FORM: Final = (
    "raw pages need their kernel's description of events: copy"
    " /sys/kernel/tracing/events/signal/signal_generate/format beside them"
)


def _looks(piece: Piece, sample: bytes) -> Match:
    mine = sample.startswith((DAT, b"name: " + _EVENT.encode("ascii"))) or (
        not sample.isascii() and looks(sample, piece.size)
    )
    return Match.WHOLE if mine else Match.NO


DESCRIPTOR: Final = Descriptor(
    id=ID,
    what="raw pages (per_cpu/cpuN/trace_pipe_raw) with their description beside them; trace-cmd's .dat",
    yields="as ftrace; no name can pose as a record",
    silent_about="names of senders: the event has their PID only",
    needs="the kernel's description of its events beside the pages; trace-cmd for .dat files",
    clock="seconds since boot",
    completeness="pages say how many events were lost before them",
    looks=_looks,
    open_files=_opened,
)

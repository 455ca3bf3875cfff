"""What programs logged about exits of their children: testimony, never proof.

A shell's message about a child that a signal killed (job messages of bash and dash), in cron's mail
or any log, and lines of supervisors that print a wait status.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model import signals as sg
from killtrail.model.clock import NS
from killtrail.model.events import Event, ParseProblem, ProcessExited, Provenance
from killtrail.model.process import Key, Process
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs.stream import UNTIMED, WALL, text_format

ID: Final = "testimony"
# strsignal(3) of glibc, as shells print it.
_WORDS: Final = {
    b"Hangup": 1, b"Interrupt": 2, b"Quit": 3, b"Illegal instruction": 4,
    b"Trace/breakpoint trap": 5, b"Aborted": 6, b"Bus error": 7, b"Floating point exception": 8,
    b"Killed": sg.SIGKILL, b"User defined signal 1": 10, b"Segmentation fault": sg.SIGSEGV,
    b"User defined signal 2": 12, b"Broken pipe": 13, b"Alarm clock": 14,
    b"Terminated": sg.SIGTERM, b"CPU time limit exceeded": 24, b"File size limit exceeded": 25,
}  # fmt: skip
_SHELL: Final = re.compile(
    rb"(?P<shell>\S+): (?:line )?\d+: +(?P<pid>\d{1,18}) (?P<word>%s)(?P<core> +\(core dumped\))? +(?P<what>\S.*)$"
    % b"|".join(re.escape(word) for word in _WORDS)
)
_SUPERVISOR: Final = re.compile(
    rb"(?:(?P<sec>\d{9,10})\.(?P<frac>\d{1,9}): )?child (?P<pid>\d{1,18}) exited with status (?P<status>[0-9a-fA-F]{4})\s*$"
)
_DATE: Final = re.compile(rb"Date: (.{10,60})$")


def looks(sample: bytes) -> bool:
    """Whether a file has such lines."""
    lines = sample.split(b"\n")[:500]
    return any(_SHELL.match(line) or _SUPERVISOR.match(line) for line in lines)


def dated(sample: bytes) -> bool:
    """Whether it says when."""
    lines = sample.split(b"\n")[:500]
    return any(_DATE.match(line) or ((m := _SUPERVISOR.match(line)) and m["sec"]) for line in lines)


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Its exits; a mail's date counts for all lines below it."""
    with_dates = dated(piece.head())
    mailed: int | None = None
    for number, (offset, line) in enumerate(piece.lines(), 1):
        origin = Provenance(ID, piece.place(offset))
        if match := _DATE.match(line):
            mailed = _mailed(match[1])
        elif match := _SHELL.match(line):
            time_ns = mailed if with_dates else number
            status = WaitStatus.of_signal(_WORDS[match["word"]], core_dumped=bool(match["core"]))
            name = match["what"].split()[0].rsplit(b"/", 1)[-1].decode("utf-8", "surrogateescape")
            if time_ns is not None:
                yield _end(match, time_ns, status, origin, name[:15])
        elif match := _SUPERVISOR.match(line):
            time_ns = number
            if with_dates:
                time_ns = int(match["sec"] or 0) * NS + int((match["frac"] or b"0").ljust(9, b"0"))
            yield _end(match, time_ns, WaitStatus(int(match["status"], 16)), origin)


def _mailed(text: bytes) -> int | None:
    # It takes longer to import than a small log to read, and most logs are no mails.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        moment = parsedate_to_datetime(text.decode("ascii", "replace"))
        return int(moment.timestamp()) * NS
    except (ValueError, OverflowError, OSError):
        return None


def _end(
    match: re.Match[bytes],
    time_ns: int,
    status: WaitStatus,
    origin: Provenance,
    name: str | None = None,
) -> ProcessExited:
    process = Process(Key(int(match["pid"]), None), comm=name, user="")
    return ProcessExited(time_ns, origin, process, status, second_hand=True)


DESCRIPTOR: Final = text_format(
    ID,
    looks,
    parse,
    lambda sample: WALL if dated(sample) else UNTIMED,
    what="messages of shells and supervisors about their children",
    yields="that a process exited, and by which signal",
    silent_about="who sent it",
    says_of_clock="a mail's date, an epoch, or only the order",
)

"""Tables of tracing tools: sigmon of SystemTap, killsnoop of bcc and bpftrace.

Their text does not show where a name ends: a comm with blanks may look like several columns. A line
counts if its columns fit in exactly one way, else it is a counted problem.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model import signals as sg
from killtrail.model.events import (
    Event,
    ParseProblem,
    Provenance,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis

SIGMON: Final = "sigmon"
KILLSNOOP: Final = "killsnoop"
_SIGMON_HEAD: Final = re.compile(
    rb"\s*SPID\s+SNAME\s+RPID\s+RNAME\s+SIGNUM\s+SIGNAME\s*$", re.MULTILINE
)
_SIGMON: Final = re.compile(
    rb"\s*(\d{1,18})\s+(.{1,15}?)\s+(\d{1,18})\s+(.{1,15}?)\s+(\d{1,18})\s+(SIG\w+)\s*$"
)
_KILLSNOOP_HEAD: Final = re.compile(
    rb"\s*TIME(?:\(?s?\)?)?\s+PID\s+COMM\s+SIG\s+T?PID\s+RES(?:ULT)?\s*$", re.MULTILINE
)
_KILLSNOOP: Final = re.compile(
    rb"\s*([\d:.]+)\s+(\d{1,18})\s+(.{1,16}?)\s+(\d{1,18})\s+(-?\d{1,18})\s+(-?\d{1,18})\s*$"
)


def looks_sigmon(sample: bytes) -> bool:
    """Whether it has sigmon's head line."""
    return _SIGMON_HEAD.search(sample) is not None


def looks_killsnoop(sample: bytes) -> bool:
    """Whether it has killsnoop's head line."""
    return _KILLSNOOP_HEAD.search(sample) is not None


def sigmon(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Lines of SystemTap's sigmon.stp: sender, receiver, signal, of signals that were sent."""
    for number, (offset, line) in enumerate(piece.lines(), 1):
        if not line.strip() or _SIGMON_HEAD.match(line):
            continue
        found = _only(_SIGMON, line)
        if found is None:
            yield ParseProblem(SIGMON, piece.place(offset), "its columns are ambiguous")
            continue
        sender, receiver = int(found[1]), int(found[3])
        yield SignalSent(
            time_ns=number,
            origin=Provenance(SIGMON, piece.place(offset)),
            sig=int(found[5]),
            code=sg.SI_USER,
            result=0,
            group=True,
            target=_process(receiver, found[4]),
            current=_process(sender, found[2]),
            basis=Basis.TRACER,
            same_group=sender == receiver,
        )


def killsnoop(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Lines of killsnoop: calls of kill(2) and their results, no other way to signal."""
    for number, (offset, line) in enumerate(piece.lines(), 1):
        if not line.strip() or _KILLSNOOP_HEAD.match(line) or line.startswith(b"Attaching "):
            continue
        found = _only(_KILLSNOOP, line)
        if found is None:
            yield ParseProblem(KILLSNOOP, piece.place(offset), "its columns are ambiguous")
            continue
        sender, sig, receiver = int(found[2]), int(found[4]), int(found[5])
        origin = Provenance(KILLSNOOP, piece.place(offset))
        if int(found[6]):
            yield SignalRefused(
                number, origin, sig, found[6].decode("ascii"), _process(sender, found[3]), receiver
            )
        elif sig and receiver > 0:
            yield SignalSent(
                time_ns=number,
                origin=origin,
                sig=sig,
                code=sg.SI_USER,
                result=0,
                group=True,
                target=_process(receiver),
                current=_process(sender, found[3]),
                basis=Basis.CALLER_PID,
                same_group=sender == receiver,
            )


# A lazy and a greedy reading that agree leave nothing to a name with blanks in it.
def _only(pattern: re.Pattern[bytes], line: bytes) -> re.Match[bytes] | None:
    found = pattern.match(line)
    if found is None:
        return None
    greedy = re.compile(pattern.pattern.replace(rb"}?)", rb"})")).match(line)
    same = greedy is not None and [g.strip() for g in greedy.groups()] == list(found.groups())
    return found if same else None


def _process(pid: int, comm: bytes | None = None) -> Process:
    name = comm.strip().decode("utf-8", "surrogateescape") if comm else None
    return Process(Key(pid, None), comm=name, user="")

"""wtmp: boots, orderly shutdowns and logins, utmp(5)."""

import struct
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.clock import NS
from killtrail.model.events import Event, HostEvent, HostEventKind, ParseProblem, Provenance
from killtrail.model.process import Key, Process
from killtrail.sources.logs.stream import WALL, text_format

ID: Final = "wtmp"
_RECORD: Final = struct.Struct("<h2xi32s4s32s256shhiii4i20x")
_RUN_LEVEL, _BOOT, _USER = 1, 2, 7
_TYPES: Final = range(10)
_EARLIEST, _LATEST = 315_532_800, 1 << 32
"""1980: before, no Linux wrote one."""


def looks(sample: bytes) -> bool:
    """Whether a file is made of such records."""
    if len(sample) < _RECORD.size:
        return False
    whole = len(sample) - len(sample) % _RECORD.size
    records = list(_RECORD.iter_unpack(sample[: min(whole, 40 * _RECORD.size)]))
    return all(_plausible(record) for record in records) and any(r[0] for r in records)


def _plausible(record: tuple[object, ...]) -> bool:
    kind, seconds = record[0], record[9]
    line = record[2]
    if kind not in _TYPES or not isinstance(seconds, int) or not isinstance(line, bytes):
        return False
    printable = all(byte == 0 or 32 <= byte < 127 for byte in line)  # noqa: PLR2004 -- ASCII
    return printable and (kind == 0 or _EARLIEST < seconds < _LATEST)


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Its boots, shutdowns and logins in the order of the file."""
    with open(piece.fd, "rb", closefd=False) as file:
        file.seek(0)
        number = 0
        while block := file.read(_RECORD.size):
            number += 1
            if len(block) < _RECORD.size:
                yield ParseProblem(ID, f"{piece.name}#{number}", "cut off within a record")
                return
            record = _RECORD.unpack(block)
            event = _event(record, Provenance(ID, f"{piece.name}#{number}"))
            if event is not None:
                yield event


def _event(record: tuple[object, ...], origin: Provenance) -> HostEvent | None:
    kind, pid, user, host = record[0], record[1], _text(record[4]), _text(record[5])
    seconds, micros = record[9], record[10]
    if not isinstance(seconds, int) or not isinstance(micros, int) or not isinstance(pid, int):
        return None
    time_ns = seconds * NS + micros * 1000
    if kind == _BOOT:
        return HostEvent(time_ns, origin, HostEventKind.BOOT, f"boot of kernel {host}")
    if kind == _RUN_LEVEL and user == "shutdown":
        return HostEvent(time_ns, origin, HostEventKind.SHUTDOWN, "wtmp has an orderly shutdown")
    if kind == _USER:
        process = Process(Key(max(pid, 0), None), comm=None, user=user)
        away = f" from {host}" if host else ""
        return HostEvent(time_ns, origin, HostEventKind.RAN, f"{user} logged in{away}", process)
    return None


def _text(raw: object) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else ""


DESCRIPTOR: Final = text_format(
    ID,
    looks,
    parse,
    WALL,
    what="boots, orderly shutdowns and logins",
    yields="whether a machine went down in order",
    silent_about="who asked for it",
    says_of_clock="wall clock",
    places=("/var/log/wtmp*",),
)

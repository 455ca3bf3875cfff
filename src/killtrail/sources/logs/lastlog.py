"""lastlog: when each user last logged in, by uid; struct lastlog of bits/utmp.h, lastlog(8).

The file is sparse: a record is at uid times its size, so only its data are read, not its holes.
"""

import os
import struct
from collections.abc import Iterator
from typing import Final

from killtrail.files.opened import CHUNK, Piece
from killtrail.model.clock import NS
from killtrail.model.events import Event, HostEvent, HostEventKind, ParseProblem, Provenance
from killtrail.model.process import Key, Process
from killtrail.model.text import visible
from killtrail.sources.base import Descriptor, Match, Opened
from killtrail.sources.logs.stream import WALL, Stream

ID: Final = "lastlog"
_RECORD: Final = struct.Struct("<I32s256s")
_EARLIEST: Final = 315_532_800
_BLOCK: Final = CHUNK // _RECORD.size * _RECORD.size


def looks(piece: Piece) -> bool:
    """Whether a file is one: it has no magic, so its name and its size have to do."""
    named = piece.name.startswith(ID)
    return named and piece.size > 0 and piece.size % _RECORD.size == 0


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """The last logins, by uid."""
    for low, high in _data(piece):
        for offset in range(low - low % _RECORD.size, high, _BLOCK):
            block = os.pread(piece.fd, min(_BLOCK, piece.size - offset), offset)
            whole = len(block) - len(block) % _RECORD.size
            for number, record in enumerate(_RECORD.iter_unpack(block[:whole])):
                event = _event(piece, offset // _RECORD.size + number, record)
                if event is not None:
                    yield event


def _data(piece: Piece) -> Iterator[tuple[int, int]]:
    end = 0
    while end < piece.size:
        try:
            begin = os.lseek(piece.fd, end, os.SEEK_DATA)
            end = os.lseek(piece.fd, begin, os.SEEK_HOLE)
        except OSError:
            # ENXIO: nothing but holes from here on.
            return
        yield begin, end


def _event(
    piece: Piece, uid: int, record: tuple[int, bytes, bytes]
) -> HostEvent | ParseProblem | None:
    seconds, line, host = record[0], _text(record[1]), _text(record[2])
    if not seconds:
        return None
    where = f"{piece.name}#{uid}"
    if seconds < _EARLIEST:
        return ParseProblem(ID, where, "no login was that early")
    away = f" from {visible(host)}" if host else ""
    text = f"uid {uid} logged in on {visible(line) or '?'}{away}"
    process = Process(Key(0, None), uid=uid, user="")
    return HostEvent(seconds * NS, Provenance(ID, where), HostEventKind.RAN, text, process)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _opened(pieces: list[Piece]) -> Opened:
    return Opened(tuple(Stream(ID, piece, parse, WALL) for piece in pieces))


DESCRIPTOR: Final = Descriptor(
    id=ID,
    what="when each user last logged in, by uid",
    yields="that the machine was up then, and who had logged in",
    silent_about="logins before the last",
    needs="the file; no root, nothing installed",
    clock="wall clock",
    completeness="one record a user",
    places=("/var/log/lastlog",),
    looks=lambda piece, _sample: Match.WHOLE if looks(piece) else Match.NO,
    open_files=_opened,
)

"""The text formats: which one a file has, and what clock it counts by."""

from collections.abc import Callable
from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.clock import Boot
from killtrail.sources.logs import (
    ausearch,
    ftrace,
    journal,
    kernlog,
    lastlog,
    shell_messages,
    strace,
    tracer_tables,
    wtmp,
)
from killtrail.sources.logs.stream import Parser, Stream

_UNDATED: Final = Boot("", None, timed=False)
_SINCE_BOOT: Final = Boot("", None)


def stream(piece: Piece, sample: bytes) -> Stream | None:
    """A file of a known text format as evidence."""
    if lastlog.looks(piece):
        return Stream(lastlog.ID, piece, lastlog.parse, Boot("", 0))
    for kind, looks, parse in _FORMATS:
        if looks(sample):
            return Stream(kind, piece, parse, _clock(kind, sample))
    return None


def journal_stream(piece: Piece) -> Stream:
    """A journal that was turned into JSON already."""
    return Stream(journal.ID, piece, kernlog.parse_journal, Boot("", 0))


def pages_stream(piece: Piece, parse: Parser) -> Stream:
    """Raw pages of the ring buffer."""
    return Stream("ftrace-raw", piece, parse, _SINCE_BOOT)


def _clock(kind: str, sample: bytes) -> Boot:
    if kind == ftrace.ID:
        return _SINCE_BOOT
    if kind == kernlog.ID:
        return {True: Boot("", 0), False: _SINCE_BOOT, None: _UNDATED}[kernlog.dated(sample)]
    if kind in (ausearch.ID, wtmp.ID, journal.ID):
        return Boot("", 0)
    with_dates = {strace.ID: strace.dated, shell_messages.ID: shell_messages.dated}.get(kind)
    return Boot("", 0) if with_dates and with_dates(sample) else _UNDATED


_FORMATS: Final[tuple[tuple[str, Callable[[bytes], bool], Parser], ...]] = (
    (ftrace.ID, ftrace.looks, ftrace.parse),
    (ausearch.ID, ausearch.looks, ausearch.parse),
    (wtmp.ID, wtmp.looks, wtmp.parse),
    (journal.ID, journal.looks, kernlog.parse_journal),
    (tracer_tables.SIGMON, tracer_tables.looks_sigmon, tracer_tables.sigmon),
    (tracer_tables.KILLSNOOP, tracer_tables.looks_killsnoop, tracer_tables.killsnoop),
    (strace.ID, strace.looks, strace.parse),
    (shell_messages.ID, shell_messages.looks, shell_messages.parse),
    (kernlog.ID, kernlog.looks, kernlog.parse),
)

"""The logs that this host keeps, as sources that are opened when they are asked.

A live question opens all of them and asks most of them nothing: no file is read, unpacked or searched
before the first question to it.
"""

import glob
import heapq
import os
import re
import stat
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import replace
from killtrail.errors import UnavailableError, UsageError
from killtrail.files.opened import open_piece
from killtrail.model.clock import NS, Boot
from killtrail.model.coverage import Coverage, together
from killtrail.model.events import Event, ParseProblem
from killtrail.model.query import ALWAYS, Query, Window
from killtrail.model.verdict import Host
from killtrail.sources import catalogue
from killtrail.sources.base import Descriptor, Match, Source

KEPT: Final = (
    "killtrail.sources.logs.audit.log",
    "killtrail.sources.logs.kernlog",
    "killtrail.sources.logs.wtmp",
    "killtrail.sources.logs.lastlog",
)
"""The formats that have `places`, without the journal: the others need not be imported."""
WALL: Final = Boot("", 0)
_JOURNALS: Final = ("/var/log/journal", "/run/log/journal")
_SLACK_NS: Final = 5 * NS
# logrotate(8): messages.1, messages.2.gz, messages-20261120.
_ROTATED: Final = re.compile(r"(?:[.-]\d+)?(?:\.(?:gz|xz|zst|bz2))?$")
_TOGETHER: Final = "auditlog"
"""This format reads the files of one log as one: records of an event may stand in two of them."""


def open_all(window: Window = ALWAYS, *, all_boots: bool = True) -> list[Source]:
    """What this host has kept of a span of time (wall clock), its ring of kernel lines and its journal included.

    KILLTRAIL_LOGS names other files instead of its logs, parted by colons.
    """
    named = os.environ.get("KILLTRAIL_LOGS")
    found = _named(named.split(":"), window) if named else list(_kept(window))
    return [*_ring(), *found, *_journal(all_boots=all_boots)]


def paths(patterns: tuple[str, ...], window: Window) -> list[str]:
    """Files that may be read and were written to since the window begins."""
    found = (path for pattern in patterns for path in sorted(glob.glob(pattern)))  # noqa: PTH207
    since_ns = None if window.since_ns is None else window.since_ns - _SLACK_NS
    return [path for path in found if _worth_it(path, since_ns)]


# Old rotated logs are many, and packed: they are not unpacked for a death that came after them.
def _worth_it(path: str, since_ns: int | None) -> bool:
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    new = since_ns is None or about.st_mtime_ns >= since_ns
    return stat.S_ISREG(about.st_mode) and about.st_size > 0 and new and os.access(path, os.R_OK)


def _kept(window: Window) -> Iterator[Source]:
    for module in KEPT:
        descriptor = catalogue.load(module)
        logs: dict[str, list[str]] = {}
        for path in paths(descriptor.places, window):
            logs.setdefault(_ROTATED.sub("", path), []).append(path)
        for each in logs.values():
            yield Unopened(descriptor, tuple(sorted(each, key=_written, reverse=True)))


def _written(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _named(patterns: list[str], window: Window) -> list[Source]:
    from killtrail.sources.logs import formats  # noqa: PLC0415 -- looks at files, which others need not

    logs = paths(tuple(patterns), window)
    try:
        return list(formats.open_paths(logs).sources) if logs else []
    except UsageError:
        # Rotated away between the two looks: what is left is asked the next time.
        return []


def _ring() -> list[Source]:
    from killtrail.sources.logs import kmsg  # noqa: PLC0415 -- not on the path of files

    return kmsg.open_here() if kmsg.probe().usable else []


def _journal(*, all_boots: bool) -> list[Source]:
    if not any(os.path.isdir(p) and os.listdir(p) for p in _JOURNALS):  # noqa: PTH112, PTH208
        return []
    from killtrail.sources.logs import journalctl  # noqa: PLC0415 -- most containers have no journal

    return [journalctl.of_this_host(all_boots=all_boots)] if journalctl.probe().usable else []


class Unopened:
    """One log of this host with its rotated files, the newest first; opened one by one as it is read."""

    exact = False
    host: Host = Host(WALL)

    def __init__(self, descriptor: Descriptor, files: tuple[str, ...]) -> None:
        self.id: str = descriptor.id
        self.names = files
        self._descriptor = descriptor
        self._opened: dict[tuple[str, ...], list[Source]] = {}
        self._problems: list[ParseProblem] = []

    def events(self, query: Query) -> Iterator[Event]:
        """Its events for this query, the newest first."""
        since = query.window.since_ns
        names = self.names
        if since is not None:
            # What was last written before the window begins is not even unpacked.
            names = tuple(name for name in names if _written(name) >= since - _SLACK_NS)
        alone = self.id != _TOGETHER
        for files in [(name,) for name in names] if alone else [names]:
            yield from heapq.merge(
                *(source.events(query) for source in self._sources(files)),
                key=lambda e: e.time_ns,
                reverse=True,
            )

    def _sources(self, files: tuple[str, ...]) -> list[Source]:
        if files not in self._opened:
            self._opened[files] = list(self._open(files))
        return self._opened[files]

    def _open(self, files: tuple[str, ...]) -> Iterator[Source]:
        descriptor = self._descriptor
        assert descriptor.looks is not None  # noqa: S101 -- it is a format of files
        assert descriptor.open_files is not None  # noqa: S101 -- as above
        pieces = []
        for path in files:
            try:
                piece = open_piece(path)
            except UnavailableError as error:
                self._problems.append(ParseProblem(self.id, path, str(error)))
                continue
            if descriptor.looks(piece, piece.head()) is Match.NO:
                piece.close()
            else:
                pieces.append(piece)
        opened = descriptor.open_files(pieces) if pieces else None
        for source in opened.sources if opened else ():
            if source.host.boot == WALL:
                yield source
            else:
                self._problems.append(
                    ParseProblem(self.id, source.names[0], "its lines have no dates")
                )
                source.close()

    def coverage(self) -> Coverage:
        """Of those files that were opened so far, and of those that could not be."""
        known = together([s.coverage() for found in self._opened.values() for s in found])
        failed = tuple(p.where for p in self._problems)
        return replace(
            known,
            problems=(*known.problems, *self._problems),
            unread=replace(known.unread, files=(*known.unread.files, *failed)),
        )

    def close(self) -> None:
        """Closes those that were opened."""
        for found in self._opened.values():
            for source in found:
                source.close()
        self._opened.clear()

"""Journal files, read by journalctl(1): it knows their compression, their damage, and their indexes.

It is asked newest first and in batches, so one death costs one batch. journalctl itself filters
by writer, unit, time and words, as far as it can.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, repeat
from typing import Final

from killtrail._slotted import replace
from killtrail.model.clock import NS
from killtrail.model.coverage import Coverage, Unread
from killtrail.model.events import Event, HostEvent, OomKilled, ParseProblem
from killtrail.model.query import Query
from killtrail.model.verdict import Host
from killtrail.sources.base import Source, Usable
from killtrail.sources.logs import journal_terms, oom
from killtrail.sources.logs.journal import ID
from killtrail.sources.logs.journal_entries import Entry, Places, Reader, search
from killtrail.sources.logs.journal_terms import Terms
from killtrail.sources.logs.searched import resolved, wanted
from killtrail.sources.logs.stream import WALL

MISSING: Final = "journalctl could not be found: apt-get install systemd"
FOLDERS: Final = ("/var/log/journal", "/run/log/journal")
_BATCHES: Final = (2, 8, 64, 1024, 8192)
"""How many entries are asked for in turn: journalctl writes them out when it has them all.

One more than wanted may be needed, to see that a death has no older record: two, so that it is soon.
"""
_REPORT_ENTRIES: Final = (512, 16_384)
"""How many entries before a kill are looked through for the head of its report."""
_CONTEXT: Final = 64
"""Entries from an event on in which it may be completed."""
_KNOWN_MOST: Final = 4096
_CGROUP_NS: Final = 600 * NS
"""How long before an OOM kill its victim's cgroup may be named: journald may be late in a shortage."""
_SPANS_MOST: Final = 32
"""So many searches of small spans cost no more than one of all between them."""


def there() -> bool:
    """Whether this host has journalctl."""
    return shutil.which("journalctl") is not None


def probe() -> Usable:
    """Whether this host's journal can be read."""
    if not any(_files(folder) for folder in FOLDERS):
        return Usable(usable=False, says="this host keeps no journal")
    if not there():
        return Usable(usable=False, says="journalctl is missing", remedy="apt-get install systemd")
    if not any(os.access(path, os.R_OK) for folder in FOLDERS for path in _files(folder)):
        remedy = "run as root, or join the group systemd-journal"
        return Usable(usable=False, says="the journal may not be read by this user", remedy=remedy)
    return Usable(usable=True, says="the journal can be read")


def _files(folder: str) -> list[str]:
    found: list[str] = []
    for root, _, files in os.walk(folder):
        found.extend(f"{root}/{name}" for name in files if ".journal" in name)
    return found


def of_this_host(*, all_boots: bool) -> Source:
    """This host's journal, of this boot or of all."""
    return Journal((), () if all_boots else ("--boot",), "journal")


def of_files(paths: list[str]) -> Source:
    """Journal files of one machine together."""
    name = paths[0].rpartition("/")[2] if len(paths) == 1 else "journal"
    return Journal(tuple(paths), tuple(f"--file={path}" for path in paths), name)


class Journal:
    """Journal files, or this host's journal, as a source."""

    id = ID
    exact = False
    host: Host = Host(WALL)

    def __init__(self, paths: tuple[str, ...], where: tuple[str, ...], name: str) -> None:
        self.names = paths
        self._name = name
        self._reader = Reader(where)

    def events(self, query: Query) -> Iterator[Event]:
        """Its events for this query, the newest first."""
        query = resolved(query)
        if query.window.empty or not there():
            return
        terms = journal_terms.of(query, leveled=journal_terms.by_cgroup(query) and self._leveled)
        if not terms.matches:
            return
        known: dict[str, list[Event]] = {}
        for batch in self._batches(query, terms):
            known.update((cursor, []) for cursor in self._of_others(batch, query))
            for hit in reversed(batch):
                if hit.cursor not in known:
                    known.update(self._around(hit, query))
                found = known.pop(hit.cursor, [])
                yield from (e for e in found if wanted(e, query))
            if len(known) > _KNOWN_MOST:
                known.clear()

    # What its line says, with what other entries add to it.
    def _around(self, hit: Entry, query: Query) -> dict[str, list[Event]]:
        text = hit.line.text
        if hit.kill and query.wants(OomKilled):
            return self._report(hit)
        alone = self._said([hit])
        if not (alone[hit.cursor] and hit.line.by_kernel and query.wants(HostEvent)):
            return alone
        before: list[Entry] = []
        if text.startswith("Linux version "):
            # The last entry before a boot, of any program, says until when the machine was up.
            last = self._reader.batch(["-r", "-n", "1", f"--after-cursor={hit.cursor}"], [])
            before = [replace(e, line=replace(e.line, tag="?")) for e in last]
        near = [f"--cursor={hit.cursor}", "-n", str(_CONTEXT)]
        said = self._said([*before, *self._reader.batch(near, [journal_terms.KERNEL])])
        # Of those that follow, what completes them may not be among these.
        return {hit.cursor: said.get(hit.cursor, [])}

    @cached_property
    def _leveled(self) -> bool:
        # journald writes each kernel line's PRIORITY; what made other files may have dropped it.
        return all(e.leveled for e in self._reader.batch(["-r", "-n", "1"], [journal_terms.KERNEL]))

    # OOM kills that neither name what is asked about nor follow a line that names its cgroup.
    def _of_others(self, batch: list[Entry], query: Query) -> set[str]:
        kills = [e for e in batch if e.kill and not journal_terms.names(query, e.line.text)]
        if not kills or not self._reader.searches:
            return set()
        words = search(journal_terms.of_cgroup(query))
        named = [
            entry.line.wall_ns or 0
            for since_ns, until_ns in _spans([e.line.wall_ns or 0 for e in kills])
            for entry in self._reader.batch(
                [f"--since=@{since_ns // NS}", f"--until=@{until_ns // NS + 1}", *words],
                [journal_terms.KERNEL],
            )
        ]
        return {
            e.cursor
            for e in kills
            if not any(0 <= (e.line.wall_ns or 0) - at <= _CGROUP_NS for at in named)
        }

    def _report(self, hit: Entry) -> dict[str, list[Event]]:
        entries: list[Entry] = []
        for most in _REPORT_ENTRIES:
            words = ["-r", f"--cursor={hit.cursor}", "-n", str(most)]
            entries = self._reader.batch(words, [journal_terms.KERNEL])
            if len(entries) < most or any(oom.begins(e.line.text) for e in entries):
                break
        decided = {e.cursor for e in entries[_decided_from(entries) :]} | {hit.cursor}
        return {at: found for at, found in self._said(entries).items() if at in decided}

    def _said(self, entries: list[Entry]) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {each.cursor: [] for each in entries}
        for cursor, event in Places(self._name, entries).events():
            found[cursor].insert(0, event)
        return found

    def _batches(self, query: Query, terms: Terms) -> Iterator[list[Entry]]:
        since_ns = query.window.since_ns or 0
        words, begin = _until(query), [f"--since=@{max(0, since_ns // NS)}"] if since_ns else []
        sizes = (min(query.newest, _BATCHES[-1]), *_BATCHES) if query.newest else _BATCHES[1:]
        for most in chain(sizes, repeat(_BATCHES[-1])):
            asked = ["-r", *words, "-n", str(most), *begin, *search(terms.pattern)]
            batch = self._reader.batch(asked, terms.matches)
            yield batch
            if len(batch) < most or (batch[0].line.wall_ns or since_ns) < since_ns:
                return
            # journalctl takes a cursor or --since, not both.
            begin = [f"--after-cursor={batch[0].cursor}"]

    def units(self) -> list[str]:
        """Units that systemd and users' managers wrote of, from journalctl's index."""
        return self._reader.units()

    def coverage(self) -> Coverage:
        """What journalctl complained of counts from when it was asked."""
        problems = [ParseProblem(ID, self._name, text) for text in self._reader.complaints]
        if not there():
            problems.append(ParseProblem(ID, self._name, MISSING))
        return Coverage(
            problems=tuple(problems),
            unread=Unread(
                lines=self._reader.bad,
                files=tuple(p for p in self.names if any(map(_fails(p), self._reader.complaints))),
            ),
        )

    def close(self) -> None:
        """Nothing stays open between questions."""


def _fails(path: str) -> Callable[[str], bool]:
    return lambda complaint: path in complaint or complaint.startswith("Failed to open files")


def _until(query: Query) -> list[str]:
    until_ns = query.window.until_ns
    return [] if until_ns is None else [f"--until=@{until_ns // NS + 1}"]


# Spans of time in which the cgroups of these kills may be named.
def _spans(times_ns: list[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for at in sorted(times_ns):
        since = max(0, at - _CGROUP_NS)
        if spans and since <= spans[-1][1]:
            since = spans.pop()[0]
        spans.append((since, at))
    return spans if len(spans) <= _SPANS_MOST else [(spans[0][0], spans[-1][1])]


# From which on nothing older bears on them; a kill without the head of its report is left open.
def _decided_from(entries: list[Entry]) -> int:
    cut = 0
    for number, each in enumerate(entries):
        if each.line.by_kernel and oom.begins(each.line.text):
            return cut
        if each.kill:
            cut = number + 1
    # No head far and wide: the older half is context enough for the newer one.
    return len(entries) // 2 if len(entries) >= _REPORT_ENTRIES[-1] else cut

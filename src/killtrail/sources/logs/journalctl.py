"""Journal files, read by journalctl(1): it knows their compression, their damage, and their indexes.

It is asked newest first and in batches, so one death costs one batch. journalctl itself filters
by writer, unit, time and words, as far as it can.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, islice, repeat
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.model.clock import NS
from killtrail.model.coverage import Coverage, Unread
from killtrail.model.events import (
    Event,
    HostEvent,
    LoginSeen,
    OomKilled,
    ParseProblem,
    ProcessExited,
    SignalSent,
)
from killtrail.model.query import Query
from killtrail.model.target import Kind
from killtrail.model.verdict import Host
from killtrail.sources.base import Source, Usable
from killtrail.sources.logs import kernel_reports, kernlog, oom
from killtrail.sources.logs.journal import ID, entry, line_of
from killtrail.sources.logs.kernel_lines import Line
from killtrail.sources.logs.searched import resolved, wanted
from killtrail.sources.logs.stream import WALL

MISSING: Final = "journalctl could not be found: apt-get install systemd"
FOLDERS: Final = ("/var/log/journal", "/run/log/journal")
_FIELDS: Final = "MESSAGE,_TRANSPORT,SYSLOG_IDENTIFIER,_COMM,_PID,_HOSTNAME"
_BATCHES: Final = (8, 64, 1024, 8192)
"""How many entries are asked for in turn: journalctl writes them out when it has them all."""
_REPORT_ENTRIES: Final = (512, 16_384)
"""How many entries before a kill are looked through for the head of its report."""
_CONTEXT: Final = 64
"""Entries from an event on in which it may be completed."""
_KNOWN_MOST: Final = 4096
_APART: Final = 128
"""Entries have no offsets; this many bytes stand for one, as lines are long."""
_ENTRY_MOST: Final = 1 << 20
_COMPLAINTS_KEPT: Final = 20
_WRITERS: Final[tuple[tuple[str, tuple[type[Event], ...]], ...]] = (
    ("_TRANSPORT=kernel", (OomKilled, SignalSent, HostEvent)),
    ("_PID=1", (OomKilled, SignalSent, ProcessExited, HostEvent)),
    ("SYSLOG_IDENTIFIER=systemd-oomd", (OomKilled,)),
    *(
        (f"SYSLOG_IDENTIFIER={name}", (HostEvent,))
        for name in ("systemd-logind", "systemd-shutdown")
    ),
    ("SYSLOG_IDENTIFIER=sudo", (HostEvent, LoginSeen)),
    *(
        (f"SYSLOG_IDENTIFIER={name}", (LoginSeen,))
        for name in ("CRON", "cron", "crond", "atd", "sshd", "sshd-session")
    ),
)


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


@cache
def _greps(program: str) -> bool:
    """Whether this journalctl was built with PCRE2, which its --grep needs."""
    done = subprocess.run(  # noqa: S603 -- journalctl itself
        [program, "--version"], capture_output=True, text=True, check=False
    )
    return "+PCRE2" in done.stdout


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line, and where it can be found again."""

    line: Line
    cursor: str


class _Places:
    """Entries in the order of time, counted instead of placed."""

    def __init__(self, name: str, entries: list[_Entry]) -> None:
        self.name = name
        self._entries = entries

    def place(self, offset: int) -> str:
        """The moment of an entry: `journalctl --since @SECONDS` begins there."""
        wall_ns = self._entries[offset // _APART].line.wall_ns or 0
        return f"{self.name}@{wall_ns // NS}.{wall_ns % NS // 1000:06d}"

    def events(self) -> Iterator[tuple[str, Event]]:
        """(cursor, event)."""
        timed = (
            (each.line.wall_ns, replace(each.line, offset=number * _APART))
            for number, each in enumerate(self._entries)
        )
        for at, each in kernlog.told(self, timed, ID):
            if not isinstance(each, ParseProblem):
                yield self._entries[at // _APART].cursor, each


class Journal:
    """Journal files, or this host's journal, as a source."""

    id = ID
    exact = False
    host: Host = Host(WALL)

    def __init__(self, paths: tuple[str, ...], where: tuple[str, ...], name: str) -> None:
        self.names = paths
        self._where = where
        self._name = name
        self._bad = 0
        self._complaints: dict[str, None] = {}

    def events(self, query: Query) -> Iterator[Event]:
        """Its events for this query, the newest first."""
        query = resolved(query)
        matches = _matches(query)
        if query.window.empty or not there() or not matches:
            return
        known: dict[str, list[Event]] = {}
        for batch in self._batches(query, matches):
            for hit in reversed(batch):
                if hit.cursor not in known:
                    known.update(self._around(hit, query))
                found = known.pop(hit.cursor, [])
                yield from (e for e in found if wanted(e, query))
            if len(known) > _KNOWN_MOST:
                known.clear()

    # What its line says, with what other entries add to it.
    def _around(self, hit: _Entry, query: Query) -> dict[str, list[Event]]:
        text = hit.line.text
        if not hit.line.by_kernel:
            return self._said([hit])
        if oom.KILLED.search(text) and query.wants(OomKilled):
            return self._report(hit)
        if not query.wants(HostEvent):
            return self._said([hit])
        before: list[_Entry] = []
        if text.startswith("Linux version "):
            # The last entry before a boot, of any program, says until when the machine was up.
            last = self._batch(["-r", "-n", "1", f"--after-cursor={hit.cursor}"], [])
            before = [replace(e, line=replace(e.line, tag="?")) for e in last]
        near = [f"--cursor={hit.cursor}", "-n", str(_CONTEXT)]
        said = self._said([*before, *self._batch(near, ["_TRANSPORT=kernel"])])
        # Of those that follow, what completes them may not be among these.
        return {hit.cursor: said.get(hit.cursor, [])}

    def _report(self, hit: _Entry) -> dict[str, list[Event]]:
        entries: list[_Entry] = []
        for most in _REPORT_ENTRIES:
            words = ["-r", f"--cursor={hit.cursor}", "-n", str(most)]
            entries = self._batch(words, ["_TRANSPORT=kernel"])
            if len(entries) < most or any(oom.begins(e.line.text) for e in entries):
                break
        decided = {e.cursor for e in entries[_decided_from(entries) :]} | {hit.cursor}
        return {at: found for at, found in self._said(entries).items() if at in decided}

    def _said(self, entries: list[_Entry]) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {each.cursor: [] for each in entries}
        for cursor, event in _Places(self._name, entries).events():
            found[cursor].insert(0, event)
        return found

    def _batches(self, query: Query, matches: list[str]) -> Iterator[list[_Entry]]:
        since_ns = query.window.since_ns or 0
        words, begin = _words(query), [f"--since=@{max(0, since_ns // NS)}"] if since_ns else []
        first = min(query.newest or _BATCHES[0], _BATCHES[-1])
        for most in chain((first,), _BATCHES, repeat(_BATCHES[-1])):
            batch = self._batch(["-r", *words, "-n", str(most), *begin], matches)
            yield batch
            if len(batch) < most or (batch[0].line.wall_ns or since_ns) < since_ns:
                return
            # journalctl takes a cursor or --since, not both.
            begin = [f"--after-cursor={batch[0].cursor}"]

    def _batch(self, words: list[str], matches: list[str]) -> list[_Entry]:
        program = shutil.which("journalctl")
        if program is None:
            return []
        argv = [program, "-q", "-o", "json", "--no-pager", f"--output-fields={_FIELDS}"]
        argv += [*self._where, *words, *matches]
        process = subprocess.Popen(  # noqa: S603 -- journalctl itself
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}
        )
        assert process.stdout is not None  # noqa: S101 -- a pipe was asked for
        assert process.stderr is not None  # noqa: S101 -- as above
        try:
            with process.stdout as out, process.stderr as complaints:
                found = [
                    e
                    for raw in iter(lambda: out.readline(_ENTRY_MOST), b"")
                    if (e := self._read(raw))
                ]
                self._complain(complaints.read(1 << 16))
        finally:
            process.kill()
            process.wait()
        return found[::-1] if "-r" in words else found

    def _read(self, raw: bytes) -> _Entry | None:
        fields = entry(raw)
        line = None if fields is None else line_of(0, fields)
        if line is None or fields is None:
            self._bad += 1
            return None
        return _Entry(line, str(fields.get("__CURSOR")))

    def _complain(self, text: bytes) -> None:
        for line in islice(text.decode("utf-8", "replace").splitlines(), _COMPLAINTS_KEPT):
            if line.strip() and len(self._complaints) < _COMPLAINTS_KEPT:
                self._complaints[line.strip()] = None

    def coverage(self) -> Coverage:
        """What journalctl complained of counts from when it was asked."""
        problems = [ParseProblem(ID, self._name, text) for text in self._complaints]
        if not there():
            problems.append(ParseProblem(ID, self._name, MISSING))
        return Coverage(
            problems=tuple(problems),
            unread=Unread(
                lines=self._bad,
                files=tuple(p for p in self.names if any(map(_fails(p), self._complaints))),
            ),
        )

    def close(self) -> None:
        """Nothing stays open between questions."""


def _fails(path: str) -> Callable[[str], bool]:
    return lambda complaint: path in complaint or complaint.startswith("Failed to open files")


def _matches(query: Query) -> list[str]:
    groups = [[match] for match, kinds in _WRITERS if any(query.wants(kind) for kind in kinds)]
    unit = query.target
    if (
        unit is not None
        and unit.kind is Kind.UNIT
        and "." in unit.text
        and not query.wants(HostEvent)
    ):
        # What systemd itself says of a unit is indexed by its name.
        groups = [["_PID=1", f"UNIT={unit.text}"] if g == ["_PID=1"] else g for g in groups]
    return [word for group in groups for word in ("+", *group)][1:]


def _words(query: Query) -> list[str]:
    words = []
    window = query.window
    if window.until_ns is not None:
        words.append(f"--until=@{window.until_ns // NS + 1}")
    program = shutil.which("journalctl")
    if program is not None and _greps(program):
        literals = [
            re.escape(each.text.decode("ascii"))
            for each in kernel_reports.LITERALS
            if any(query.wants(kind) for kind in each.kinds)
        ]
        words += ["--case-sensitive=yes", f"--grep={'|'.join(literals)}"]
    return words


# From which on nothing older bears on them; a kill without the head of its report is left open.
def _decided_from(entries: list[_Entry]) -> int:
    cut = 0
    for number, each in enumerate(entries):
        if each.line.by_kernel and oom.begins(each.line.text):
            return cut
        if each.line.by_kernel and oom.KILLED.search(each.line.text):
            cut = number + 1
    # No head far and wide: the older half is context enough for the newer one.
    return len(entries) // 2 if len(entries) >= _REPORT_ENTRIES[-1] else cut

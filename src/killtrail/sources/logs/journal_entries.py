"""Entries of a journal as journalctl(1) prints them: one run of it, and what it complained of."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.model.clock import NS
from killtrail.model.events import Event, ParseProblem
from killtrail.sources.logs import kernlog, oom
from killtrail.sources.logs.journal import ID, entry, line_of
from killtrail.sources.logs.kernel_lines import Line

_FIELDS: Final = (
    "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,SYSLOG_FACILITY,SYSLOG_PID,UNIT,USER_UNIT,_TRANSPORT,"
    "_HOSTNAME,_PID,_UID,_COMM,_EXE,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT"
)
_GREP: Final = "--grep="
_CASE: Final = "--case-sensitive=yes"
_NO_PATTERNS: Final = re.compile(rb"pattern matching|PCRE|unrecognized option", re.IGNORECASE)
"""What journalctl says where it was built without PCRE2, or can't load it, or is older than 237."""
_APART: Final = 128
"""Entries have no offsets; this many bytes stand for one, as lines are long."""
_ENTRY_MOST: Final = 1 << 20
_COMPLAINTS_KEPT: Final = 20
_UNITS_MOST: Final = 10_000


def search(pattern: str) -> list[str]:
    """Words that have journalctl leave out what does not match a pattern."""
    return [_CASE, f"{_GREP}{pattern}"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line, and where it can be found again."""

    line: Line
    cursor: str
    leveled: bool
    """Whether it has a PRIORITY."""

    @property
    def kill(self) -> bool:
        """Whether the kernel says in it that it killed a process for memory."""
        return self.line.by_kernel and oom.KILLED.search(self.line.text) is not None


class Places:
    """Entries in the order of time, counted instead of placed."""

    def __init__(self, name: str, entries: list[Entry]) -> None:
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


class Reader:
    """Runs journalctl on some files, or on this host's journal."""

    def __init__(self, where: tuple[str, ...]) -> None:
        self._where = where
        self.searches: bool = True
        """Whether it knows patterns, as far as was seen."""
        self.bad: int = 0
        """Entries that could not be read."""
        self.complaints: dict[str, None] = {}

    def batch(self, words: list[str], matches: Sequence[str]) -> list[Entry]:
        """The entries that journalctl finds, in the order of time."""
        if self.searches:
            found, refused = self._run([*words, *matches])
            if not refused:
                return found[::-1] if "-r" in words else found
            self.searches = False
        plain = [word for word in words if not word.startswith((_GREP, _CASE))]
        found, _ = self._run([*plain, *matches])
        return found[::-1] if "-r" in words else found

    # What was found, and whether patterns were refused.
    def _run(self, words: list[str]) -> tuple[list[Entry], bool]:
        program = shutil.which("journalctl")
        if program is None:
            return [], False
        argv = [program, "-q", "-a", "-o", "json", "--no-pager", f"--output-fields={_FIELDS}"]
        process = subprocess.Popen(  # noqa: S603 -- journalctl itself
            [*argv, *self._where, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert process.stdout is not None  # noqa: S101 -- a pipe was asked for
        assert process.stderr is not None  # noqa: S101 -- as above
        try:
            with process.stdout as out, process.stderr as complaints:
                lines = iter(lambda: out.readline(_ENTRY_MOST), b"")
                found = [e for raw in lines if (e := self._read(raw))]
                said = complaints.read(1 << 16)
        finally:
            process.kill()
            process.wait()
        refused = self.searches and _NO_PATTERNS.search(said) is not None
        if not refused:
            self._complain(said)
        return found, refused

    def _read(self, raw: bytes) -> Entry | None:
        fields = entry(raw)
        cursor = fields.get("__CURSOR") if fields is not None else None
        if fields is None or not isinstance(cursor, str):
            self.bad += 1
            return None
        line = line_of(0, fields)
        if line is None:
            # It says nothing, but counts: the search goes on behind it.
            self.bad += 1
            line = Line(0, "", None, None, None, "?")
        return Entry(line, cursor, "PRIORITY" in fields)

    def _complain(self, text: bytes) -> None:
        for line in islice(text.decode("utf-8", "replace").splitlines(), _COMPLAINTS_KEPT):
            if line.strip() and len(self.complaints) < _COMPLAINTS_KEPT:
                self.complaints[line.strip()] = None

    def units(self) -> list[str]:
        """Units that systemd and users' managers wrote of, from journalctl's index."""
        program = shutil.which("journalctl")
        found: list[str] = []
        for field in ("UNIT", "USER_UNIT") if program is not None else ():
            argv = [str(program), "-q", "--no-pager", *self._where, "-F", field]
            done = subprocess.run(argv, capture_output=True, check=False)  # noqa: S603 -- as above
            lines = done.stdout.decode("utf-8", "replace").splitlines()
            found += lines[:_UNITS_MOST]
        return found

"""Lines of the kernel log in all forms in which it is stored, and the clock of each form.

dmesg, `dmesg -T`, a serial console, kern.log and messages (RFC 3164 and RFC 3339), `journalctl -k`.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from killtrail._slotted import dataclass
from killtrail.files.opened import Piece
from killtrail.model.clock import NS

_MONTHS: Final = {
    m: i for i, m in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_LINE: Final = re.compile(
    rb"(?:<\d{1,3}>)?"
    rb"(?:(?P<rfc>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) (?P<host1>\S+) (?P<tag1>[^\s:\[]+)(?:\[(?P<pid1>\d{1,18})\])?: ?"
    rb"|(?P<mon>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<hms>\d\d:\d\d:\d\d)(?:\.\d+)? (?P<host2>\S+) (?P<tag2>[^\s:\[]+)(?:\[(?P<pid2>\d{1,18})\])?: ?)?"
    rb"(?:\[(?P<ctime>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] )?"
    rb"(?:\[ *(?P<boot>\d{1,12}\.\d{1,9})\](?:\[ *[TC]\d+\])? ?)?"
    rb"(?P<text>.*)$"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, of the kernel or of a program that logs beside it."""

    offset: int
    text: str
    wall_ns: int | None
    boot_ns: int | None
    host: str | None
    tag: str | None
    """The program that wrote it; None if the form has no such field."""
    pid: int | None = None

    @property
    def by_kernel(self) -> bool:
        """Whether it claims to be the kernel's own."""
        return self.tag in (None, "kernel")


def lines(piece: Piece, newest: datetime, low: int = 0, high: int | None = None) -> Iterator[Line]:
    """The lines that begin in [low, high); `newest` decides the year where the form has none."""
    for offset, raw in piece.lines(low=low, high=high):
        line = read(offset, raw, newest)
        if line is not None:
            yield line


def read(offset: int, raw: bytes, newest: datetime) -> Line | None:
    """One line; None for an empty one."""
    # What a crash left unwritten reads as zeros: the next line follows them at once.
    match = _LINE.match(raw.strip(b"\0").rpartition(b"\0")[2])
    return _line(offset, match, newest) if match is not None and match["text"].strip() else None


def wall_time(raw: bytes, newest: datetime) -> int | None:
    """When a line was written, if it says so by a date."""
    match = _LINE.match(raw.strip(b"\0").rpartition(b"\0")[2])
    return None if match is None else _wall(match, newest)


def _line(offset: int, match: re.Match[bytes], newest: datetime) -> Line:
    host, tag = match["host1"] or match["host2"], match["tag1"] or match["tag2"]
    pid = match["pid1"] or match["pid2"]
    boot = match["boot"]
    return Line(
        offset,
        match["text"].decode("utf-8", "surrogateescape"),
        _wall(match, newest),
        int(float(boot) * 1_000_000) * 1000 if boot else None,
        host.decode("utf-8", "surrogateescape") if host else None,
        tag.decode("utf-8", "surrogateescape") if tag else None,
        int(pid) if pid else None,
    )


def _wall(match: re.Match[bytes], newest: datetime) -> int | None:
    try:
        if match["rfc"]:
            return _ns(datetime.fromisoformat(match["rfc"].decode("ascii").replace(",", ".")))
        if match["ctime"]:
            return _ns(datetime.strptime(match["ctime"].decode("ascii"), "%a %b %d %H:%M:%S %Y"))  # noqa: DTZ007 -- local time, as dmesg -T prints it
        if match["mon"]:
            return _ns(_with_year(match, newest))
    except (ValueError, OverflowError, OSError):
        return None
    return None


# RFC 3164 has no year: the last one in which the line is not from after the file's own date.
def _with_year(match: re.Match[bytes], newest: datetime) -> datetime:
    hour, minute, second = (int(part) for part in match["hms"].split(b":"))
    month = _MONTHS.get(match["mon"], 0)
    for year in (newest.year, newest.year - 1, newest.year - 4):
        try:
            found = datetime(year, month, int(match["day"]), hour, minute, second).astimezone()
        except ValueError:
            continue
        if (found - newest).total_seconds() < 86_400:  # noqa: PLR2004 -- a day for clocks and zones
            return found
    raise ValueError("no such date")


def _ns(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.astimezone()
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NS + delta.microseconds * 1000

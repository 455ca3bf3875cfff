"""The logs that this host keeps by itself, asked without being named."""

import glob
import os
import stat
from collections.abc import Iterator
from typing import Final

from killtrail.attribution.corroboration import corroborated
from killtrail.errors import UsageError
from killtrail.host import boot
from killtrail.inquiry.target import Kind, Target
from killtrail.model.clock import NS, Boot
from killtrail.model.query import Filter
from killtrail.model.verdict import DeathKind, Verdict
from killtrail.sources.kept import Asked, Kept
from killtrail.sources.logs import kmsg

PATTERNS: Final = (
    "/var/log/audit/audit.log*",
    "/var/log/kern.log*",
    "/var/log/messages*",
    "/var/log/syslog*",
    "/var/log/auth.log*",
    "/var/log/secure*",
    "/var/log/wtmp*",
)
JOURNALS: Final = ("/var/log/journal", "/run/log/journal")
WALL: Final = Boot("", 0)
"""The clock of logs with dates."""
_SLACK_NS: Final = 5 * NS


def paths(since_s: float = 0) -> list[str]:
    """Logs that may be read and were written to since then; KILLTRAIL_LOGS names others, parted by colons."""
    named = os.environ.get("KILLTRAIL_LOGS")
    patterns = named.split(":") if named else PATTERNS
    found = (path for pattern in patterns for path in sorted(glob.glob(pattern)))  # noqa: PTH207
    return [path for path in found if os.access(path, os.R_OK) and _worth_it(path, since_s)]


# Old rotated logs are many, and packed: they are not unpacked for a death that came after them.
def _worth_it(path: str, since_s: float) -> bool:
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size > 0 and about.st_mtime >= since_s


def open_all(*, all_boots: bool, since_ns: int = 0) -> tuple[Kept, ...]:
    """What this host has kept, the kernel's own ring and the journal included.

    `since_ns`, on the boot clock: nothing from before is wanted; 0 = all of it is.
    """
    ring = kmsg.open_ring(since_ns)
    found: list[Kept] = [ring] if ring else []
    wall_ns = boot.this_boot().wall(max(0, since_ns - _SLACK_NS)) if since_ns else 0
    since_s = (wall_ns or 0) // NS
    if logs := paths(since_s):
        found.extend(_opened(logs))
    if any(os.path.isdir(p) and os.listdir(p) for p in JOURNALS):  # noqa: PTH112, PTH208
        found.extend(_journal(all_boots=all_boots, since_s=since_s))
    return tuple(found)


# Readers are imported where there is something for them to read: most hosts have no audit log.
def _opened(logs: list[str]) -> tuple[Kept, ...]:
    from killtrail.sources.logs import formats  # noqa: PLC0415

    try:
        return formats.open_paths(logs).kept
    except UsageError:
        # Rotated away between the two looks: what is left is asked the next time.
        return ()


def _journal(*, all_boots: bool, since_s: int) -> list[Kept]:
    from killtrail.sources.logs import journal, texts  # noqa: PLC0415

    entries = journal.of_this_host(all_boots=all_boots, since_s=since_s)
    return [] if entries is None else [texts.journal_stream(entries)]


def compared(verdicts: list[Verdict], sources: tuple[Kept, ...]) -> list[Verdict]:
    """Live verdicts with what the host's logs add to them or hold against them."""
    return [_compared(verdict, sources) for verdict in verdicts]


def _compared(verdict: Verdict, sources: tuple[Kept, ...]) -> Verdict:
    death = verdict.death
    if death.time_ns is None or death.kind is not DeathKind.PROCESS:
        return verdict
    first, last = _begin(verdict, death.time_ns), death.time_ns
    for source in sources:
        for asked in _asked(verdict, source, first, last):
            events = [e for e in source.events(asked) if asked.within(e.time_ns)]
            verdict = corroborated(verdict, events, source.host.boot)
    return verdict


def _begin(verdict: Verdict, death_ns: int) -> int:
    return min([death_ns, *(x.time_ns for x in verdict.links if x.time_ns is not None)])


def earliest(verdicts: list[Verdict], boot_id: str) -> int:
    """When the first of what happened in that boot began; 0 where nothing says so."""
    times = [
        _begin(v, v.death.time_ns)
        for v in verdicts
        if v.death.time_ns is not None and v.host.boot.boot_id == boot_id
    ]
    return min(times, default=0)


def _asked(verdict: Verdict, source: Kept, first: int, last: int) -> Iterator[Asked]:
    clock, own = source.host.boot, verdict.host.boot
    if clock.offset_ns is None or own.offset_ns is None:
        return
    shift = own.offset_ns - clock.offset_ns
    yield Asked(
        verdict.death.process.pid,
        first + shift - _SLACK_NS,
        last + shift + _SLACK_NS,
        launchers=False,
    )


def without_the_living(told: list[Verdict], alive: list[Verdict]) -> list[Verdict]:
    """What logs tell of deaths, without those of processes that were there before and still are.

    A log shows that a signal was sent, not that it was handled: who lives has not died of it.
    """
    since = {v.death.process.pid: _wall(v, v.death.process.key.start_ns) for v in alive}
    return [
        verdict
        for verdict in told
        if not _was_there(
            since.get(verdict.death.process.pid), _wall(verdict, verdict.death.time_ns)
        )
    ]


def _wall(verdict: Verdict, boot_ns: int | None) -> int | None:
    return None if boot_ns is None else verdict.host.boot.wall(boot_ns)


def _was_there(start: int | None, death: int | None) -> bool:
    return start is not None and death is not None and start <= death


def why(target: Target, narrow: Filter, sources: tuple[Kept, ...]) -> list[Verdict]:
    """Verdicts from the host's logs alone, for what no recorder has on record."""
    from killtrail.inquiry import lives  # noqa: PLC0415

    if target.kind is Kind.HOST:
        return lives.why_host(sources, narrow, None)
    return lives.why(sources, target, narrow, None)

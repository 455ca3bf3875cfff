"""The logs that this host keeps by itself, asked without being named."""

import glob
import os
from collections.abc import Iterator
from typing import Final

from killtrail.attribution.corroboration import corroborated
from killtrail.inquiry import kept
from killtrail.inquiry.narrow import Filter
from killtrail.inquiry.target import Kind, Target
from killtrail.model.clock import NS, Boot
from killtrail.model.verdict import Verdict
from killtrail.sources.kept import Asked, Kept
from killtrail.sources.logs import formats, journal, kmsg, texts

PATTERNS: Final = (
    "/var/log/audit/audit.log*",
    "/var/log/kern.log*",
    "/var/log/messages*",
    "/var/log/syslog*",
    "/var/log/auth.log*",
    "/var/log/secure*",
    "/var/log/wtmp*",
)
WALL: Final = Boot("", 0)
"""The clock of logs with dates."""
_SLACK_NS: Final = 5 * NS


def paths() -> list[str]:
    """Logs that are there and may be read. KILLTRAIL_LOGS names others, parted by colons."""
    named = os.environ.get("KILLTRAIL_LOGS")
    patterns = named.split(":") if named else PATTERNS
    found = (path for pattern in patterns for path in sorted(glob.glob(pattern)))  # noqa: PTH207
    return [path for path in found if os.path.isfile(path) and os.access(path, os.R_OK)]  # noqa: PTH113


def open_all(*, all_boots: bool) -> formats.Opened:
    """What this host has kept, the kernel's own ring and the journal included."""
    opened = formats.open_paths(paths())
    ring = kmsg.open_ring()
    entries = journal.of_this_host(all_boots=all_boots)
    more: list[Kept] = [ring] if ring else []
    if entries is not None:
        more.append(texts.journal_stream(entries))
    return formats.Opened((*opened.kept, *more), opened.unknown, opened.problems)


def compared(verdicts: list[Verdict], sources: tuple[Kept, ...]) -> list[Verdict]:
    """Live verdicts with what the host's logs add to them or hold against them."""
    return [_compared(verdict, sources) for verdict in verdicts]


def _compared(verdict: Verdict, sources: tuple[Kept, ...]) -> Verdict:
    death = verdict.death
    if death.time_ns is None or death.kind != "process":
        return verdict
    sent = [link.time_ns for link in verdict.links if link.time_ns is not None]
    first, last = min([death.time_ns, *sent]), death.time_ns
    for source in sources:
        for asked in _asked(verdict, source, first, last):
            events = [e for e in source.events(asked) if asked.within(e.time_ns)]
            verdict = corroborated(verdict, events, source.host.boot)
    return verdict


def _asked(verdict: Verdict, source: Kept, first: int, last: int) -> Iterator[Asked]:
    clock, boot = source.host.boot, verdict.host.boot
    if clock.offset_ns is None or boot.offset_ns is None:
        return
    shift = boot.offset_ns - clock.offset_ns
    yield Asked(
        verdict.death.process.pid,
        first + shift - _SLACK_NS,
        last + shift + _SLACK_NS,
        launchers=False,
    )


def why(target: Target, narrow: Filter, sources: tuple[Kept, ...]) -> list[Verdict]:
    """Verdicts from the host's logs alone, for what no recorder has on record."""
    if target.kind is Kind.HOST:
        return kept.why_host(sources, narrow, None)
    return kept.why(sources, target, narrow, None)

"""Questions to files: which sources they hold, of which hosts, and what they say of the hosts."""

from collections.abc import Iterator
from functools import partial

from killtrail._slotted import replace
from killtrail.errors import UnavailableError
from killtrail.inquiry import hosts
from killtrail.inquiry.merged import Merged, OnClock
from killtrail.inquiry.open_sources import Opened
from killtrail.inquiry.question import Question
from killtrail.model.clock import Boot
from killtrail.model.events import HostEvent
from killtrail.model.query import ALWAYS, Query, Window
from killtrail.model.text import visible
from killtrail.model.verdict import Host, Verdict
from killtrail.sources.base import Source
from killtrail.sources.logs import formats

_SHOWN = 5
_WALL = Boot("", 0)


def opened(question: Question) -> Opened:
    """The sources in the files of a question, grouped by host and clock.

    Raises `UnavailableError` where no file has a known format, `UsageError` for a missing file.
    """
    found = formats.open_paths(list(question.evidence))
    if not found.sources:
        what = "; ".join(_unread(found)) or "the files are empty"
        raise UnavailableError(
            f"no file of a known format ({what})",
            "give an audit log, a trace, a kernel log or a journal",
        )
    span = ALWAYS
    if question.boot is not None:
        from killtrail.inquiry import boots  # noqa: PLC0415 -- few ask for one

        span = boots.span(found.sources, question.boot, question.node)
    unread = tuple(problem.where for problem in found.problems)
    merged = tuple(_merged(group, span, unread) for group in hosts.groups(found.sources))
    return Opened(merged, tuple(_unread(found)))


# A file that can't be read may be of any of the hosts.
def _merged(group: list[Source], span: Window, unread: tuple[str, ...]) -> Merged:
    first = group[0].host
    host = replace(first, boot=_WALL) if first.boot.offset_ns is not None else first
    return Merged(host, (), partial(_on_clock, group, span), unread)


def _on_clock(group: list[Source], span: Window) -> list[OnClock]:
    return [OnClock(source, source.host.boot.offset_ns or 0, span) for source in group]


def _unread(found: formats.Evidence) -> Iterator[str]:
    yield from (visible(problem.what) for problem in found.problems[:_SHOWN])
    if found.unknown:
        names = ", ".join(visible(name) for name in found.unknown[:_SHOWN])
        more = f" and {len(found.unknown) - _SHOWN} more" if len(found.unknown) > _SHOWN else ""
        yield f"skipped (unrecognised format): {names}{more}"


def host(merged: Merged, question: Question) -> list[Verdict]:
    """Verdicts on every end of the machine that its logs show, oldest first."""
    from killtrail.attribution import host_down  # noqa: PLC0415 -- deaths of processes need none of it
    from killtrail.inquiry.answers import on_clock  # noqa: PLC0415

    window = on_clock(question.window, merged.host.boot)
    events = merged.logged(Query(kinds=(HostEvent,), window=window))
    found: list[Verdict] = []
    for name, own in hosts.by_host(events).items():
        if question.node in (None, name):
            told = [e for e in own if isinstance(e, HostEvent)]
            machine: Host = hosts.named(merged.host, name)
            found.extend(host_down.judge(told, machine, merged.read()))
    return found

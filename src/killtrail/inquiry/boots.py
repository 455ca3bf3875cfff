"""Boots as files tell of them: each begins where a log or wtmp says so, and lasts until the next."""

import re
from collections.abc import Iterable
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import host_down
from killtrail.errors import UsageError
from killtrail.model.events import HostEvent, HostEventKind
from killtrail.model.query import Filter
from killtrail.model.text import visible
from killtrail.sources.kept import Asked, Kept

_NUMBER: Final = re.compile(r"0|-[1-9]\d{0,5}")
_REMEDY: Final = "--since '2026-11-20 13:30' --until ..."


def within(kept: Iterable[Kept], which: str, node: str | None, narrow: Filter) -> Filter:
    """The filter, cut to one boot: 0 = the last that the files tell of, -1 = the one before.

    Raises `UsageError` where they don't tell of it, or of several machines' boots.
    """
    if not _NUMBER.fullmatch(which):
        raise UsageError("files know boots by number: 0 is their last, -1 the one before", _REMEDY)
    found = list(host_down.boots(_told(kept, node)))
    begun = [
        (first, following) for (first, *_), following in found if first.kind is HostEventKind.BOOT
    ]
    back = -int(which)
    if back >= len(begun):
        raise UsageError(
            f"these files tell of the beginning of {len(begun)} boots, not of boot {which}", _REMEDY
        )
    first, following = begun[-1 - back]
    # The next boot's first word is wanted, too: without it nothing says that this one had ended.
    since, until = first.time_ns, None if following is None else following.time_ns
    return replace(
        narrow,
        since_ns=since if narrow.since_ns is None else max(since, narrow.since_ns),
        until_ns=until
        if narrow.until_ns is None
        else min(x for x in (until, narrow.until_ns) if x is not None),
    )


# Clocks without a date can't be laid side by side.
def _told(kept: Iterable[Kept], node: str | None) -> list[HostEvent]:
    found: list[HostEvent] = []
    names: set[str] = set()
    for each in kept:
        if each.host.boot.offset_ns is None:
            continue
        for event in each.events(Asked(launchers=False)):
            name = event.origin.host or each.host.name
            if isinstance(event, HostEvent) and node in (None, name):
                found.append(event)
                names |= {name} if name else set()
    if len(names) > 1:
        listed = ", ".join(visible(name) for name in sorted(names))
        raise UsageError(f"boots of several machines: {listed}", "--node NAME")
    return found

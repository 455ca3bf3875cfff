"""Boots in files: each begins where a log or wtmp says so, and lasts until the next."""

import re
from collections.abc import Iterable
from typing import Final

from killtrail._slotted import replace
from killtrail.attribution import host_down
from killtrail.errors import UsageError
from killtrail.model.events import HostEvent, HostEventKind
from killtrail.model.query import Query, Window
from killtrail.model.text import visible
from killtrail.sources.base import Source

_NUMBER: Final = re.compile(r"0|-[1-9]\d{0,5}")
_REMEDY: Final = "--since '2026-11-20 13:30' --until ..."


def span(sources: Iterable[Source], which: str, node: str | None) -> Window:
    """The time of one boot on the wall clock: 0 = the last that the files know of, -1 = the one before.

    Raises `UsageError` where they don't know of it, or know of boots of several hosts.
    """
    if not _NUMBER.fullmatch(which):
        raise UsageError(
            "boots in files go by their order: 0 is the last, -1 the one before", _REMEDY
        )
    found = list(host_down.boots(_events(sources, node)))
    begun = [
        (first, following) for (first, *_), following in found if first.kind is HostEventKind.BOOT
    ]
    back = -int(which)
    if back >= len(begun):
        raise UsageError(
            f"these files show the beginning of {len(begun)} boots, not of boot {which}", _REMEDY
        )
    first, following = begun[-1 - back]
    # The next boot's first entry is wanted, too: without it nothing says that this one had ended.
    return Window(first.time_ns, None if following is None else following.time_ns)


# Clocks without a date can't be laid side by side.
def _events(sources: Iterable[Source], node: str | None) -> list[HostEvent]:
    found: list[HostEvent] = []
    names: set[str] = set()
    for each in sources:
        offset = each.host.boot.offset_ns
        if offset is None:
            continue
        for event in each.events(Query(kinds=(HostEvent,), launchers=False)):
            name = event.origin.host or each.host.name
            if isinstance(event, HostEvent) and node in (None, name):
                found.append(replace(event, time_ns=event.time_ns + offset))
                names |= {name} if name else set()
    if len(names) > 1:
        listed = ", ".join(visible(name) for name in sorted(names))
        raise UsageError(f"boots of several hosts: {listed}", "--node NAME")
    return found[::-1]

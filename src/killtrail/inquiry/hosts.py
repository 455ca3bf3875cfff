"""Which pieces of evidence are of one machine and one clock, and may be laid side by side."""

import os
import re
from collections.abc import Iterable
from typing import Final

from killtrail._slotted import replace
from killtrail.model.events import Event
from killtrail.model.verdict import Host
from killtrail.sources.base import Source

_LOGS: Final = re.compile(r"^(.*?)/?(?:var|run)/log/")


def groups(kept: Iterable[Source]) -> list[list[Source]]:
    """Evidence by machine and clock.

    Most logs don't name their machine. Nameless ones are taken for one machine's, unless two of them
    have the same file name in different folders: two hosts' logs, copied side by side.
    """
    found: dict[object, list[Source]] = {}
    together = list(kept)
    parted = _parted([each for each in together if not each.host.name])
    for each in together:
        dated = each.host.boot.offset_ns is not None
        place = _place(each) if parted and not each.host.name else ""
        key = (each.host.name, place, "wall" if dated else each.names)
        found.setdefault(key, []).append(each)
    return list(found.values())


# Rotated logs have a number more; `audit.log.1` beside `audit.log` are one folder's in any case.
def _parted(nameless: list[Source]) -> bool:
    places: dict[str, set[str]] = {}
    for each in nameless:
        for path in each.names:
            places.setdefault(os.path.basename(path), set()).add(_place(each))  # noqa: PTH119
    return any(len(where) > 1 for where in places.values())


# Of a copied root the logs lie in several folders.
def _place(each: Source) -> str:
    path = each.names[0] if each.names else ""
    root = _LOGS.match(path)
    return root[1] if root else os.path.dirname(path)  # noqa: PTH120


def by_host(events: list[Event]) -> dict[str, list[Event]]:
    """Events by the machine that they name.

    Some files name their machine, others don't: beside one name only, the others are that machine's.
    """
    names = {e.origin.host for e in events if e.origin.host}
    if len(names) <= 1:
        return {next(iter(names), ""): events} if events else {}
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.origin.host or "", []).append(event)
    return found


def named(host: Host, name: str) -> Host:
    """A host by the name that events give it; of another name, it is not known to be that machine."""
    if not name or name == host.name:
        return host
    return replace(host, name=name, machine_id=None)

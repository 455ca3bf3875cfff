"""Names near to one of which no death is recorded: after a typo, or where another name is meant."""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Final

from killtrail.host import procfs
from killtrail.inquiry import logged
from killtrail.inquiry.lives import victim_of
from killtrail.inquiry.merged import Merged
from killtrail.model.cgroup_path import apps_of, unit_of
from killtrail.model.events import ProcessExited
from killtrail.model.process import Process
from killtrail.model.query import Query
from killtrail.model.target import Kind, Target
from killtrail.sources.base import ListsUnits

_LOOKED_AT: Final = 500
_IN_LOGS: Final = 32
_REACH: Final = 64 << 20
"""Fewer of logs, and in bytes of each file: this must not cost more than the search that found nothing."""
_SHOWN: Final = 3


def near(target: Target, merged: tuple[Merged, ...], *, here: bool) -> list[str]:
    """Names of recent deaths (and of what runs here) that are like the target's; best first."""
    if target.kind in (Kind.PID, Kind.HOST):
        return []
    names: dict[str, None] = {}
    for each in merged:
        listed = _units(each) if target.kind is Kind.UNIT else []
        names.update(dict.fromkeys(listed))
        for process in () if listed else _died(each):
            names.update(dict.fromkeys(_names(process)))
    if here:
        found = (procfs.read_process(pid) for pid in islice(procfs.pids(), _LOOKED_AT))
        for running in found:
            names.update(dict.fromkeys(_names(running) if running else ()))
    wanted = target.text.rpartition("/")[2].lower()
    contained = [n for n in names if wanted in n.lower() and len(wanted) > 2]  # noqa: PLR2004 -- two letters are in everything
    close = get_close_matches(wanted, names, _SHOWN, 0.7)
    return list(dict.fromkeys([*close, *contained]))[:_SHOWN]


# An index answers at once; a search for deaths to take names from costs as much as the question.
def _units(merged: Merged) -> list[str]:
    logs = () if merged.recorders else merged.logs
    indexes = [log.source for log in logs if isinstance(log.source, ListsUnits)]
    return [unit for index in indexes for unit in index.units()]


def _died(merged: Merged) -> Iterator[Process]:
    if merged.recorders:
        wanted = Query(kinds=(ProcessExited,), newest=_LOOKED_AT)
        for event in islice(merged.newest_recorded(wanted), _LOOKED_AT):
            if isinstance(event, ProcessExited):
                yield event.process
    else:
        for ending in islice(
            logged.candidates(merged, Query(newest=_IN_LOGS, reach=_REACH)), _IN_LOGS
        ):
            yield victim_of(ending)


def _names(process: Process) -> Iterator[str]:
    if process.comm:
        yield process.comm
    if process.exe:
        yield process.exe.rpartition("/")[2]
    unit = unit_of(process.cgroup)
    if unit:
        yield unit
        yield from apps_of(unit)

"""Observations as flat (name, value) fields: how they are kept on disk and shown to people.

These names are a format. A field keeps its name and place here when the model renames or regroups
it, so that a history file written by one version is read by another.
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final, NamedTuple

from killtrail._slotted import MISSING, Field, fields, is_dataclass
from killtrail.model.events import Event, LogContext, ProcessExited, SignalSent
from killtrail.model.signal_context import KernelContext

_GROUPS: Final[dict[str, type]] = {"kernel": KernelContext, "log": LogContext}
_SIGNAL: Final = (
    "time_ns origin sig code result group target current info=basis si_pid si_uid"
    " kernel.disposition kernel.blocked kernel.doomed same_task same_group kernel.target_is_child"
    " kernel.pdeath_match syscall kernel.stack kernel.lineage kernel.creator kernel.memory"
    " kernel.limit kernel.filters kernel.terminal kernel.pipe kernel.ip kernel.sp log.chain"
    " log.login act=call_id truncated"
)
_RENAMED: Final[dict[type, dict[str, str]]] = {ProcessExited: {"second_hand": "told"}}
_layouts: dict[type, tuple["_Slot", ...]] = {}


class _Slot(NamedTuple):
    """One field: its name in records, its path in the model, and how to read it there."""

    name: str
    group: str
    field: str
    default: object
    read: Callable[[Any], object]


def flat(value: object) -> Iterator[tuple[str, object, object]]:
    """(name, value, default) of each field of a dataclass; the default is MISSING if there is none."""
    for slot in _layout(type(value)):
        yield slot.name, slot.read(value), slot.default


def places(cls: type) -> Iterator[tuple[str, str, str]]:
    """(flat name, group in the model or empty, field) of each field that records of `cls` hold."""
    for slot in _layout(cls):
        yield slot.name, slot.group, slot.field


def described(event: Event) -> tuple[tuple[str, str], ...]:
    """An observation as (field, text) rows; nested records flattened, empty fields left out."""
    return tuple(_rows("", event))


def _rows(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    for field, item, _ in flat(value):
        name = f"{prefix}{field}"
        if item is None or item == () or field == "origin":
            continue
        if is_dataclass(item):
            yield from _rows(f"{name}.", item)
        elif isinstance(item, tuple) and is_dataclass(item[0]):
            for number, part in enumerate(item):
                yield from _rows(f"{name}[{number}].", part)
        elif isinstance(item, tuple):
            yield name, " ".join("?" if part is None else str(part) for part in item)
        else:
            yield name, str(item)


def _layout(cls: type) -> tuple[_Slot, ...]:
    found = _layouts.get(cls)
    if found is None:
        found = _layouts[cls] = tuple(_signal() if cls is SignalSent else _plain(cls))
    return found


def _plain(cls: type) -> Iterator[_Slot]:
    names = _RENAMED.get(cls, {})
    for each in fields(cls):
        yield _slot(names.get(each.name, each.name), "", each)


def _signal() -> Iterator[_Slot]:
    for entry in _SIGNAL.split():
        name, _, path = entry.rpartition("=")
        group, _, field = path.rpartition(".")
        owner = _GROUPS[group] if group else SignalSent
        declared = next(each for each in fields(owner) if each.name == field)
        yield _slot(name or field, group, declared)


def _slot(name: str, group: str, declared: Field) -> _Slot:
    path = f"{group}.{declared.name}" if group else declared.name
    default = MISSING if declared.factory else declared.default
    return _Slot(name, group, declared.name, default, attrgetter(path))

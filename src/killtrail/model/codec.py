"""Events as compact JSON and back, for keeping them on disk.

Field names (`record_fields`) are the format: a field that a reader does not know is ignored, one
that a writer did not have gets its default. Decoding arbitrary JSON gives an event or ValueError.
"""

import json
from collections.abc import Callable
from enum import Enum
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from killtrail._slotted import MISSING, is_dataclass
from killtrail.model import events as ev
from killtrail.model.process import Process
from killtrail.model.record_fields import flat, places
from killtrail.model.wait_status import WaitStatus

_KINDS: Final = {
    "signal": ev.SignalSent,
    "exit": ev.ProcessExited,
    "will": ev.OrphanedBy,
    "oom": ev.OomVictimMarked,
    "thread": ev.ThreadDied,
    "replaced": ev.ImageReplaced,
    "line": ev.KernelLine,
    "asked": ev.ManagerAsked,
    "limit": ev.LimitSet,
}
_NAMES: Final = {cls: name for name, cls in _KINDS.items()}
_Reader = Callable[[Any], Any]
_readers: dict[Any, _Reader] = {}


def encode(event: ev.Recorded) -> str:
    """One event as JSON text; fields that hold their default are left out."""
    return json.dumps([_NAMES[type(event)], _plain(event)], separators=(",", ":"))


def decode(text: str) -> ev.Recorded:
    """The event in `text`; ValueError for anything else."""
    try:
        kind, data = json.loads(text)
        event: ev.Recorded = _reader(_KINDS[kind])(data)
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise ValueError(f"not an event: {error}") from error
    return event


def to_plain(value: object) -> Any:  # noqa: ANN401 -- what json takes
    """Any of the model's dataclasses as JSON objects."""
    return _plain(value)


def from_plain(cls: type, data: object) -> Any:  # noqa: ANN401 -- an instance of cls
    """The dataclass in a JSON object; ValueError for anything else."""
    try:
        return _reader(cls)(data)
    except (KeyError, TypeError, RecursionError, AttributeError) as error:
        raise ValueError(f"not {cls.__name__}: {error}") from error


def process_to_plain(process: Process) -> dict[str, Any]:
    """A process as a JSON object."""
    plain: dict[str, Any] = _plain(process)
    return plain


def process_from_plain(data: object) -> Process:
    """The process in a JSON object; ValueError for anything else."""
    process: Process = from_plain(Process, data)
    return process


def _plain(value: Any) -> Any:  # noqa: ANN401 -- a walk over any field
    if is_dataclass(value) and not isinstance(value, type):
        return {
            name: _plain(item)
            for name, item, default in flat(value)
            if default is MISSING or item != default
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


# What a hint wants is worked out once: a history of 100,000 deaths is a million values.
def _reader(hint: Any) -> _Reader:  # noqa: ANN401
    found = _readers.get(hint)
    if found is None:
        found = _readers[hint] = _made(hint)
    return found


def _made(hint: Any) -> _Reader:  # noqa: ANN401
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _optional(_reader(next(a for a in get_args(hint) if a is not type(None))))
    if origin is tuple:
        return _several(_reader(get_args(hint)[0]))
    if isinstance(hint, type) and is_dataclass(hint):
        return _object(hint)
    return _single(hint)


def _optional(inner: _Reader) -> _Reader:
    return lambda data: None if data is None else inner(data)


def _several(item: _Reader) -> _Reader:
    def read(data: Any) -> Any:  # noqa: ANN401
        if type(data) is not list:
            raise TypeError("a list is wanted")
        return tuple([item(each) for each in data])

    return read


def _object(cls: type) -> _Reader:
    hints = get_type_hints(cls)
    own: list[tuple[str, str, _Reader]] = []
    groups: dict[str, list[tuple[str, str, _Reader]]] = {}
    for name, group, field in places(cls):
        inside = get_type_hints(hints[group]) if group else hints
        place = groups.setdefault(group, []) if group else own
        place.append((name, field, _reader(inside[field])))

    def read(data: Any) -> Any:  # noqa: ANN401
        if type(data) is not dict:
            raise TypeError(f"{cls.__name__} wants an object")
        known = {field: value(data[name]) for name, field, value in own if name in data}
        for group, fields in groups.items():
            inner = {field: value(data[name]) for name, field, value in fields if name in data}
            if inner:
                known[group] = hints[group](**inner)
        return cls(**known)

    return read


def _single(hint: Any) -> _Reader:  # noqa: ANN401
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda data: hint(_present(data))
    if hint in (float, WaitStatus):
        return lambda data: hint(data) if type(data) in (int, hint) else _refused(hint, data)
    if hint in (int, str, bool):
        return lambda data: data if type(data) is hint else _refused(hint, data)
    return _present


def _present(data: Any) -> Any:  # noqa: ANN401
    if data is None:
        raise TypeError("a value is missing")
    return data


def _refused(hint: Any, data: object) -> Any:  # noqa: ANN401
    _present(data)
    raise TypeError(f"{hint.__name__} wanted")

"""Events as compact JSON and back, for keeping them on disk.

Field names (`record_fields`) are the format: a field that a reader does not know is ignored, one
that a writer did not have gets its default. Decoding arbitrary JSON gives an event or ValueError.
"""

import json
from enum import Enum
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from killtrail._slotted import MISSING, is_dataclass
from killtrail.model import events as ev
from killtrail.model.process import Process
from killtrail.model.record_fields import flat, grouped
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
_hints: dict[type, dict[str, Any]] = {}


def encode(event: ev.Recorded) -> str:
    """One event as JSON text; fields that hold their default are left out."""
    return json.dumps([_NAMES[type(event)], _plain(event)], separators=(",", ":"))


def decode(text: str) -> ev.Recorded:
    """The event in `text`; ValueError for anything else."""
    try:
        kind, data = json.loads(text)
        event: ev.Recorded = _build(_KINDS[kind], data)
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise ValueError(f"not an event: {error}") from error
    return event


def to_plain(value: object) -> Any:  # noqa: ANN401 -- what json takes
    """Any of the model's dataclasses as JSON objects."""
    return _plain(value)


def from_plain(cls: type, data: object) -> Any:  # noqa: ANN401 -- an instance of cls
    """The dataclass in a JSON object; ValueError for anything else."""
    try:
        return _build(cls, data)
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


def _build(cls: type, data: Any) -> Any:  # noqa: ANN401
    if not isinstance(data, dict):
        raise TypeError(f"{cls.__name__} wants an object")
    hints = _hints.get(cls) or _hints.setdefault(cls, get_type_hints(cls))
    known = {name: _value(hints[name], value) for name, value in grouped(cls, data).items()}
    return cls(**known)


def _value(hint: Any, data: Any) -> Any:  # noqa: ANN401
    if data is None:
        if hint is type(None) or type(None) in get_args(hint):
            return None
        raise TypeError("a value is missing")
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        inner = next(a for a in get_args(hint) if a is not type(None))
        return _value(inner, data)
    if origin is tuple:
        if not isinstance(data, list):
            raise TypeError("a list is wanted")
        return tuple(_value(get_args(hint)[0], item) for item in data)
    if is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, data)
    return _single(hint, data)


def _single(hint: Any, data: Any) -> Any:  # noqa: ANN401
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if hint in (float, WaitStatus) and type(data) is int:
        return hint(data)
    if hint in (int, str, bool, float, WaitStatus) and type(data) is not hint:
        raise TypeError(f"{hint.__name__} wanted")
    return data

"""One of our dataclasses as the standard library describes its own.

Imported when `dataclasses`, `inspect` or `pprint` asks a class of ours: they cost more than most
commands take.
"""

import dataclasses  # noqa: TID251 -- the one place that is for it
import inspect
from functools import cache
from typing import Any

from killtrail import _slotted


@cache
def _twin(cls: type) -> type:
    """The same definition by the standard library, which knows its own internals."""
    own: Any = cls
    return dataclasses.make_dataclass(
        cls.__name__,
        [(each.name, _annotation(cls, each.name), _field(each)) for each in own.__fields__],
        eq="__eq__" in cls.__dict__,
        frozen=cls.__dict__.get("__setattr__") is _slotted.refuse_setting,
        slots=True,
        weakref_slot="__weakref__" in own.__slots__,
    )


def attributes(cls: type) -> dict[str, object]:
    """`__dataclass_fields__` and `__dataclass_params__` of a class that is one of ours."""
    twin: Any = _twin(cls)
    return {
        "__dataclass_fields__": twin.__dataclass_fields__,
        "__dataclass_params__": twin.__dataclass_params__,
    }


def signature(cls: type) -> inspect.Signature:
    """How one of ours is called."""
    return inspect.signature(_twin(cls))


def _annotation(cls: type, name: str) -> Any:  # noqa: ANN401 -- whatever stands there
    return inspect.get_annotations(cls)[name]


def _field(each: _slotted.Field) -> Any:  # noqa: ANN401 -- dataclasses.Field, of any type
    if each.factory is not None:
        return dataclasses.field(default_factory=each.factory)
    if each.default is _slotted.MISSING:
        return dataclasses.field()
    return dataclasses.field(default=each.default)

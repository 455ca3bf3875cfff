"""The part of the standard library's dataclasses that killtrail uses, with cheap class definitions.

The standard ones import `inspect` and compile six functions for every class as it is defined: half of
the time that a question to a log took before its first byte was read. Here `__init__` is compiled
for classes of which there are many, and the rest is shared. Meaning and spelling are the standard library's
(PEP 557, PEP 681), always with slots; there is no inheritance of fields and no `__post_init__`.

Instances can be copied, pickled and weakly referenced. What `dataclasses`, `inspect` and `pprint` want to
know of a class is made when one of them asks for it (`killtrail._standard`).
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, TypeVar, dataclass_transform

_C = TypeVar("_C", bound=type)
_T = TypeVar("_T")
_FEW: Final = 16
MISSING: Final = object()
"""In place of a default that a field does not have."""


class Field:
    """One field: its name, and its default or what makes one."""

    __slots__ = ("default", "factory", "name")

    def __init__(self, default: object, factory: Callable[[], object] | None) -> None:
        self.name = ""
        self.default = default
        self.factory = factory


def field(*, default: Any = MISSING, default_factory: Callable[[], object] | None = None) -> Any:  # noqa: ANN401 -- stands where a default of any type may stand
    """A field whose default is created for each instance."""
    return Field(default, default_factory)


@dataclass_transform(field_specifiers=(field,))
def dataclass(
    *, frozen: bool = False, eq: bool = True, slots: bool = True, weakref_slot: bool = True
) -> Callable[[_C], _C]:
    """A class with slots for its annotated names, which its `__init__` takes in that order.

    `weakref_slot` costs each instance 8 bytes and is the default here, not in the standard library.
    """
    assert slots  # noqa: S101 -- written out where it is used, as readers know it
    return lambda cls: _made(cls, frozen=frozen, eq=eq, weakref_slot=weakref_slot)


def fields(of: object) -> tuple[Field, ...]:
    """The fields of a dataclass, or of an instance of one; TypeError for anything else."""
    try:
        found: tuple[Field, ...] = of.__fields__  # type: ignore[attr-defined]
    except AttributeError:
        raise TypeError(f"{of!r} is not a dataclass") from None
    return found


def is_dataclass(of: object) -> bool:
    """Whether it is a dataclass, or an instance of one."""
    return hasattr(of, "__fields__")


def replace(of: _T, /, **changes: Any) -> _T:  # noqa: ANN401
    """A copy with some fields changed."""
    cls = type(of)
    for name in cls.__match_args__:  # type: ignore[attr-defined]
        if name not in changes:
            changes[name] = getattr(of, name)
    return cls(**changes)


class _OnDemand:
    """A class attribute that the standard library looks for, made when it is first looked for."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, _: object, owner: type) -> object:
        from killtrail import _standard  # noqa: PLC0415 -- imports what this module spares

        cls = next(each for each in owner.__mro__ if each.__dict__.get(self._name) is self)
        for name, value in _standard.attributes(cls).items():
            setattr(cls, name, value)
        return getattr(owner, self._name)


class _Signature:
    """The same for `__signature__`, which a derived class with an `__init__` of its own has not."""

    __slots__ = ()

    def __get__(self, _: object, owner: type) -> object:
        from killtrail import _standard  # noqa: PLC0415

        cls = next(each for each in owner.__mro__ if each.__dict__.get("__signature__") is self)
        if owner.__init__ is not cls.__init__:  # type: ignore[misc]
            raise AttributeError(f"{owner.__name__} has its own __init__")
        return _standard.signature(cls)


def _getstate(self: object) -> list[object]:
    return [getattr(self, name) for name in type(self).__match_args__]  # type: ignore[attr-defined]


# object's would set by setattr(), which a frozen class refuses.
def _setstate(self: object, state: list[object]) -> None:
    for name, value in zip(type(self).__match_args__, state, strict=True):  # type: ignore[attr-defined]
        object.__setattr__(self, name, value)


_SHARED: Final[dict[str, object]] = {
    "__dataclass_fields__": _OnDemand("__dataclass_fields__"),
    "__dataclass_params__": _OnDemand("__dataclass_params__"),
    "__signature__": _Signature(),
    "__getstate__": _getstate,
    "__setstate__": _setstate,
    "__replace__": replace,
}
"""What all classes have, unless they define it. `__replace__` is what copy.replace() calls (3.13)."""


def _made(cls: _C, *, frozen: bool, eq: bool, weakref_slot: bool) -> _C:
    own = dict(cls.__dict__)
    declared = tuple(_declared(name, own.pop(name, MISSING)) for name in _annotated(cls))
    names = tuple(each.name for each in declared)
    for name in ("__dict__", "__weakref__"):
        own.pop(name, None)
    slots = (*names, "__weakref__") if weakref_slot else names
    own = _SHARED | own
    own |= {"__slots__": slots, "__match_args__": names, "__fields__": declared}
    own.setdefault("__repr__", _repr)
    if eq:
        own |= _comparing(names, frozen=frozen)
    if frozen:
        own |= {"__setattr__": refuse_setting, "__delattr__": _refuse_deleting}
    new: Any = type(cls)(cls.__name__, cls.__bases__, own)
    new.__qualname__ = cls.__qualname__
    new.__init__ = _first(new, frozen=frozen)
    made: _C = new
    return made


# Python 3.14 evaluates annotations on access, and names in them may not exist yet.
def _annotated(cls: type) -> tuple[str, ...]:
    if "__annotations__" in cls.__dict__:
        return tuple(cls.__dict__["__annotations__"])  # noqa: RUF063 -- inspect is what costs
    try:
        import annotationlib  # type: ignore[import-not-found] # noqa: PLC0415
    except ImportError:
        return ()
    return tuple(annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF))


def _declared(name: str, value: object) -> Field:
    found = value if isinstance(value, Field) else Field(value, None)
    found.name = name
    return found


def _comparing(names: tuple[str, ...], *, frozen: bool) -> dict[str, object]:
    values: Callable[[object], object] = attrgetter(*names) if names else lambda _: ()

    def __eq__(self: object, other: object) -> bool:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


# Compiling costs as much as filling a hundred instances by hand, and most classes have fewer.
def _first(cls: type, *, frozen: bool) -> Callable[..., None]:
    made = 0

    def __init__(self: object, *args: object, **named: object) -> None:  # noqa: N807
        nonlocal made
        made += 1
        if made > _FEW or not _filled(self, args, named):
            init = _compiled(cls, frozen=frozen)
            cls.__init__ = init  # type: ignore[misc]
            init(self, *args, **named)

    return __init__


def _filled(self: object, args: tuple[object, ...], named: dict[str, object]) -> bool:
    """Sets the fields; False where the call was wrong: the compiled one says how."""
    declared = fields(self)
    if len(args) + len(named) > len(declared):
        return False
    put, used = object.__setattr__, 0
    for each, value in zip(declared, args, strict=False):
        put(self, each.name, value)
    for each in declared[len(args) :]:
        if each.name in named:
            value, used = named[each.name], used + 1
        else:
            value = each.factory() if each.factory else each.default
        if value is MISSING:
            return False
        put(self, each.name, value)
    return used == len(named)


def _compiled(cls: type, *, frozen: bool) -> Callable[..., None]:
    known: dict[str, object] = {"_MISSING": MISSING}
    heads, body = ["self"], []
    for each in fields(cls):
        name = each.name
        default = MISSING if each.factory else each.default
        if each.factory:
            known[f"_new_{name}"] = each.factory
            body.append(f" if {name} is _MISSING: {name} = _new_{name}()")
        elif default is not MISSING:
            known[f"_of_{name}"] = default
        has_default = each.factory or default is not MISSING
        heads.append(
            name + (("=_MISSING" if each.factory else f"=_of_{name}") if has_default else "")
        )
        if frozen:
            known[f"_set_{name}"] = cls.__dict__[name].__set__
        body.append(f" _set_{name}(self, {name})" if frozen else f" self.{name} = {name}")
    exec(f"def __init__({', '.join(heads)}):\n" + "\n".join(body or [" pass"]), known)  # noqa: S102 -- of names in our own source
    made: Callable[..., None] = known["__init__"]  # type: ignore[assignment]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _repr(self: object) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
    return f"{type(self).__qualname__}({shown})"


def refuse_setting(self: object, name: str, _: object) -> None:
    """`__setattr__` of what is frozen."""
    raise AttributeError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _refuse_deleting(self: object, name: str) -> None:
    raise AttributeError(f"cannot delete field {name!r} of {type(self).__name__}")

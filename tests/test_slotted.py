"""Our dataclasses beside the standard library's: what they mean is the same."""

import dataclasses
import importlib
import keyword
import pkgutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import killtrail
from killtrail import _slotted

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and not name.startswith("__") and name != "self"
)
FORMS = st.fixed_dictionaries({"frozen": st.booleans(), "eq": st.booleans()})
REFUSED = object()
VALUES = st.one_of(st.integers(), st.text(max_size=3), st.tuples(st.integers()))


def twins(
    names: list[str], defaults: list[object], form: dict[str, bool]
) -> tuple[type[Any], type[Any]]:
    """The same definition by both; the last fields have defaults."""

    def body(own: Any) -> dict[str, Any]:
        bare = len(names) - len(defaults)
        space: dict[str, Any] = {"__annotations__": dict.fromkeys(names, int), "__doc__": "one"}
        for name, value in zip(names[bare:], defaults, strict=True):
            fresh = isinstance(value, tuple)
            space[name] = own.field(default_factory=partial(list, (value,))) if fresh else value
        return space

    ours = _slotted.dataclass(**form)(type("Same", (), body(_slotted)))
    theirs = dataclasses.dataclass(**form, slots=True)(type("Same", (), body(dataclasses)))
    return ours, theirs


def outcome(what: Callable[[], object]) -> object:
    """Its result. The standard library's frozen classes refuse unknown names with a TypeError."""
    try:
        return what()
    except (AttributeError, TypeError):
        return REFUSED


@pytest.mark.parametrize("few", [0, 1, 1000])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.lists(NAMES, unique=True, max_size=5), FORMS)
def test_the_same_as_the_standard_ones(
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    data: st.DataObject,
    names: list[str],
    form: dict[str, bool],
) -> None:
    """Compiled from the first instance on, from the second, or never."""
    monkeypatch.setattr(_slotted, "_FEW", few)
    defaults = data.draw(st.lists(VALUES, max_size=len(names)))
    ours, theirs = twins(names, defaults, form)
    given_values = data.draw(st.lists(VALUES, max_size=len(names) + 1))
    named = data.draw(st.dictionaries(st.sampled_from([*names, "no"]), VALUES, max_size=2))
    one, other = (outcome(partial(cls, *given_values, **named)) for cls in (ours, theirs))
    assert (one is REFUSED) == (other is REFUSED)
    if one is REFUSED:
        return
    for ask in asked(data, names):
        assert outcome(partial(ask, one)) == outcome(partial(ask, other))


def asked(data: st.DataObject, names: list[str]) -> list[Callable[[Any], object]]:
    """What is asked of an instance of either."""
    new = data.draw(VALUES)
    name = data.draw(st.sampled_from([*names, "no"]))

    def again(one: Any, **changes: object) -> Any:
        own = _slotted if _slotted.is_dataclass(one) else dataclasses
        return own.replace(one, **changes)

    def changed(one: Any) -> object:
        setattr(one, name, new)
        return repr(one)

    return [
        repr,
        lambda one: type(one).__match_args__,
        lambda one: one == again(one),
        lambda one: one == again(one, **{name: new}),
        lambda one: one == names,
        lambda one: isinstance(hash(one), int),
        lambda one: hash(one) == hash(again(one)),
        lambda one: repr(again(one, **{name: new})),
        lambda one: hasattr(one, "__dict__"),
        lambda one: delattr(one, name) if name == "no" else None,
        changed,
    ]


def test_frozen_can_be_neither_set_nor_deleted() -> None:
    ours, _ = twins(["pid"], [], {"frozen": True, "eq": True})
    one = ours(1)
    with pytest.raises(AttributeError, match="cannot assign to field 'pid'"):
        one.pid = 2
    with pytest.raises(AttributeError, match="cannot delete field 'pid'"):
        del one.pid
    assert one.pid == 1


def test_defaults_made_anew_are_not_shared() -> None:
    ours, _ = twins(["seen"], [(1,)], {"frozen": False, "eq": True})
    one, other = ours(), ours()
    one.seen.append(2)
    assert other.seen == [(1,)]


def test_fields_of_what_has_none() -> None:
    assert not _slotted.is_dataclass(3)
    with pytest.raises(TypeError, match="3 is not a dataclass"):
        _slotted.fields(3)


def test_every_class_of_ours_can_be_defined_by_the_standard_library() -> None:
    """No field without a default stands behind one with, no default is mutable."""
    seen = 0
    for found in pkgutil.walk_packages(killtrail.__path__, "killtrail."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for cls in vars(module).values():
            if (
                isinstance(cls, type)
                and _slotted.is_dataclass(cls)
                and cls.__module__ == found.name
            ):
                seen += 1
                twin = dataclasses.make_dataclass(
                    cls.__name__, [standard(each) for each in _slotted.fields(cls)]
                )
                names = tuple(each.name for each in dataclasses.fields(twin))
                assert names == cls.__match_args__
    assert seen > 100


def standard(each: _slotted.Field) -> tuple[str, type, Any]:
    """A field as make_dataclass takes it."""
    if each.factory:
        return each.name, object, dataclasses.field(default_factory=each.factory)
    if each.default is _slotted.MISSING:
        return each.name, object, dataclasses.field()
    return each.name, object, dataclasses.field(default=each.default)

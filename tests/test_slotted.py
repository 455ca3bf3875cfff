"""Our dataclasses beside the standard library's: what they mean is the same."""

import copy
import dataclasses
import gc
import importlib
import inspect
import keyword
import pickle
import pkgutil
import pprint
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import killtrail
import killtrail.model
from killtrail import _slotted
from killtrail.model.process import Key, Process
from killtrail.model.verdict import Verdict

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and not name.startswith("__") and name != "self"
)
FORMS = st.fixed_dictionaries({"frozen": st.booleans(), "eq": st.booleans()})
REFUSED = object()
SRC = str(Path(killtrail.__path__[0]).parent)
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


def defined_in(package: Any) -> Iterator[type[Any]]:
    """Every dataclass of ours below a package."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith("__main__"):
            continue
        for cls in vars(importlib.import_module(found.name)).values():
            own = isinstance(cls, type) and cls.__module__ == found.name
            if own and _slotted.is_dataclass(cls):
                yield cls


MODEL = sorted(defined_in(killtrail.model), key=lambda cls: cls.__qualname__)


@cache
def instances(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Instances with every field drawn from its annotation."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{each.name: st.from_type(hints[each.name]) for each in cls.__fields__})


# NaN is not equal to itself: a copy of it can't be told from another value.
st.register_type_strategy(float, st.floats(allow_nan=False))
for each_class in MODEL:
    st.register_type_strategy(each_class, instances)

drawn = settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
over_the_model = pytest.mark.parametrize("cls", MODEL, ids=lambda cls: cls.__qualname__)


def test_the_model_has_classes() -> None:
    assert {Process, Key, Verdict} <= set(MODEL)
    assert len(MODEL) > 40


@over_the_model
@drawn
@given(st.data())
def test_copies_are_equal_and_of_the_same_class(cls: type[Any], data: st.DataObject) -> None:
    one = data.draw(instances(cls))
    copies = [copy.copy(one), copy.deepcopy(one)]
    copies += [pickle.loads(pickle.dumps(one, v)) for v in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in copies:
        assert type(other) is cls
        assert other == one
        assert repr(other) == repr(one)


def test_a_deep_copy_shares_nothing_that_can_change() -> None:
    ours, _ = twins(["seen"], [(1,)], {"frozen": False, "eq": True})
    one = ours()
    deep, flat = copy.deepcopy(one), copy.copy(one)
    one.seen.append(2)
    assert (deep.seen, flat.seen) == ([(1,)], [(1,), 2])


def test_a_pickle_of_other_fields_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        Key(1, 2).__setstate__([1])  # type: ignore[attr-defined]


@over_the_model
@drawn
@given(st.data())
def test_the_standard_library_knows_them(cls: type[Any], data: st.DataObject) -> None:
    one = data.draw(instances(cls))
    names = cls.__match_args__
    assert dataclasses.is_dataclass(cls)
    assert dataclasses.is_dataclass(one)
    assert tuple(each.name for each in dataclasses.fields(one)) == names
    assert tuple(dataclasses.asdict(one)) == names
    assert len(dataclasses.astuple(one)) == len(names)
    again = dataclasses.replace(one)
    assert again == one
    assert again is not one
    if sys.version_info >= (3, 13):
        assert copy.replace(one) == one
    assert pprint.pformat(one)


@over_the_model
def test_each_can_be_weakly_referenced(cls: type[Any]) -> None:
    one = cls(*[None] * len(cls.__match_args__))
    seen = weakref.ref(one)
    assert seen() is one
    del one
    gc.collect()
    assert seen() is None


@over_the_model
def test_the_signature_names_fields_defaults_and_types(cls: type[Any]) -> None:
    found = inspect.signature(cls).parameters
    twin = inspect.signature(standard_twin(cls)).parameters
    assert tuple(found) == tuple(twin) == cls.__match_args__
    for name, parameter in found.items():
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert (parameter.default is inspect.Parameter.empty) == (
            twin[name].default is inspect.Parameter.empty
        )
        assert parameter.annotation == inspect.get_annotations(cls)[name]


def test_fields_have_the_types_and_defaults_of_the_definition() -> None:
    known = {each.name: each for each in dataclasses.fields(Process)}
    assert known["comm"].type == str | None
    assert known["comm"].default is None
    assert known["key"].type is Key
    assert known["key"].default is dataclasses.MISSING
    assert dataclasses.asdict(Process(Key(4, 5), "a"))["key"] == {"tgid": 4, "start_ns": 5}


def test_a_derived_class_keeps_its_own_signature() -> None:
    class Same(Process):
        """Takes what Process takes."""

    class Other(Process):
        """Takes something else."""

        def __init__(self, number: int) -> None:
            super().__init__(Key(number, None))

    assert "comm" in inspect.signature(Same).parameters
    assert list(inspect.signature(Other).parameters) == ["number"]
    assert dataclasses.fields(Other) == dataclasses.fields(Process)


def test_dataclasses_and_inspect_are_imported_when_they_are_asked_for_only() -> None:
    program = (
        "import sys, copy, killtrail.model.verdict as v, killtrail.model.process as p\n"
        "one = copy.copy(p.Process(p.Key(1, None)))\n"
        "assert not {'dataclasses', 'inspect'} & set(sys.modules), sorted(sys.modules)\n"
        "assert hasattr(type(one), '__dataclass_fields__') and 'dataclasses' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-S", "-c", program], check=True, env={"PYTHONPATH": SRC})


def test_every_class_of_ours_can_be_defined_by_the_standard_library() -> None:
    """No field without a default stands after one with, no default is mutable."""
    seen = 0
    for cls in defined_in(killtrail):
        seen += 1
        names = tuple(each.name for each in dataclasses.fields(standard_twin(cls)))
        assert names == cls.__match_args__
    assert seen > 100


def standard_twin(cls: type[Any]) -> type[Any]:
    """The same fields by the standard library."""
    return dataclasses.make_dataclass(
        cls.__name__, [standard(each) for each in _slotted.fields(cls)]
    )


def standard(each: _slotted.Field) -> tuple[str, type, Any]:
    """A field as make_dataclass takes it."""
    if each.factory:
        return each.name, object, dataclasses.field(default_factory=each.factory)
    if each.default is _slotted.MISSING:
        return each.name, object, dataclasses.field()
    return each.name, object, dataclasses.field(default=each.default)

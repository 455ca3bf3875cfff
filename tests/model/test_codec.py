"""Events survive being kept; anything else is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.model import codec
from killtrail.model.events import (
    LimitSet,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    Provenance,
    SignalSent,
)
from killtrail.model.process import Argv, Key, Process

KEYS = st.builds(Key, st.integers(0, 1 << 22), st.one_of(st.none(), st.integers(0, 1 << 62)))
PROCESSES = st.builds(
    Process,
    KEYS,
    comm=st.one_of(st.none(), st.text(max_size=16)),
    argv=st.one_of(st.none(), st.builds(Argv, st.tuples(st.text(max_size=20)), cut=st.booleans())),
    uid=st.one_of(st.none(), st.integers(0, 1 << 32)),
    exiting=st.booleans(),
)
ORIGINS = st.builds(Provenance, st.just("bpf"), st.text(max_size=10))
TIMES = st.integers(0, 1 << 62)
EVENTS = st.one_of(
    st.builds(ProcessExited, TIMES, ORIGINS, PROCESSES, st.one_of(st.none(), st.integers(0, 0xFFFF))),
    st.builds(OrphanedBy, TIMES, ORIGINS, PROCESSES, st.tuples(PROCESSES)),
    st.builds(
        LimitSet, TIMES, ORIGINS, PROCESSES, KEYS, st.just("RLIMIT_CPU"),
        st.one_of(st.none(), st.integers(0, 1 << 62)), st.one_of(st.none(), st.integers(0, 1 << 62)),
        st.tuples(PROCESSES),
    ),
    st.builds(OomVictimMarked, TIMES, ORIGINS, KEYS, PROCESSES),
    st.builds(
        SignalSent, TIMES, ORIGINS, st.integers(1, 64), st.integers(-100, 200), st.integers(0, 4),
        st.booleans(), PROCESSES, PROCESSES, stack=st.one_of(st.none(), st.tuples(st.none(), st.just("isig"))),
    ),
)  # fmt: skip


@given(EVENTS)
def test_round_trip(event):
    """What was encoded comes back the same."""
    assert event == codec.decode(codec.encode(event))


@given(st.text())
def test_any_bytes_are_refused_or_read(text):
    """No text raises anything but ValueError."""
    try:
        codec.decode(text)
    except ValueError:
        pass


@given(EVENTS, st.data())
def test_damaged_json_is_refused_or_read(event, data):
    """A field of a wrong type is a ValueError, never an event that breaks later."""
    plain = json.loads(codec.encode(event))
    field = data.draw(st.sampled_from(sorted(plain[1])))
    plain[1][field] = data.draw(
        st.one_of(st.none(), st.text(), st.lists(st.integers()), st.integers())
    )
    try:
        codec.decode(json.dumps(plain))
    except ValueError:
        pass


def test_unknown_fields_are_ignored():
    """A newer writer may add fields."""
    event = ProcessExited(1, Provenance("bpf", "x"), Process(Key(1, 2)), 9)
    kind, plain = json.loads(codec.encode(event))

    assert event == codec.decode(json.dumps([kind, {**plain, "later": 1}]))


@pytest.mark.parametrize("text", ["[]", "{}", '["signal", []]', '["nothing", {}]', "[" * 5000])
def test_other_json_is_refused(text):
    """Valid JSON that is no event is refused."""
    with pytest.raises(ValueError, match="not an event"):
        codec.decode(text)

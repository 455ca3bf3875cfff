"""Signal names as people write them."""

import signal

import pytest

from killtrail.model import signals as sg


@pytest.mark.parametrize("number", range(1, 32))
def test_names_are_the_system_s(number):
    """Our table says what the C library says."""
    try:
        known = signal.Signals(number).name
    except ValueError:
        known = "SIGSTKFLT"
    assert sg.name(number) in (known, {"SIGPOLL": "SIGIO"}.get(known))


@pytest.mark.parametrize("number", range(1, sg.LAST + 1))
def test_round_trip(number):
    """A name read back is its number."""
    assert number == sg.number(sg.name(number)) == sg.number(str(number))


@pytest.mark.parametrize("text", ["", "0", "65", "SIGFOO", "KILL9", "-9"])
def test_no_such_signal(text):
    """What is no signal is none."""
    assert sg.number(text) is None

"""Which of several signals ended a process, where nothing tells how it ended."""

import pytest

from killtrail.attribution import fatal_signal
from killtrail.attribution.case import Facts
from killtrail.model.certainty import Certainty
from tests.attribution.make import NOW, exited, process, signal

SECOND = 1_000_000_000


def taken(*signals: tuple[float, int, int], end: bool = False) -> fatal_signal.Effective:
    """(seconds, signal, sender)...: what is said of them."""
    sent = tuple(
        signal(sig, time_ns=NOW + int(at * SECOND), current=process(by), disposition=None)
        for at, sig, by in signals
    )
    last = sent[-1].time_ns + 1_000_000
    found = fatal_signal.find(Facts(process(9), exited(None, time_ns=last) if end else None, sent))
    assert found is not None
    return found


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize(
    ("signals", "sender"),
    [
        # A stop that takes its time: who asked was outlived, who killed was not.
        ([(0, 15, 5), (10, 9, 6)], 6),
        ([(0, 15, 5), (5, 15, 5), (10, 9, 6)], 6),
        # Within a moment of each other the first may have done it, and the second hit a zombie.
        ([(0, 15, 5), (0.2, 9, 6)], 5),
        # It went on after a TERM: the next one hardly ended it, the KILL behind that did.
        ([(0, 15, 5), (10, 15, 7), (10.2, 9, 6)], 6),
        # A KILL is never outlived: whatever is taken behind it, a zombie took.
        ([(0, 15, 5), (10, 9, 6), (12, 2, 7)], 6),
        ([(0, 9, 6), (12, 2, 7)], 6),
        # All were outlived but the last.
        ([(0, 15, 5), (100, 15, 6)], 6),
        ([(0, 15, 5), (100, 2, 6)], 6),
    ],
)
def test_what_was_outlived_did_not_do_it(signals, sender, end):
    found = taken(*signals, end=end)
    assert found.signal.current.pid == sender
    at_once = signals[0][1] == 9
    several = len({sig for _, sig, _ in signals}) > 1
    likely = at_once or (end and not several)
    assert found.certainty is (Certainty.LIKELY if likely else Certainty.POSSIBLE)
    assert ("did not kill it" in (found.limit or "")) == (sender != signals[0][2])


def test_a_kill_alone_is_likely():
    assert taken((0, 9, 5)).certainty is Certainty.LIKELY

"""Every row that this machine can run is right on BPF."""

import pytest

from tests.gallery import check, rows

pytestmark = pytest.mark.live

# What BPF can't make certain, and why.
AT_MOST_LIKELY = {
    "23": "an exit of 0 after TERM is no proof of compliance",
    "47": "who typed is not recorded",
    "47h": "who typed is not recorded",
    "61": "an injection is inferred from the absence of a send",
    "73": "who closed the pipe is not recorded",
}


@pytest.mark.parametrize("number", rows.ROWS)
def test_right(bpf, number):
    """Cause, actor and launchers are true; nobody else is named; certain where it can be."""
    _, verdict, score, reason = check.ask(bpf, number)

    assert (score, number) == ("right", number), reason
    expected = "likely" if number in AT_MOST_LIKELY else "established"
    assert verdict["certainty"] == expected, verdict["summary"]

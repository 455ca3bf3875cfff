"""Every row that this machine can run is right on BPF."""

import pytest

from tests.gallery import check, rows

pytestmark = pytest.mark.live

# What BPF can't make certain, how sure it is, and why.
LESS_THAN_ESTABLISHED = {
    "23": ("likely", "an exit of 0 after TERM is no proof of compliance"),
    "47f": ("possible", "two have the terminal's other end open, one of them no ancestor"),
    "47h": ("likely", "an exit of its own after ^C is no proof of compliance"),
    "61": ("likely", "an injection is inferred from the absence of a send"),
    "61d": ("likely", "an injection is inferred from the absence of a send"),
    "62": ("likely", "a return address on the stack is a debugger's habit, not its signature"),
    "63": ("likely", "who loaded the BPF program is not recorded"),
    "73": ("likely", "who closed the pipe is not recorded"),
    "73c": ("likely", "who closed the pipe is not recorded"),
    "73r": ("likely", "the reader had closed the pipe a moment before it ended"),
    "98": ("possible", "a shell's 127 may be passed on"),
    "98c": ("likely", "127 is a convention"),
}


@pytest.mark.parametrize("number", rows.ROWS)
def test_right(bpf, number):
    """Cause, actor and launchers are true; nobody else is named; certain where it can be."""
    _, verdict, score, reason = check.ask(bpf, number)

    assert (score, number) == ("right", number), (reason, verdict)
    expected, _why = LESS_THAN_ESTABLISHED.get(number, ("established", ""))
    assert verdict["certainty"] == expected, verdict["summary"]

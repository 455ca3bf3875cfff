"""Wait statuses mean what wait(2) says."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.model.wait_status import WaitStatus


@given(st.integers(0, 0xFFFF))
def test_as_the_standard_library_has_it(raw):
    """Exit code, signal and core flag are those of os.W*, for every status of a dead process."""
    status = WaitStatus(raw)
    if os.WIFEXITED(raw):
        assert (status.signal, status.exit_code) == (0, os.WEXITSTATUS(raw))
        assert status.shell_status == os.WEXITSTATUS(raw)
    elif os.WIFSIGNALED(raw):
        assert (status.signal, status.exit_code) == (os.WTERMSIG(raw), None)
        assert status.shell_status == 128 + os.WTERMSIG(raw)
        assert status.core_dumped == os.WCOREDUMP(raw)


@given(st.integers(1, 64), st.booleans())
def test_of_signal(sig, dumped):
    """A status made of a signal is one of that signal."""
    status = WaitStatus.of_signal(sig, core_dumped=dumped)
    assert (status.signal, status.exit_code, status.core_dumped) == (sig, None, dumped)
    assert WaitStatus.of_signal(sig).with_core_dump() == WaitStatus.of_signal(sig, core_dumped=True)


@pytest.mark.parametrize(("given", "kept"), [(0, 0), (7, 7), (255, 255), (256, 0), (-1, 255)])
def test_of_exit(given, kept):
    """The kernel keeps eight bits of what exit was given."""
    status = WaitStatus.of_exit(given)
    assert (status.signal, status.exit_code, status.core_dumped) == (0, kept, False)


def test_it_is_the_number_that_the_kernel_has():
    """It prints, compares and travels as the plain number."""
    assert (WaitStatus(137), str(WaitStatus(137)), f"{WaitStatus(9)}") == (137, "137", "9")

"""The committed blob is what its source gives, and cheap to verify."""

import shutil
import subprocess
import sys

import pytest

from killtrail.recorder import loader
from killtrail.recorder.pins import Pins
from tests.conftest import ROOT, cannot

BUDGET = 50_000


def test_bytes_are_reproducible():
    """bpf/build.py gives the committed bytes."""
    if not shutil.which("clang-14") or not shutil.which("bpftool"):
        cannot("clang-14 and bpftool are needed")
    done = subprocess.run(
        [sys.executable, ROOT / "bpf/build.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.live
def test_verifier_budget(bpf):
    """All programs together stay below the budget on this kernel."""
    rows = Pins().programs()

    assert set(rows) == {"on_signal", "on_exit", "on_exec", "on_oom", "on_console"}
    assert sum(row[0] for row in rows.values()) < BUDGET


def test_other_bytes_are_no_blob():
    """A damaged blob is refused before the kernel sees it."""
    with pytest.raises(ValueError, match="not a packed BPF skeleton"):
        loader.read_blob(b"nonsense")


def test_settings_are_known():
    """The constants that the armer sets are in the blob."""
    assert {"cfg_argv", "cfg_all"} == set(loader.read_blob().rodata_offsets)

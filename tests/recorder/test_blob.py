"""The committed blob is what its source gives, and cheap to verify."""

import shutil
import subprocess
import sys

import pytest

from killtrail.recorder import layout as L
from killtrail.recorder import loader
from killtrail.recorder.pins import Pins
from tests.conftest import ROOT, cannot

BUDGET = 50_000


def test_bytes_are_reproducible():
    """bpf/build.py gives the committed bytes, of both blobs."""
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

    always = {"on_signal", "on_exit", "on_exec", "on_fork", "on_oom", "on_console"}
    assert always <= set(rows) <= always | {"on_prlimit"}
    assert sum(row[0] for row in rows.values()) < BUDGET


def test_other_bytes_are_no_blob():
    """A damaged blob is refused before the kernel sees it."""
    with pytest.raises(ValueError, match="not a packed BPF skeleton"):
        loader.read_blob(b"nonsense")


def test_settings_are_known():
    """The constants that the armer sets are in the blob."""
    assert {"cfg_argv", "cfg_all"} == set(loader.shipped(loader.PLAIN).rodata_offsets)


def test_the_plain_blob_is_the_whole_one_without_trampolines():
    """Maps of the same names, so that readers need not know which was armed; one program less."""
    whole, plain = loader.shipped(loader.WHOLE), loader.shipped(loader.PLAIN)

    assert set(whole.programs) - set(plain.programs) == {"on_prlimit"}
    assert set(whole.maps) - set(plain.maps) == {"limit_scratch"}
    assert {ring.name for ring in L.RINGS} <= set(plain.maps)


@pytest.mark.parametrize("stage", ["load", "attach"])
def test_without_trampolines_the_plain_blob_is_loaded(monkeypatch, stage):
    """A kernel that refuses the one program, when it is loaded or attached, still gets the others."""
    tried = []

    def refuse(*which):
        blob = next(w for w in which if isinstance(w, loader.Blob))
        tried.append("on_prlimit" in blob.programs)
        if tried[-1]:
            raise OSError(1, "Operation not permitted")
        return loader.Loaded()

    monkeypatch.setattr(loader, "load", lambda *_: loader.Loaded())
    monkeypatch.setattr(loader, "attach", lambda *_: None)
    monkeypatch.setattr(loader, stage, refuse)
    blob, _ = loader.load_best({})

    assert tried == [True, False]
    assert "on_prlimit" not in blob.programs


def test_a_kernel_that_refuses_both_says_why(monkeypatch):
    """The errno is the plain one's."""
    errors = iter([OSError(22, "invalid"), OSError(1, "not permitted")])

    def refuse(*_):
        raise next(errors)

    monkeypatch.setattr(loader, "load", refuse)
    with pytest.raises(OSError, match="not permitted"):
        loader.load_best({})

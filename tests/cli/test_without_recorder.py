"""Where nothing records; apart from test_contract, whose module keeps the recorder armed."""

import os

import pytest

pytestmark = pytest.mark.live
NOBODY = 65534


def test_nothing_recording_is_5(unarmed):
    """Without any source: 5, with what would help."""
    done = unarmed("why", "4194000")

    assert done.returncode == 5
    assert "sudo killtrail arm" in done.stderr


def test_the_living_are_known_all_the_same(unarmed):
    """A living process needs no recorder."""
    assert [v["cause"] for v in unarmed.verdicts("why", str(os.getpid()))] == ["alive"]


def test_demo_without_root(unarmed):
    """An unprivileged demo shows the wait status, names no sender, and says what root would add."""
    done = unarmed("demo", user=NOBODY)

    assert done.returncode == 3
    assert "sender unknown" in done.stdout.replace("\n", " ")
    assert "sudo killtrail demo" in done.stderr


@pytest.mark.parametrize("backend", ["bpf", "tracefs"])
def test_demo_leaves_nothing(unarmed, backend):
    """The demo arms, explains and disarms."""
    found = unarmed.verdicts("demo", "--backend", backend)[0]

    assert found["cause"] == "killed-by-process"
    assert unarmed("disarm").stderr == "nothing was armed\n"

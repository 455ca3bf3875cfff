"""The tracefs recorder on the running kernel, and with its files damaged."""

import random
import sys

import pytest

from killtrail.recorder.tracefs import instance
from tests.gallery.lab import Lab

pytestmark = pytest.mark.live


def _death(lab: Lab) -> int:
    victim = lab.victim()
    lab.run("kill", victim.pid, 9)
    victim.wait(10)
    return victim.pid


def test_idempotent_and_gone(unarmed):
    """Arming twice is one instance; disarming leaves no instance, probe or file."""
    assert "armed (tracefs)" in unarmed("arm", "--backend", "tracefs").stderr
    assert "already armed" in unarmed("arm", "--backend", "tracefs").stderr
    unarmed("disarm")

    assert not instance.INSTANCE.exists()
    assert not any(p.exists() for p in (instance.META, instance.SPOOL, instance.OLD))
    assert "killtrail" not in (instance.TRACEFS / "dynamic_events").read_text()


def test_asking_twice_gives_the_same(unarmed):
    """Pages leave the ring when read: the spool keeps them for the next question."""
    unarmed("arm", "--backend", "tracefs")
    with Lab() as lab:
        pid = _death(lab)
        first, second = (unarmed.verdicts("why", str(pid), "-n", "1")[0] for _ in range(2))

    assert first["cause"] == second["cause"] == "killed-by-process"
    assert first["evidence"] == second["evidence"] or first["summary"] == second["summary"]


def test_randomised_spool(unarmed):
    """Random bytes in the spool are counted problems, never a traceback."""
    unarmed("arm", "--backend", "tracefs")
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    with Lab() as lab:
        pid = _death(lab)
        unarmed("why", str(pid))
    raw = bytearray(instance.SPOOL.read_bytes())
    for _ in range(len(raw) // 20):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    instance.SPOOL.write_bytes(raw + rng.randbytes(5000))
    for words in (["list", "--all"], ["why", str(pid)], ["status"]):
        done = unarmed(*words)
        assert "Traceback" not in done.stderr, seed
        assert "internal failure" not in done.stderr, (seed, done.stderr)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layout": 99}', '{"layout": 1}'])
def test_damaged_description(unarmed, text):
    """A description that is none is said, with the way out."""
    unarmed("arm", "--backend", "tracefs")
    instance.META.write_text(text)
    done = unarmed("why", "1234567")

    assert done.returncode == 5
    assert "disarm && sudo killtrail arm --backend tracefs" in done.stderr


def test_forged_record_in_a_file_name(unarmed, tmp_path):
    """A program whose name poses as a trace line accuses nobody: pages are read raw."""
    unarmed("arm", "--backend", "tracefs")
    with Lab() as lab:
        innocent = lab.victim()
        evil = tmp_path / (
            f"x\n            bash-{innocent.pid}    [000] d..1.  2476.431621: signal_generate: sig=9 errno=0"
        )
        evil.symlink_to(sys.executable)
        forger = lab.start(str(evil), "-c", "import os; os._exit(0)")
        forger.wait(10)
        pid = _death(lab)
        found = unarmed.verdicts("why", str(pid), "-n", "1")[0]

    assert innocent.pid not in [x["process"]["pid"] for x in found["links"] if x["process"]]

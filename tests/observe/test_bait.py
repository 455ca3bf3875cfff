"""A number is taken, and whoever kills by number comes to it."""

import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import pytest

from killtrail.errors import UnavailableError
from killtrail.observe import bait
from tests.conftest import ROOT, SCHEMA
from tests.gallery.lab import Lab

pytestmark = pytest.mark.live


@pytest.fixture
def free_number():
    """A number that was somebody's a moment ago: what a stale pid file holds."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_stale_killer_is_caught(bpf, free_number):
    """Whoever kills by a number of the past is named, with its launcher."""
    command = [sys.executable, "-m", "killtrail", "bait", str(free_number), "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    waiting = subprocess.Popen(
        [*command, "--name", "mysqld", "--timeout", "20"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    assert "waiting as PID" in waiting.stderr.readline()
    with Lab() as lab:
        killer = lab.shell(f"kill {free_number}")
        killer.wait(10)
        out, _ = waiting.communicate(timeout=20)

    assert waiting.returncode == 0
    verdict = json.loads(out.splitlines()[-1])
    jsonschema.validate(verdict, SCHEMA)
    assert verdict["death"]["process"]["comm"] == "mysqld"
    assert verdict["certainty"] == "established"
    assert [x["process"]["pid"] for x in verdict["links"] if x["role"] == "sender"] == [killer.pid]


@pytest.mark.parametrize("way", ["clone3", "ns_last_pid"])
def test_both_ways_give_the_number(monkeypatch, free_number, way):
    """The newer call, and the older file where that is refused."""
    if way == "ns_last_pid":
        monkeypatch.setattr(bait, "_by_clone3", lambda *_: None)
    laid = bait.lay(free_number, "kt bait")
    try:
        assert (laid.pid, laid.way) == (free_number, way)
        time.sleep(0.05)
        with open(f"/proc/{free_number}/comm") as comm:
            assert comm.read() == "kt bait\n"
        assert not laid.wait(0)
        os.kill(free_number, signal.SIGTERM)
        assert laid.wait(5)
    finally:
        laid.withdraw()
    assert not laid.folder.exists()


def test_a_number_in_use_is_refused():
    """Nobody is pushed aside."""
    with pytest.raises(UnavailableError, match="is in use by"):
        bait.lay(os.getpid(), "bait")


def test_nobody_came(bpf, free_number):
    """Then that is the answer, and the bait is gone."""
    done = bpf("bait", str(free_number), "--timeout", "1")

    assert done.returncode == 4
    assert "was not killed within" in done.stderr
    assert not os.path.exists(f"/proc/{free_number}")


@pytest.mark.parametrize(
    ("words", "code", "needle"),
    [
        (["bait", "0"], 2, "above 0"),
        (["bait", "99999999"], 2, "not a valid PID on this host"),
        (["bait", "77", "--name", "a/b"], 2, "not a program's name"),
    ],
)
def test_impossible_requests(bpf, words, code, needle):
    """A clear line instead of a try."""
    done = bpf(*words)

    assert done.returncode == code, done.stderr
    assert needle in done.stderr


def test_not_permitted(bpf, free_number):
    """Without the right to choose a number, the command that has it is told."""
    done = bpf("bait", str(free_number), user=65534)

    assert done.returncode == 5
    assert "sudo killtrail" in done.stderr

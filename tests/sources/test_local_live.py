"""Nothing armed: what this host keeps by itself answers."""

import os

import pytest

from tests.conftest import cannot
from tests.gallery.lab import Lab, NotHere
from tests.gallery.rows import ROWS

pytestmark = pytest.mark.live


def played(number: str):
    try:
        with Lab() as lab:
            return ROWS[number](lab)
    except NotHere as reason:
        cannot(str(reason))


@pytest.fixture
def ring():
    """The kernel's ring of lines, readable."""
    if not os.access("/dev/kmsg", os.R_OK):
        cannot("/dev/kmsg can't be read")


def test_memory_limit(unarmed, ring):
    """A real OOM kill in a memory cgroup: victim, trigger and cgroup from the kernel's own words."""
    truth = played("32")
    found = unarmed.verdicts("why", f"pid:{truth.victim}")[-1]
    assert (found["cause"], found["mechanism"]) == ("oom-killed", "oom-cgroup")
    assert found["certainty"] == "likely"
    trigger = next(x["process"]["pid"] for x in found["links"] if x["role"] == "trigger")
    assert trigger == truth.must
    assert {e["source"] for e in found["evidence"]} == {"kernlog"}


def test_fault(unarmed, ring):
    """A real crash: the kernel's line about it."""
    truth = played("75")
    found = unarmed.verdicts("why", f"pid:{truth.victim}")[-1]
    assert (found["cause"], found["certainty"]) == ("crashed", "likely")


def test_a_kill_is_not_made_up(unarmed, ring):
    """Of a plain SIGKILL nothing is kept: nobody is named, and what to do is said; exit 5."""
    truth = played("1")
    done = unarmed("why", f"pid:{truth.victim}")
    assert done.returncode == 5
    assert "killtrail arm" in done.stderr and "killtrail rules --install" in done.stderr


def test_recorder_and_ring_agree(bpf, ring):
    """An OOM kill both recorded and logged: one verdict, both sources, no contradiction."""
    truth = played("32")
    found = bpf.verdicts("why", f"pid:{truth.victim}", "-n", "1")[0]
    assert found["certainty"] == "established"
    assert {"bpf", "kernlog"} <= {e["source"] for e in found["evidence"]}
    assert found["contradictions"] == []

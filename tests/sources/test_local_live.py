"""Nothing armed: what this host keeps by itself answers."""

import os
import time

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


def test_the_living_have_not_died_of_it(unarmed, tmp_path):
    """A log that shows a TERM to somebody who handled it and lives on tells of no death."""
    with Lab() as lab:
        victim = lab.victim()
        path = tmp_path / "audit.log"
        now = time.time() + 1
        path.write_text(
            f"type=SYSCALL msg=audit({now:.3f}:7): arch=c000003e syscall=62 success=yes exit=0 a0=1 a1=9"
            " a2=0 a3=0 items=0 ppid=1 pid=77 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0"
            ' fsgid=0 tty=pts0 ses=1 comm="sh" exe="/bin/sh" key=(null)\n'
            f"type=OBJ_PID msg=audit({now:.3f}:7): opid={victim.pid} oauid=0 ouid=0 oses=1"
            ' ocomm="x"\n'
        )
        env = {"KILLTRAIL_LOGS": str(path)}
        alive = unarmed.verdicts("why", f"pid:{victim.pid}", env=env)
    gone = unarmed.verdicts("why", f"pid:{victim.pid}", env=env)
    assert [v["cause"] for v in alive] == ["alive"]
    assert [v["cause"] for v in gone] == ["killed-by-process"]


def test_recorder_and_ring_agree(bpf, ring):
    """An OOM kill both recorded and logged: one verdict, both sources, no contradiction."""
    truth = played("32")
    found = bpf.verdicts("why", f"pid:{truth.victim}", "-n", "1")[0]
    assert found["certainty"] == "established"
    assert {"bpf", "kernlog"} <= {e["source"] for e in found["evidence"]}
    assert found["contradictions"] == []

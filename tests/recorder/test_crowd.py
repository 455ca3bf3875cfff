"""One act with very many victims is one incident, and pushes nothing else out of the box."""

import re

import pytest

from tests.gallery.lab import Lab, sent_by
from tests.gallery.rows.recipes import in_namespace

pytestmark = pytest.mark.live

CROWD = 3000


@pytest.fixture(scope="module")
def aftermath(bpf):
    """One ordinary kill, then a broadcast to very many: (first truth, facts told)."""
    with Lab() as lab:
        victim = lab.victim()
        killer = lab.run("kill", victim.pid, 9)
        victim.wait(10)
        process, said = in_namespace(lab, "broadcast_to_many", 3, words=(CROWD,))
        process.wait(60)
    return sent_by(victim.pid, killer), said


def test_what_was_before_is_still_there(bpf, aftermath):
    """The death before the broadcast keeps its killer."""
    truth, _ = aftermath
    verdict = bpf.verdicts("why", f"pid:{truth.victim}", "-n", "1")[-1]

    assert verdict["certainty"] == "established"
    assert truth.must in [x["process"]["pid"] for x in verdict["links"] if x["role"] == "sender"]
    assert verdict["incident"] is None


def test_each_victim_knows_the_whole_story(bpf, aftermath):
    """The last victim's record only refers to the first one's: the answer is as full."""
    _, said = aftermath
    verdict = bpf.verdicts("why", f"pid:{said['victim']}", "-n", "1")[-1]
    sender = next(x["process"] for x in verdict["links"] if x["role"] == "sender")

    assert (verdict["certainty"], sender["pid"]) == ("established", said["killer"])
    assert sender["argv"]
    assert verdict["ancestry"]
    assert verdict["incident"]["victims"] >= 3000
    assert len(verdict["incident"]["sample"]) == 5


def test_the_list_has_one_line_for_it(bpf, aftermath):
    """Thousands of deaths do not hide the one before them."""
    truth, _ = aftermath
    done = bpf("list", "-n", "5")
    lines = done.stdout.splitlines()

    assert sum(re.search(r"\(\+[\d,]+ more", line) is not None for line in lines) == 1
    assert "victims of one act share a row" in done.stderr
    assert any(f"(pid {truth.victim})" in line for line in lines)


def test_the_rings_say_so(bpf, aftermath):
    """Few slots of kills and deaths went to the crowd."""
    del aftermath
    used = {
        line.split()[0]: int(line.split()[1])
        for line in bpf("status").stdout.splitlines()
        if "slots used" in line
    }

    assert used["kills"] < 100
    assert used["killed"] < 400
    assert used["victims"] >= 5600

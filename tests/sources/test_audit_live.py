"""Real auditd with our rules beside the recorder: the log agrees wherever audit can know."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from killtrail.host.audit import advice, check, rules
from tests.conftest import cannot
from tests.gallery import lab
from tests.gallery.rows import ROWS

pytestmark = pytest.mark.live
# Killed by a call of a process, in all ways; then deaths of which audit can know nothing, or in part.
CALLS = (
    "1 2 3 4 5 6 7 9 10 11 13 15 16 17 19 20 21 24 27 27r 1u 1t 25 26 76 22 23 73r 81 55"
).split()
OTHERS = "28 31 32 47 48 53 56 59 61 63 66 67 69 71 75 85 86 92 93 94 97 25e".split()
DEATHS = [n for n in (*CALLS, *OTHERS) if n in ROWS]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A log that a real auditd writes, with the rules that `killtrail rules` prints."""
    if os.geteuid() != 0 or shutil.which("auditd") is None:
        cannot("needs root and auditd")
    folder = tmp_path_factory.mktemp("audit")
    log = folder / "audit.log"
    text = re.sub(
        r"(?m)^log_file.*", f"log_file = {log}", Path("/etc/audit/auditd.conf").read_text()
    )
    (folder / "auditd.conf").write_text(re.sub(r"(?m)^log_group.*", "log_group = root", text))
    (folder / "plugins.d").mkdir()
    (folder / "rules").write_text(advice.text(advice.lines(forks=False, immutable=False)))
    before = subprocess.run(["auditctl", "-l"], capture_output=True, text=True, check=True).stdout
    if "No rules" not in before:
        cannot("audit rules are in force here")
    daemon = subprocess.Popen(["auditd", "-n", "-c", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    time.sleep(1)
    try:
        subprocess.run(["auditctl", "-R", str(folder / "rules")], check=True, capture_output=True)
        yield log
    finally:
        subprocess.run(["auditctl", "-D"], capture_output=True, check=False)
        daemon.terminate()
        daemon.wait(10)
        subprocess.run(["auditctl", "-e", "0"], capture_output=True, check=False)


def test_no_holes_in_force(audited):
    """The rules as the kernel lists them have no hole either."""
    listed = subprocess.run(["auditctl", "-l"], capture_output=True, text=True, check=True).stdout
    assert check.holes(rules.parse(listed)) == []


def test_forty_deaths(bpf, audited):
    """From the log alone: the same sender wherever audit can know, never anybody else, never sure."""
    assert len(DEATHS) >= 40
    agreed, wrong = [], []
    for number in DEATHS:
        try:
            with lab.Lab() as here:
                truth = ROWS[number](here)
                live = bpf.verdicts("why", f"pid:{truth.victim}", "-n", "1")[-1]
        except lab.NotHere:
            continue
        kept = _from_the_log(bpf, audited, truth.victim)
        for verdict in kept:
            assert verdict["certainty"] in ("likely", "possible", "not-established"), number
            if lab.score(truth, verdict, lab.own_ancestors())[0] == "misnamed":
                wrong.append((number, verdict["summary"]))
        if _by_call(live):
            assert any(_senders(v) == _senders(live) for v in kept), (number, live, kept)
            agreed.append(number)
    assert not wrong
    assert len(agreed) >= 15, agreed


# auditd writes in its own time.
def _from_the_log(command, log: Path, pid: int) -> list[dict]:
    for _ in range(10):
        found = command.verdicts("why", f"pid:{pid}", "-n", "1", "--from", str(log))
        if found:
            return found
        time.sleep(0.05)
    return []


def _by_call(verdict: dict) -> bool:
    calls = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}
    return verdict["cause"] == "killed-by-process" and verdict["mechanism"] in calls


def _senders(verdict: dict) -> set[int]:
    victim = verdict["death"]["process"]["pid"]
    return {
        x["process"]["pid"]
        for x in verdict["links"]
        if x["role"] == "sender" and x["target"] and x["target"]["pid"] == victim
    }


def test_both_sources_in_one_verdict(bpf, audited, monkeypatch):
    """A death both recorded and audited names each source once, and stays established."""
    with lab.Lab() as here:
        victim = here.victim()
        here.run("kill", victim.pid, 9)
        victim.wait(10)
        time.sleep(0.3)
        env = {"KILLTRAIL_LOGS": str(audited)}
        (found,) = bpf.verdicts("why", f"pid:{victim.pid}", "-n", "1", env=env)
    sources = [e["source"] for e in found["evidence"]]
    assert sources.count("auditlog") == 1
    assert "bpf" in sources
    assert found["certainty"] == "established"
    assert found["contradictions"] == []

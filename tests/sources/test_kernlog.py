"""The kernel's log: real reports in the forms in which they are kept, and what cuts do to them."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.model.events import HostEvent, OomKilled
from killtrail.model.query import Query
from killtrail.sources.logs.formats import open_paths
from tests.conftest import ROOT

CASES = ROOT / "tests/cases"
# Printed by a 6.18 kernel, shortened by its call trace and registers.
OOM = """\
[13035.708560] python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[13035.708575] CPU: 1 UID: 0 PID: 10422 Comm: python3 Not tainted 6.18.44 #1 PREEMPT(none)
[13035.708579] Call Trace:
[13035.708699] memory: usage 122880kB, limit 122880kB, failcnt 42
[13035.708712] Tasks state (memory values in pages):
[13035.708713] [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[13035.708814] [  10418]     0 10418    22143    20944    19456     1488         0   212992        0             0 python3
[13035.708816] [  10422]     0 10422    17003    15617    14144     1473         0   172032        0             0 python3
[13035.708820] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kt-1,task_memcg=/kt-1/b,task=python3,pid=10418,uid=0
[13035.708855] Memory cgroup out of memory: Killed process 10418 (python3) total-vm:88572kB, anon-rss:77824kB, file-rss:5952kB, shmem-rss:0kB, UID:0 pgtables:208kB oom_score_adj:0
"""
FORMS = {
    "dmesg": lambda text: text,
    "console": lambda text: re.sub(r"(?m)^(\[[\d.]+\])", r"<4>\1[ T1042]", text),
    "dmesg -T": lambda text: re.sub(r"(?m)^\[[\d.]+\]", "[Sat Nov 21 12:00:00 2026]", text),
    "kern.log": lambda text: re.sub(r"(?m)^", "Nov 21 12:00:00 db1 kernel: ", text),
    "rfc3339": lambda text: re.sub(r"(?m)^", "2026-11-21T12:00:00.123456+00:00 db1 kernel: ", text),
    "journalctl": lambda text: re.sub(r"(?m)^\[[\d.]+\]", "Nov 21 12:00:00 db1 kernel:", text),
}


def events(path, pid=None):
    opened = open_paths([str(path)])
    found = [e for source in opened.sources for e in source.events(Query(pid=pid))]
    found.reverse()
    found.sort(key=lambda e: e.time_ns)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_oom_in_every_form(killtrail, tmp_path, form):
    """Trigger, victim, cgroup, limit and the number of candidates, however the log was kept."""
    path = tmp_path / "log"
    path.write_text(FORMS[form](OOM))
    (found,) = killtrail.verdicts("why", "10418", "--from", str(path))
    assert (found["cause"], found["mechanism"]) == ("oom-killed", "oom-cgroup")
    roles = {x["role"]: x for x in found["links"]}
    assert roles["trigger"]["process"]["pid"] == 10422
    assert roles["policy-owner"]["subject"] == {"kind": "cgroup", "name": "/kt-1"}
    assert "120 MiB" in found["summary"] and "2 processes" in found["summary"]
    assert "sender" not in roles
    assert found["certainty"] == "likely"


def test_header_lost(killtrail, tmp_path):
    """Where the rate limit swallowed the header, there is no trigger and the verdict says so."""
    path = tmp_path / "log"
    path.write_text(OOM.splitlines()[-1] + "\n")
    (found,) = killtrail.verdicts("why", "10418", "--from", str(path))
    assert "trigger" not in {x["role"] for x in found["links"]}
    assert any("allocation" in a["what"] for a in found["absent"])


def test_group_victim_told_twice(tmp_path):
    """With memory.oom.group the first victim has two lines and died once."""
    path = tmp_path / "log"
    last = OOM.splitlines()[-1]
    group = "[13035.8] Tasks in /kt-1 are going to be killed due to memory.oom.group set"
    other = last.replace("10418", "10422")
    path.write_text(f"{OOM}{group}\n{last}\n{other}\n")
    kills = [e for e in events(path) if isinstance(e, OomKilled)]
    assert [k.victim.pid for k in kills] == [10418, 10422]
    assert kills[1].group


def test_old_wording(tmp_path):
    """`Kill process ... or sacrifice child` only announces; `Killed process` is the death."""
    path = tmp_path / "log"
    path.write_text(
        "[1.0] httpd invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0\n"
        "[1.1] Task in /web killed as a result of limit of /web\n"
        "[1.2] Memory cgroup out of memory: Kill process 77 (httpd) score 900 or sacrifice child\n"
        "[1.3] Killed process 78 (php) total-vm:10kB, anon-rss:1kB, file-rss:0kB\n"
    )
    (kill,) = [e for e in events(path) if isinstance(e, OomKilled)]
    assert (kill.victim.pid, kill.cgroup) == (78, "/web")


def test_stack_corruption(killtrail):
    """The panic of the last incident: what it said, where the address lies, what would tell more."""
    (found,) = killtrail.verdicts(
        "why", "host", "--from", str(CASES / "stack-corruption/dmesg.txt")
    )
    assert found["death"]["kind"] == "host" and found["death"]["process"] is None
    assert (found["cause"], found["mechanism"]) == ("host-panicked", "panic")
    assert "0xffffffffa02987eb" in found["summary"] and "stack" in found["summary"]
    assert "autopsy" in str(found["absent"])


def test_init_died(killtrail, tmp_path):
    """The exit code of init is decoded: low seven bits a signal, else the status."""
    path = tmp_path / "log"
    path.write_text(
        "[9.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n"
        "[9.1] CPU: 0 PID: 1 Comm: init Not tainted 6.1.0 #1\n"
    )
    (found,) = killtrail.verdicts("why", "host", "--from", str(path))
    assert "SIGSEGV" in found["summary"]
    assert [x["process"]["pid"] for x in found["links"] if x["process"]] == [1]


def test_a_log_that_just_ends(killtrail, tmp_path):
    """Two boots and no word between them: power, reset or a hang, and no more than possible."""
    path = tmp_path / "kern.log"
    path.write_text(
        "Nov 20 10:00:00 db1 kernel: Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)\n"
        "Nov 20 11:00:00 db1 kernel: sysrq: HELP\n"
        "Nov 20 12:00:00 db1 kernel: Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)\n"
    )
    (found,) = killtrail.verdicts("why", "host", "--from", str(path))
    assert (found["cause"], found["certainty"]) == ("host-lost-power", "possible")


def test_a_user_who_logs_like_the_kernel(tmp_path):
    """A line under another program's name is no kernel line, whatever it says."""
    path = tmp_path / "messages"
    forged = OOM.replace("[13035.", "Nov 21 12:00:00 db1 mallory: [13035.")
    path.write_text(FORMS["kern.log"]("hello\n") + forged)
    assert events(path) == []


@pytest.mark.parametrize("cut", range(0, len(OOM), 41))
def test_cut_anywhere(tmp_path, cut):
    """Half a report is half an answer, never an exception."""
    path = tmp_path / "log"
    path.write_text("[1.0] x\n" + OOM[cut:] + OOM[:cut])
    for event in events(path):
        assert isinstance(event, OomKilled | HostEvent)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.one_of(
            st.sampled_from([line.encode() + b"\n" for line in OOM.splitlines()]),
            st.binary(max_size=60),
            st.sampled_from([b"Feb 30 99:99:99 a kernel: x\n", b"[99999999999999.1] y\n", b"\0\0"]),
        ),
        max_size=20,
    )
)
def test_any_bytes(tmp_path_factory, parts):
    """Whatever the bytes: no exception."""
    path = tmp_path_factory.mktemp("any") / "log"
    path.write_bytes(b"[1.0] Kernel panic - not syncing: x\n" + b"".join(parts))
    events(path)

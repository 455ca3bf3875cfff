"""The incidents that started the project, from their records as they are."""

from tests.conftest import ROOT

CASES = ROOT / "tests/cases"


def senders(verdict: dict) -> list[tuple[int, str, str]]:
    return [
        (x["process"]["pid"], x["process"]["comm"], x["certainty"])
        for x in verdict["links"]
        if x["role"] == "sender"
    ]


def test_roxen(killtrail):
    """A web server with a stale pid killed a cron job, every three seconds (audit, 2010)."""
    found = killtrail.verdicts("why", "26880", "--from", str(CASES / "roxen"))
    verdict = found[-1]
    # Five deaths of that PID that only the shell reported: the same sender is possible, with the reason.
    others = found[:-1]
    assert [senders(v) for v in others] == [[(4299, "roxen", "possible")]] * 5
    assert {v["certainty"] for v in others} == {"possible"}
    assert all("ESRCH" in v["summary"] for v in others)
    assert senders(verdict) == [(4299, "roxen", "likely")]
    assert (verdict["cause"], verdict["mechanism"]) == ("killed-by-process", "kill")
    assert verdict["certainty"] == "likely"
    victim = verdict["death"]["process"]
    assert (victim["comm"], victim["uid"], victim["user"]) == ("findpid", 1010, None)
    assert [p["kind"] for p in verdict["patterns"]] == ["stale-pid"]
    assert "every 3 s" in verdict["patterns"][0]["says"]
    assert "(i386)" in verdict["evidence"][0]["says"]
    assert verdict["evidence"][0]["where"] == "audit.log:2 (1285245427.433:22)"


def test_agent_sigkill(killtrail):
    """One ftrace line names the killer; an audit record of other processes is not joined to it."""
    found = killtrail.verdicts("why", "8784", "--from", str(CASES / "agent-sigkill"))
    assert [senders(v) for v in found] == [[(6558, "bash", "likely")]]
    assert found[0]["ancestry"] == []
    assert {e["source"] for e in found[0]["evidence"]} == {"ftrace"}
    assert found[0]["death"]["time"] is None
    assert found[0]["death"]["boot_ns"] == 2476_431621000


def test_raw_pages(killtrail):
    """Pages off this project's 6.18 host, with that kernel's description: by number, as they have no names."""
    found = killtrail.verdicts("list", "--from", str(CASES / "ftrace-raw"))
    assert [v["death"]["process"]["pid"] for v in found] == [15988, 15990]
    assert [senders(v) for v in found] == [
        [(15989, None, "possible")],
        [(15991, None, "likely")],
    ]


def test_strace_sigterm(killtrail):
    """A caught-able signal's siginfo names its sender: likely, and no more."""
    found = killtrail.verdicts("why", "7000", "--from", str(CASES / "agent-sigkill"))
    assert [senders(v) for v in found] == [[(6672, None, "likely")]]
    assert found[0]["death"]["signal"] == 15
    assert found[0]["certainty"] == "likely"


def test_strace_sigkill(killtrail):
    """Of a SIGKILL strace sees the end only: not established, and what would have told."""
    done = killtrail("why", "7220", "--from", str(CASES / "agent-sigkill/strace-sigkill.txt"))
    assert done.returncode == 3
    assert "not established" in done.stdout
    assert "killtrail rules --install" in done.stdout
    found = killtrail.verdicts("why", "7220", "--from", str(CASES / "agent-sigkill"))
    assert [(v["cause"], v["links"]) for v in found] == [("not-established", [])]


def test_rsyslogd(killtrail):
    """SystemTap's sigmon: a shell killed the log daemon."""
    found = killtrail.verdicts("why", "rsyslogd", "--from", str(CASES / "rsyslogd"))
    assert [senders(v) for v in found] == [[(2362819, "bash", "likely")]]
    assert found[0]["death"]["process"]["pid"] == 28262


def test_names_of_another_machine(killtrail):
    """Numbers of a stranger's users are never given this machine's names."""
    found = killtrail.verdicts("why", "26880", "--from", str(CASES / "roxen/audit.log"))
    assert [x["process"]["user"] for x in found[0]["links"]] == [None]

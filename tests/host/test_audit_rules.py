"""Audit rules: ours answer, the classic recipes' holes are found, anything may be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.host.audit import advice, check, rules
from tests.conftest import ROOT

OURS = advice.text(advice.lines(forks=True, immutable=True))


def holes(text: str) -> list[str]:
    return [hole.what for hole in check.holes(rules.parse(text))]


def without(*words: str) -> str:
    return "\n".join(x for x in OURS.splitlines() if not all(w in x for w in words))


def test_ours_have_none():
    """The rules that we give would record every killing that is played through them."""
    assert holes(OURS) == []
    assert rules.parse(OURS).unread == ()
    assert check.locked(rules.parse(OURS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-a always,exit -F arch=b64 -S kill -F a1=9", "tgkill()"),
        ("-a always,exit -F arch=b64 -S kill,tgkill -F a1=9", "tgkill()"),
        ("-a always,exit -F arch=b64 -S kill -F a1=9", "32-bit programs"),
        ("-a always,exit -F arch=b64 -S kill -F a1=9", "other signals"),
        ("-a always,exit -F arch=b64 -S kill -F auid>=1000 -F auid!=unset", "a daemon"),
        ("-a always,exit -F arch=b64 -S pidfd_send_signal", "the target of pidfd_send_signal"),
        (without("execve"), "who started the killer"),
        (without("exit_group"), "processes that exited before"),
        (without("arch=b32", "a1!=0"), "32-bit programs"),
        ("-a never,exit -F arch=b64 -S kill\n" + OURS, "kill()"),
        (OURS.replace("-e 2", "-e 0"), "everything"),
        ("", "every kill"),
        (OURS + "\n-a always,exit -F nonsense", "possibly more"),
    ],
)
def test_holes_are_named(text, expected):
    """Each classic mistake is found by playing the killing that it misses."""
    assert any(expected in what for what in holes(text)), holes(text)


def test_the_rules_of_the_case(killtrail):
    """The rules of a real incident: three signals of one call; 6, because something was found."""
    done = killtrail("rules", "--check", str(ROOT / "tests/cases/agent-sigkill/audit.rules"))
    assert done.returncode == 6
    assert "tgkill()" in done.stdout and "other signals" in done.stdout


def test_printed_rules_are_whole(killtrail, tmp_path):
    """What `rules` prints is a rules file without holes, each rule under its reason."""
    text = killtrail("rules").stdout
    (tmp_path / "r").write_text(text)
    done = killtrail("rules", "--check", str(tmp_path / "r"))
    assert (done.returncode, "are recorded" in done.stdout) == (0, True)
    lines = text.splitlines()
    assert all(lines[i - 1].startswith("#") for i, x in enumerate(lines) if x.startswith("-a"))


def test_rules_that_are_only_switched_off(killtrail, tmp_path):
    """Good rules with auditing off want one switch, not other rules."""
    text = killtrail("rules").stdout
    (tmp_path / "r").write_text(text + "\n-e 0\n")
    done = killtrail("rules", "--check", str(tmp_path / "r"))
    assert done.returncode == 6
    assert "try: sudo auditctl -e 1" in done.stdout and "--install" not in done.stdout


@given(st.text(max_size=400))
def test_any_text(text):
    """Whatever a rules file holds: no exception."""
    check.holes(rules.parse(text))

"""Audit logs of other ABIs, from real kernels (tests/guests/architectures): every signal call of each."""

import json
import lzma
from pathlib import Path

import pytest

from killtrail.files.opened import open_piece
from killtrail.sources.logs.audit.syscall_record import parse
from tests.conftest import ROOT

CASES = ROOT / "tests/cases/audit-architectures"
CALLS = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}
FOREIGN = {"x32", "arm"}


def truths(machine: str) -> list[dict[str, object]]:
    """What was done there."""
    return [json.loads(line) for line in (CASES / f"{machine}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", params=["arm64", "amd64"])
def machine(request, tmp_path_factory) -> tuple[Path, list[dict[str, object]]]:
    """One machine's log, unpacked once, and what was done there."""
    log = tmp_path_factory.mktemp(request.param) / "audit.log"
    log.write_bytes(lzma.decompress((CASES / f"{request.param}.log.xz").read_bytes()))
    return log, truths(request.param)


def test_every_call_is_there() -> None:
    found: dict[object, set[object]] = {}
    for each in truths("arm64") + truths("amd64"):
        found.setdefault(each["abi"], set()).add(each["call"])
    assert found == {"aarch64": CALLS, "arm": {"kill"}, "x86_64": CALLS, "x32": CALLS}


def test_senders_and_their_launchers(killtrail, machine) -> None:
    """Every death that was recorded names a sender whom the shell of the truth started."""
    log, done = machine
    for truth in done:
        if not truth["recorded"]:
            continue
        verdict = killtrail.verdicts("why", f"pid:{truth['victim']}", "--from", str(log))[-1]
        (sender,) = [link for link in verdict["links"] if link["role"] == "sender"]
        assert sender["signal"] == truth["signal"] == -truth["status"]
        assert verdict["ancestry"][0]["pid"] == truth["launcher"], truth
        says = " ".join(e["says"] for e in verdict["evidence"])
        name = f"{truth['call']} ({truth['abi']})" if truth["abi"] in FOREIGN else truth["call"]
        assert name in says.replace("()", ""), truth


def test_calls_of_x32_pass_every_rule(killtrail, machine) -> None:
    """No rule matches their numbers: there is no record, so nobody is named, and nothing made up."""
    log, done = machine
    for truth in done:
        if not truth["recorded"]:
            asked = killtrail("why", f"pid:{truth['victim']}", "--from", str(log))
            assert asked.returncode == 4


def test_the_table_knows_every_call_that_ran(machine) -> None:
    """Calls by number and ABI have the names of the truth, and execs are known on each."""
    log, done = machine
    piece = open_piece(log)
    try:
        calls = [parse(piece, at, line) for at, line in piece.lines() if b"type=SYSCALL" in line]
    finally:
        piece.close()
    made = {(call.abi, call.name) for call in calls if call is not None and call.name in CALLS}
    assert made >= {(t["abi"], t["call"]) for t in done if t["recorded"]}
    assert {call.name for call in calls if call is not None} >= {"execve", "exit_group"}

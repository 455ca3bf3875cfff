"""Straces of tools: the real ones of 2016, and real tools of today with benign stand-ins beside them."""

import json
import os
import shutil
import subprocess

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.files.opened import open_piece
from killtrail.trust import strace_checks
from tests.conftest import ROOT, cannot

CASE = ROOT / "tests/cases/trojan-ps"
SCHEMA = json.loads((ROOT / "docs/schema/killtrail.trust-1.json").read_text())
SENTENCE = "/bin/ps cannot say whether a process is dead"


def reports(killtrail, *paths) -> tuple[int, list[dict]]:
    done = killtrail("trust", "--json", "--from", *map(str, paths))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for report in found:
        jsonschema.validate(report, SCHEMA)
    return done.returncode, found


def test_the_trojan_of_2016(killtrail):
    """The extra exec, the child's status against its own, the hidden program, what follows."""
    code, (report,) = reports(killtrail, CASE / "strace-trojan-ps.txt")
    assert code == 6
    checks = {c["id"]: c for c in report["checks"]}
    assert {c["result"] for c in checks.values()} == {"contradicted"}
    assert checks["tool-executes"]["moved_to"] == "/usr/bin/dpkgd/ps"
    assert checks["tool-behaviour"]["says"] == "/usr/bin/dpkgd/ps exited with 1, it says 0"
    assert SENTENCE in checks["tool-behaviour"]["consequence"]
    assert "waits for ever" in checks["tool-behaviour"]["consequence"]
    assert "32-bit" in checks["elf-shape"]["says"]
    screen = killtrail("trust", "--from", str(CASE / "strace-trojan-ps.txt")).stdout
    assert screen.startswith("tools of this host can't be trusted: /bin/ps")
    assert SENTENCE in screen


def test_the_real_ps_is_silent(killtrail):
    """The real one executes itself: consistent, and never called clean."""
    code, (report,) = reports(killtrail, CASE / "strace-real-ps.txt")
    assert code == 0
    assert [(c["id"], c["result"]) for c in report["checks"]] == [("tool-executes", "consistent")]
    assert "clean" not in killtrail("trust", "--from", str(CASE / "strace-real-ps.txt")).stdout


@pytest.mark.live
@pytest.mark.parametrize("tool", ["ps", "ls", "stat", "md5sum", "sleep"])
def test_real_tools_of_today(killtrail, tmp_path, tool):
    """Straces of this machine's own tools, with -o and without."""
    if shutil.which("strace") is None:
        cannot("needs strace")
    words = {"ps": ["-p", "4194000"], "sleep": ["0"]}.get(tool, ["/etc/passwd"])
    path = tmp_path / "trace.txt"
    subprocess.run(["strace", "-f", "-o", path, tool, *words], capture_output=True, check=False)
    code, (report,) = reports(killtrail, path)
    assert (code, report["layers"]["tools"]) == (0, "consistent"), report


@pytest.mark.live
def test_a_stand_in_of_today(killtrail, tmp_path):
    """A harmless wrapper that runs the real ps and always says 0, traced for real."""
    real = shutil.which("ps")
    if shutil.which("strace") is None or real is None:
        cannot("needs strace and ps")
    moved = tmp_path / "dpkgd"
    moved.mkdir()
    os.symlink(real, moved / "ps")
    stand_in = tmp_path / "ps"
    stand_in.write_text(f'#!/bin/sh\n{moved}/ps "$@"\nexit 0\n')
    stand_in.chmod(0o755)
    path = tmp_path / "trace.txt"
    subprocess.run(["strace", "-f", "-o", path, stand_in, "-p", "4194000"], capture_output=True, check=False)  # fmt: skip
    code, (report,) = reports(killtrail, path)
    assert code == 6
    checks = {c["id"]: c for c in report["checks"]}
    assert checks["tool-executes"]["moved_to"] == str(moved / "ps")
    assert checks["tool-behaviour"]["says"].endswith("exited with 1, it says 0")


def test_what_is_no_strace(killtrail, tmp_path):
    """Another file is said to be none; a strace without the tool's exec can't be judged."""
    other = tmp_path / "x"
    other.write_text("hello\n")
    assert killtrail("trust", "--from", str(other)).returncode == 5
    late = tmp_path / "late"
    late.write_text("strace: Process 9 attached\n+++ exited with 0 +++\n")
    code, (report,) = reports(killtrail, late)
    assert (code, report["checks"][0]["result"]) == (0, "not-checkable")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.integers(0, 5000))
def test_any_bytes(tmp_path_factory, junk, cut):
    """The real trace, cut anywhere and followed by anything: no exception."""
    path = tmp_path_factory.mktemp("any") / "s"
    path.write_bytes((CASE / "strace-trojan-ps.txt").read_bytes()[:cut] + junk)
    piece = open_piece(path)
    strace_checks.checks(piece)
    piece.close()

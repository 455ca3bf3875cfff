"""Killtrail asks no tool of the host for its own answers: it gives the same ones where all of them lie."""

import json
import os

import pytest

from tests.conftest import ROOT
from tests.trust import roots

pytestmark = pytest.mark.live
LIARS = (
    "ps",
    "lsof",
    "ss",
    "netstat",
    "dpkg",
    "rpm",
    "dash",
    "bash",
    "kill",
    "pgrep",
    "who",
    "last",
    "dmesg",
)
LIAR = "#!/usr/bin/python3\nimport os\nopen('/asked-' + os.path.basename(__file__), 'w')\n"
CASES = "/kt-cases"
QUESTIONS = (
    f"why 26880 --from {CASES}/roxen --json",
    f"why 8784 --from {CASES}/agent-sigkill --json",
    f"why host --from {CASES}/stack-corruption/dmesg.txt --json",
    f"trust --from {CASES}/trojan-ps/strace-trojan-ps.txt --json",
    f"list --from {CASES} --json",
    "why 1 --json",
    "explain 137",
    "trust --no-exec --json",
)  # fmt: skip


def answers(work, lower, upper) -> list[str]:
    asks = "; ".join(f"chroot {{root}} python3 -m killtrail {q}; echo" for q in QUESTIONS)
    line = f"mkdir {{root}}{CASES}; mount --bind {ROOT}/tests/cases {{root}}{CASES}; {asks}"
    done = roots.inside(lower, upper, line, work)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_a_root_of_liars(tmp_path):
    """The same words from a root whose ps, lsof, ss, dpkg, rpm and shells are stand-ins that tell if they are asked."""
    lower = roots.base()
    for name in ("honest", "lying"):
        (tmp_path / name / "upper/usr/bin").mkdir(parents=True)
    folder = tmp_path / "lying/upper/usr/bin"
    for name in LIARS:
        (folder / name).write_text(LIAR)
        (folder / name).chmod(0o755)
    honest = answers(tmp_path / "honest", lower, tmp_path / "honest/upper")
    lying = answers(tmp_path / "lying", lower, tmp_path / "lying/upper")
    assert [n for n in os.listdir(tmp_path / "lying/upper") if n.startswith("asked-")] == []
    *honest, trust, _ = honest
    *lying, trust_lying, _ = lying
    assert len(honest) > 20
    assert list(map(_undated, lying)) == list(map(_undated, honest))
    changed = {
        c["subject"] for c in json.loads(trust_lying)["checks"] if c["result"] == "contradicted"
    }
    there = {f"/usr/bin/{n}" for n in LIARS if (lower / "usr/bin" / n).exists()}
    assert changed == there
    assert [c for c in json.loads(trust)["checks"] if c["result"] == "contradicted"] == []


# pid 1 is another shell each time, and the clock goes on.
def _undated(line: str) -> object:
    if not line.startswith("{"):
        return line
    found = json.loads(line)
    if found.get("death") and found["death"]["ended"] == "running":
        return found["cause"]
    return found

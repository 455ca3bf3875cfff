"""Forty planted tools in ten disguises, and a fresh root: every one found, nothing else said."""

import json

import jsonschema
import pytest

from tests.conftest import ROOT
from tests.trust import roots

SCHEMA = json.loads((ROOT / "docs/schema/killtrail.trust-1.json").read_text())
ASK = "chroot {root} python3 -m killtrail trust --json"
SENTENCE = (
    "/usr/bin/ps cannot say whether a process is dead: every script that waits for `ps -p` to fail"
    " waits for ever"
)
pytestmark = pytest.mark.live


def report(done) -> dict:
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def off(found: dict, *kinds: str) -> dict[str, list[dict]]:
    """Contradicted checks by their subject."""
    result: dict[str, list[dict]] = {}
    for check in found["checks"]:
        if check["result"] == "contradicted" and (not kinds or check["id"] in kinds):
            result.setdefault(check["subject"], []).append(check)
    return result


@pytest.fixture(scope="session")
def lower():
    return roots.base()


@pytest.fixture
def planted(lower, tmp_path, request):
    disguise = roots.DISGUISES[request.param]
    roots.plant(tmp_path / "upper", lower, disguise, roots.build(tmp_path, disguise))
    return tmp_path


@pytest.mark.parametrize("planted", roots.DISGUISES, indirect=True)
def test_planted(lower, planted):
    """Four of four by what they do, with the moved originals and what follows for scripts."""
    done = roots.inside(lower, planted / "upper", ASK, planted)
    assert done.returncode == 6, done.stderr
    found = report(done)
    ran = off(found, "tool-executes")
    for tool in roots.TOOLS:
        checks = ran[f"/usr/bin/{tool}"]
        assert checks[0]["moved_to"] == f"/usr/bin/dpkgd/{tool}"
    lies = {c["consequence"] for c in off(found, "tool-behaviour")["/usr/bin/ps"]}
    assert SENTENCE in lies
    assert set(off(found, "tool-executes", "tool-behaviour")) == {
        f"/usr/bin/{tool}" for tool in roots.TOOLS
    }
    assert found["layers"]["tools"] == "contradicted"


@pytest.mark.parametrize("planted", roots.DISGUISES, indirect=True)
def test_planted_in_an_image(lower, planted):
    """The same from outside, nothing executed: by digests, else by the originals' names."""
    ask = "python3 -m killtrail trust --json --root {root}"
    ask = ask.replace("python3", "PYTHONPATH=" + str(ROOT / "src") + " python3")
    done = roots.inside(lower, planted / "upper", ask, planted)
    assert done.returncode == 6, done.stderr
    found = report(done)
    displaced = off(found, "displaced-original")
    assert {(s, c[0]["moved_to"]) for s, c in displaced.items()} == {
        (f"/usr/bin/{tool}", f"/usr/bin/dpkgd/{tool}") for tool in roots.TOOLS
    }
    assert {c["id"] for c in found["checks"]} & {"tool-executes", "hidden-process"} == set()
    assert any("nothing is executed" in c["says"] for c in found["checks"])


@pytest.mark.parametrize("planted", ["F2", "F4"], indirect=True)
def test_shape(lower, planted):
    """A 32-bit static program in a 64-bit package, also where the digests were edited to match."""
    done = roots.inside(lower, planted / "upper", ASK + " --no-exec", planted)
    shapes = off(report(done), "elf-shape")
    assert set(shapes) == {f"/usr/bin/{tool}" for tool in roots.TOOLS}
    assert all("32-bit i386, static" in c["says"] for (c,) in shapes.values())


@pytest.mark.parametrize("planted", ["F1"], indirect=True)
def test_name_filter(lower, planted):
    """A ps that leaves out one name: blamed on ps, not on the kernel."""
    line = (
        f"cp {{root}}/usr/bin/sleep {{root}}/usr/bin/{roots.WORD};"
        f" chroot {{root}} /usr/bin/{roots.WORD} 60 & {ASK}; code=$?; kill $!; exit $code"
    )
    found = report(roots.inside(lower, planted / "upper", line, planted))
    checks = off(found, "hidden-process")["/usr/bin/ps"]
    # The shell that started it has the word in its own line.
    assert any(f"{roots.WORD[:15]} (pid " in c["says"] for c in checks)
    assert {c["layer"] for c in checks} == {"tools"}
    assert found["layers"]["kernel"] == "consistent"


@pytest.mark.parametrize("planted", ["F2"], indirect=True)
def test_screen(lower, planted):
    """What a person reads first is what follows for his scripts."""
    done = roots.inside(lower, planted / "upper", ASK.replace(" --json", ""), planted)
    flat = " ".join(done.stdout.split())
    assert flat.startswith("tools of this host can't be trusted: /usr/bin/ps, ")
    assert SENTENCE in flat
    assert "contradicted /usr/bin/ps; the displaced program: /usr/bin/dpkgd/ps" in flat
    assert "clean" not in flat


@pytest.mark.parametrize("planted", ["F2"], indirect=True)
def test_verdicts_say_so(lower, planted):
    """What trust found stands with every later verdict, until a run that finds nothing takes it back."""
    ask = "chroot {root} python3 -m killtrail"
    line = f"{ask} why 1 --json; {ask} trust >/dev/null; {ask} why 1 --json; {ask} why 1 >&2"
    done = roots.inside(lower, planted / "upper", line, planted)
    before, after = map(json.loads, done.stdout.splitlines())
    assert before["trust"]["lowered_by"] == []
    assert any(SENTENCE in text for text in after["trust"]["lowered_by"])
    assert "caveat: /usr/bin/ps" in " ".join(done.stderr.split())
    # Tools are not asked for our own answers: what the kernel said counts as before.
    assert (before["certainty"], after["certainty"]) == ("established", "established")


def test_fresh_root(lower, tmp_path):
    """Nothing is said against a fresh Debian, from inside and from outside."""
    done = roots.inside(lower, None, ASK, tmp_path)
    assert (done.returncode, off(report(done))) == (0, {}), done.stderr
    outside = (
        "PYTHONPATH="
        + str(ROOT / "src")
        + " python3 -m killtrail trust --json --deep --root {root}"
    )
    done = roots.inside(lower, None, outside, tmp_path)
    assert (done.returncode, off(report(done))) == (0, {}), done.stderr

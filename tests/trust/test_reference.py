"""Packages from elsewhere: the distribution's real signature, and what it says of edited digests."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.trust import examine, openpgp, reference
from killtrail.trust.root import Root
from tests.conftest import ROOT, cannot
from tests.trust import roots
from tests.trust.test_stand_ins import off, report

LISTS = Path("/var/lib/apt/lists")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = ("procps", "iproute2", "net-tools", "lsof")
ANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def releases() -> list[Path]:
    found = sorted(LISTS.glob("*InRelease"))
    if not found and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        found = sorted(LISTS.glob("*InRelease"))
    if not found or not KEYRING.exists():
        cannot("needs apt's lists and the archive's keyring")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The four packages, the lists that name them, and what signs those."""
    top = tmp_path_factory.mktemp("reference")
    for path in releases():
        shutil.copy(path, top)
    shutil.copy(KEYRING, top)
    for path in LISTS.glob("*Packages*"):
        helper = ["/usr/lib/apt/apt-helper", "cat-file", str(path)]
        with (top / path.name.partition(".lz4")[0]).open("wb") as file:
            subprocess.run(helper, stdout=file, check=True)
    for path in (roots.base() / "var/cache/apt/archives").glob("*.deb"):
        if path.name.startswith(tuple(f"{name}_" for name in PACKAGES)):
            shutil.copy(path, top)
    return top


def asked(work, folder, upper) -> dict:
    ask = f"PYTHONPATH={ROOT}/src python3 -m killtrail trust --json --root {{root}} --reference {folder}"
    return report(roots.inside(roots.base(), upper, ask, work))


@pytest.mark.live
@pytest.mark.parametrize("name", ["F4", "F8"])
def test_edited_digests(tmp_path, folder, name):
    """The careful intruder: digests agree, the signed packages do not."""
    disguise = roots.DISGUISES[name]
    roots.plant(tmp_path / "upper", roots.base(), disguise, roots.build(tmp_path, disguise))
    found = asked(tmp_path, folder, tmp_path / "upper")
    assert off(found, "package-digest") == {}
    chain = off(found, "signed-chain")
    assert set(chain) == {f"/usr/bin/{tool}" for tool in roots.TOOLS}
    assert all(
        "signed by key" in c["says"] and "of your keyring" in c["says"] for (c,) in chain.values()
    )


@pytest.mark.live
def test_a_fresh_root_agrees(tmp_path, folder):
    """And a package that no signed list names is said to stand on its giver's word alone."""
    checks = [c for c in asked(tmp_path, folder, None)["checks"] if c["id"] == "signed-chain"]
    assert [c["result"] for c in checks] == ["consistent"] * 4
    alone = tmp_path / "alone"
    alone.mkdir()
    (package,) = folder.glob("lsof_*.deb")
    shutil.copy(package, alone)
    wish = examine.Scope(Root(str(roots.base())), reference=(str(alone),))
    (check,) = [c for c in examine.examine(wish).checks if c.id == "signed-chain"]
    assert "your own choice" in check.says
    (alone / package.name).write_bytes(package.read_bytes()[:5000])
    (check,) = [c for c in examine.examine(wish).checks if c.id == "signed-chain"]
    assert check.result == "not-checkable"


@pytest.mark.live
def test_the_archive_s_signature():
    """Debian's own InRelease: good as it is, and not with one byte changed or another ring."""
    text = releases()[0].read_bytes()
    ring = openpgp.keys(KEYRING.read_bytes())
    found = openpgp.verified(text, ring)
    assert found is not None and b"SHA256:" in found[0]
    at = text.index(b"SHA256:") + 12
    for change in (0, 1):
        broken = text[:at] + bytes([text[at + change] ^ 1]) + text[at + 1 :]
        assert openpgp.verified(broken, ring) is None
    assert openpgp.verified(text, []) is None
    ours = [openpgp.Key(key.id, key.modulus + 2, key.exponent) for key in ring]
    assert openpgp.verified(text, ours) is None


@ANY
@given(st.binary(max_size=200))
def test_any_keyring(junk):
    """Whatever bytes: keys, or none."""
    openpgp.keys(junk)
    begin = (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\na\n-----BEGIN PGP SIGNATURE-----\n\n"
    )
    assert openpgp.verified(begin + junk, [openpgp.Key("A", 3, 3)]) is None


@ANY
@given(st.binary(max_size=300))
def test_any_package(tmp_path, junk):
    """Whatever bytes in a .deb: not to be read, and said so."""
    path = tmp_path / "x.deb"
    path.write_bytes(b"!<arch>\n" + junk)
    checks = list(reference.checks(Root(str(tmp_path)), (str(path),), deep=False))
    assert [c.result for c in checks] == ["not-checkable"]

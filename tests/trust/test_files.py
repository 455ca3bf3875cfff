"""Package databases and program files: real ones, broken ones, hostile ones."""

import hashlib
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.host import elf
from killtrail.trust import examine, packages, reference
from killtrail.trust.files import Files
from killtrail.trust.packages import dpkg, rpm
from killtrail.trust.root import Root
from tests.conftest import cannot

INFO = "var/lib/dpkg/info"
ANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def tree(top: Path, files: dict[str, bytes]) -> Root:
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
    return Root(str(top))


def sums(**paths: bytes) -> bytes:
    return b"".join(
        f"{hashlib.md5(content).hexdigest()}  {path.replace('__', '/')}\n".encode()
        for path, content in paths.items()
    )


def debian(top: Path, md5sums: bytes, files: dict[str, bytes]) -> Root:
    listed = b"/.\n" + b"".join(
        b"/" + line.split(b"  ", 1)[-1] + b"\n" for line in md5sums.splitlines()
    )
    return tree(
        top,
        {
            "var/lib/dpkg/status": b"Package: p\nArchitecture: amd64\nStatus: install ok installed\n\n",
            f"{INFO}/p.md5sums": md5sums,
            f"{INFO}/p.list": listed,
            **files,
        },
    )


def found(root: Root, **more) -> list:
    index = packages.index(root, everything=more.get("deep", False))
    assert index is not None
    return [c for c in Files(root, index, **more).checks(set()) if c.off]


ELF = Path("/bin/true").read_bytes()


class TestDpkg:
    """Trees with a database in dpkg's form."""

    def test_merged_usr(self, tmp_path):
        """The package says /bin/x, the file lies in /usr/bin."""
        root = debian(tmp_path, sums(bin__x=ELF), {"usr/bin/x": ELF})
        (tmp_path / "bin").symlink_to("usr/bin")
        assert found(root) == []
        (tmp_path / "usr/bin/x").write_bytes(ELF + b"!")
        (check,) = found(root)
        assert (check.subject, check.id) == ("/usr/bin/x", "package-digest")

    def test_diverted(self, tmp_path):
        """A diverted program lies under another name; whoever diverted it owns the old one."""
        mine, theirs = ELF + b"mine", ELF + b"theirs"
        root = debian(
            tmp_path, sums(usr__bin__x=mine), {"usr/bin/x": theirs, "usr/bin/x.real": mine}
        )
        other = tmp_path / INFO / "other.md5sums"
        other.write_bytes(sums(usr__bin__x=theirs))
        (tmp_path / INFO / "other.list").write_text("/usr/bin/x\n")
        (tmp_path / "var/lib/dpkg/diversions").write_text("/usr/bin/x\n/usr/bin/x.real\nother\n")
        assert found(root) == []
        (tmp_path / "usr/bin/x.real").write_bytes(ELF + b"!")
        assert [c.subject for c in found(root)] == ["/usr/bin/x.real"]

    def test_alternatives_and_own_programs(self, tmp_path):
        """A link of the alternatives, and a user's own program with a packaged one's name."""
        root = debian(
            tmp_path, sums(usr__bin__vim_basic=ELF), {"usr/bin/vim_basic": ELF, "usr/local/bin/vim_basic": b"#!/bin/sh\n"}
        )  # fmt: skip
        (tmp_path / "usr/bin/vi").symlink_to("/etc/alternatives/vi")
        assert found(root) == []

    def test_what_is_no_program_is_counted(self, tmp_path):
        """A changed data file or script of a library is no alarm."""
        text = sums(usr__share__doc=b"1", usr__lib__x_py=b"#!/usr/bin/python3\n")
        root = debian(tmp_path, text, {"usr/share/doc": b"2", "usr/lib/x_py": b"#!/bin/sh\n"})
        index = packages.index(root, everything=True)
        files = Files(root, index, deep=True)
        assert [c for c in files.checks(set()) if c.off] == []
        assert files.others == 2

    def test_folders_of_programs(self, tmp_path):
        """A package's own folder below /usr/bin is nobody's hiding place, whatever names are in it."""
        text = sums(usr__bin__show=ELF, usr__bin__mh__show=ELF + b"mh")
        root = debian(tmp_path, text, {"usr/bin/show": ELF, "usr/bin/mh/show": ELF + b"mh"})
        assert found(root) == []

    def test_malformed_lines_are_counted(self, tmp_path):
        """Third-party packages write what they like."""
        root = debian(
            tmp_path, b"not a sum\n\xff\xfe\n" + sums(usr__bin__x=ELF), {"usr/bin/x": ELF}
        )
        index = dpkg.read(root)
        (problem,) = index.problems
        assert "2 lines" in problem.what
        assert found(root) == []

    def test_a_name_that_would_move_the_cursor(self, killtrail, tmp_path):
        """Control characters in names reach no terminal."""
        evil = "x\x1b[2J"
        text = f"{'0' * 32}  usr/bin/{evil}\n".encode()
        debian(tmp_path, text, {f"usr/bin/{evil}": ELF})
        done = killtrail("trust", "--root", str(tmp_path))
        assert done.returncode == 6
        assert "\x1b" not in done.stdout and "x\\e[2J" in done.stdout


@pytest.mark.live
class TestRpm:
    """A database that rpm itself wrote."""

    @pytest.fixture
    def top(self, tmp_path):
        """A root with one package in it."""
        if shutil.which("rpmbuild") is None:
            cannot("needs rpm")
        spec = tmp_path / "kt.spec"
        spec.write_text(
            "Name: kt\nVersion: 1\nRelease: 1\nSummary: t\nLicense: none\n%description\nt\n"
            "%install\nmkdir -p %{buildroot}/usr/bin %{buildroot}/etc\ncp /bin/true %{buildroot}/usr/bin/kttool\n"
            "echo a > %{buildroot}/etc/kt.conf\n%files\n/usr/bin/kttool\n%config /etc/kt.conf\n"
            "%global debug_package %{nil}\n%global __strip /bin/true\n"
        )
        made = [
            "rpmbuild",
            "-bb",
            "--quiet",
            "-D",
            f"_topdir {tmp_path}/b",
            "-D",
            "_build_id_links none",
            str(spec),
        ]
        subprocess.run(made, check=True, capture_output=True)
        (package,) = (tmp_path / "b/RPMS").rglob("*.rpm")
        top = tmp_path / "top"
        into = [
            "rpm",
            "--root",
            str(top),
            "--dbpath",
            "/var/lib/rpm",
            "-i",
            "--nodeps",
            "--noscripts",
            str(package),
        ]
        subprocess.run(into, check=True, capture_output=True)
        return top

    def test_digests(self, top):
        """What rpm installed agrees; a program changed afterwards does not; a configuration may."""
        root = Root(str(top))
        before = {p.name: p.stat().st_mtime_ns for p in (top / "var/lib/rpm").iterdir()}
        index = packages.index(root)
        assert index.kind == "rpm" and index.files["/usr/bin/kttool"].package == "kt"
        assert found(root) == []
        (top / "etc/kt.conf").write_text("b\n")
        with (top / "usr/bin/kttool").open("ab") as file:
            file.write(b"!")
        (check,) = found(root)
        assert check.subject == "/usr/bin/kttool" and "sha256" in check.says
        after = {p.name: p.stat().st_mtime_ns for p in (top / "var/lib/rpm").iterdir()}
        assert after == before

    def test_moved_original(self, top):
        """By the digest that rpm has of it, wherever below the program folders it went."""
        tool, away = top / "usr/bin/kttool", top / "usr/bin/hidden/other-name"
        away.parent.mkdir()
        shutil.move(tool, away)
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        checks = {c.id: c for c in found(Root(str(top)))}
        assert checks["displaced-original"].moved_to == "/usr/bin/hidden/other-name"

    def test_signed_headers(self, tmp_path, top, monkeypatch):
        """Real signatures by rpmsign: good, broken by one changed digest, and of a key that is not given."""
        home = tmp_path / "gpg"
        home.mkdir(mode=0o700)
        monkeypatch.setenv("GNUPGHOME", str(home))
        batch = "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nName-Real: kt\nName-Email: kt@example.org\n%commit\n"
        subprocess.run(
            ["gpg", "--batch", "--gen-key"], input=batch.encode(), check=True, capture_output=True
        )
        key = tmp_path / "keys.asc"
        key.write_bytes(
            subprocess.run(["gpg", "--export", "--armor"], check=True, capture_output=True).stdout
        )
        (package,) = (tmp_path / "b/RPMS").rglob("*.rpm")
        sign = [
            "rpmsign",
            "-D",
            "_gpg_name kt@example.org",
            "-D",
            "__gpg /usr/bin/gpg",
            "--addsign",
            str(package),
        ]
        subprocess.run(sign, check=True, capture_output=True)
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False)
        shutil.rmtree(top)
        into = [
            "rpm",
            "--root",
            str(top),
            "--dbpath",
            "/var/lib/rpm",
            "-i",
            "--nodeps",
            "--noscripts",
            "--nosignature",
            str(package),
        ]
        subprocess.run(into, check=True, capture_output=True)
        root = Root(str(top))
        (check,) = reference.checks(root, (str(key),), deep=False)
        assert check.result == "consistent" and "1 package headers are signed" in check.says
        (check,) = reference.checks(root, (str(top / "etc"),), deep=False)
        assert check.result == "not-checkable"
        database = sqlite3.connect(top / "var/lib/rpm/rpmdb.sqlite")
        ((blob,),) = database.execute("SELECT blob FROM Packages")
        digest = packages.index(root).files["/usr/bin/kttool"].digest.encode()
        database.execute(
            "UPDATE Packages SET blob = ?", (blob.replace(digest, b"0" * len(digest)),)
        )
        database.commit()
        database.close()
        (check,) = reference.checks(root, (str(key),), deep=False)
        assert check.result == "contradicted" and "package kt" in check.says

    def test_known_paths_of_packages(self, top):
        """What a package brought is nobody's sign, also where it is no program."""
        assert rpm.owner(Root(str(top)), {"/etc/kt.conf", "/etc/none"}) == {"/etc/kt.conf": "kt"}

    def test_garbage(self, top):
        """A database cut off anywhere, and blobs of nonsense: counted, not raised."""
        path = top / "var/lib/rpm/rpmdb.sqlite"
        with sqlite3.connect(path) as database:
            database.execute("UPDATE Packages SET blob = ?", (b"\xff" * 50,))
        index = rpm.read(Root(str(top)))
        assert len(index.problems) == 1 and index.files == {}
        whole = path.read_bytes()
        for size in (0, 10, 100, 5000, len(whole) // 2):
            path.write_bytes(whole[:size])
            index = rpm.read(Root(str(top)))
            assert index is not None


@ANY
@given(st.binary(max_size=300))
def test_any_header(blob):
    """A header of any bytes: a broken one is an error that is counted."""
    try:
        head = rpm.header(blob)
        head.strings(1117)
        head.numbers(1116)
    except (ValueError, IndexError, struct.error):
        pass


@ANY
@given(st.integers(0, 64), st.binary(max_size=8), st.integers(0, 200))
def test_any_elf(at, junk, cut):
    """An ELF file changed or cut at every field of its header: read, or none."""
    raw = bytearray(ELF[:4096])
    raw[at : at + len(junk)] = junk
    fd = os.memfd_create("elf")
    os.write(fd, bytes(raw[: len(raw) - cut] if at % 2 else raw[:cut]))
    elf.read(fd)
    os.close(fd)


def test_elf_of_this_machine():
    """Real programs of both kinds."""
    with open("/bin/true", "rb") as file:
        own = elf.read(file.fileno())
    assert own is not None and not own.static and own.interpreter
    with open("/sbin/ldconfig", "rb") as file:
        start = file.read(2)
        static = elf.read(file.fileno())
    assert start == b"#!" or (static is not None and static.static)


def test_hostile_tree(killtrail, tmp_path):
    """Folders that link to themselves, FIFOs, sockets, devices and links out: no hang, no way out."""
    root = debian(
        tmp_path, sums(usr__bin__a=ELF, usr__bin__b=ELF, usr__bin__c=ELF), {"usr/bin/d": ELF}
    )
    bin_ = tmp_path / "usr/bin"
    os.mkfifo(bin_ / "a")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(bin_)
        server.bind("b")
        os.chdir("/")
    (bin_ / "c").symlink_to("c")
    (tmp_path / "sbin").symlink_to("/sbin")
    (tmp_path / "usr/sbin").symlink_to("../../../../../../../../usr/sbin")
    (bin_ / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "etc-fifo")
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/ld.so.preload")
    assert root.resolve("/sbin/x") == "/sbin/x"
    assert root.resolve("/usr/sbin/ls") == "/usr/sbin/ls"
    done = killtrail("trust", "--root", str(tmp_path), "--deep", wait=20)
    assert done.returncode in (0, 6) and "Traceback" not in done.stderr
    assert "3 missing or not readable" in " ".join(done.stdout.split())


def test_no_database(killtrail, tmp_path):
    """A tree without packages: said to be not checkable; a folder that is not there is a usage error."""
    (tmp_path / "bin").mkdir()
    done = killtrail("trust", "--root", str(tmp_path))
    assert done.returncode == 0 and "not checkable" in done.stdout
    assert killtrail("trust", "--root", str(tmp_path / "none")).returncode == 2


def test_older_rpm(tmp_path):
    """A Berkeley DB is named, and not guessed at."""
    root = tree(tmp_path, {"var/lib/rpm/Packages": b"\0" * 100})
    (check, *_) = [
        c for c in examine.examine(examine.Scope(root)).checks if c.id == "package-digest"
    ]
    assert "/var/lib/rpm/Packages has a format that is not supported" in check.says


def test_known_paths(tmp_path):
    """Each listed path is recognised where nobody owns it, and only there."""
    root = debian(tmp_path, sums(usr__bin__x=ELF), {"etc/init.d/selinux": b"", "usr/bin/x": ELF})
    checks = [c for c in examine.examine(examine.Scope(root)).checks if c.id == "known-path"]
    assert [c.off for c in checks] == [True] and "seen before in BillGates" in checks[0].says
    with (tmp_path / INFO / "p.list").open("a") as file:
        file.write("/etc/init.d/selinux\n")
    checks = [c for c in examine.examine(examine.Scope(root)).checks if c.id == "known-path"]
    assert [c.off for c in checks] == [False]


def test_rules_of_one_s_own(killtrail, tmp_path):
    """A match, none, and rules that do not compile."""
    debian(tmp_path, sums(usr__bin__x=ELF), {"usr/bin/x": ELF})
    rules = tmp_path / "mine.yar"
    rules.write_text("rule elf { strings: $a = { 7F 45 4C 46 } condition: $a at 0 }")
    done = killtrail("trust", "--root", str(tmp_path), "--yara", str(rules))
    assert done.returncode == 6 and "it matches the rule elf" in done.stdout, done.stderr
    rules.write_text('rule absent { strings: $a = "kt-not-there" condition: $a }')
    assert killtrail("trust", "--root", str(tmp_path), "--yara", str(rules)).returncode == 0
    rules.write_text("rule {")
    assert killtrail("trust", "--root", str(tmp_path), "--yara", str(rules)).returncode == 2

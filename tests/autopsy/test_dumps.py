"""Four real dumps: an incident and three clean ones; changed ones; broken ones."""

import json
import struct
import subprocess
import sys

import jsonschema
import pytest
from drgn import FaultError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.autopsy import dump_file, examine, kernel, sandboxed
from killtrail.errors import KilltrailError
from tests.autopsy.patching import DUMPS, Patch, unpacked
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "docs/schema/killtrail.autopsy-1.json").read_text())
VERDICT = json.loads((ROOT / "docs/schema/killtrail.verdict-1.json").read_text())
TRUTH = json.loads((DUMPS / "incident-6.1.192.truth.json").read_text())
CLEAN = ("clean-6.1.192.elf.xz", "clean-6.12.117.elf.xz", "clean-5.10.262.kdump")
REDIRECTED = (0, 1, 2, 3, 5, 9, 13, 16, 41, 42, 56, 57, 59, 61, 62, 78, 89, 101, 217, 257)
"""read, write, open, close, fstat, mmap, sigaction, ioctl, socket, connect, clone, fork, execve, ..."""


def asked(killtrail, path, code: int) -> dict:
    done = killtrail("autopsy", str(path), "--json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def by_kind(found: dict) -> dict[str, list[dict]]:
    kinds: dict[str, list[dict]] = {}
    for each in found["findings"]:
        kinds.setdefault(each["kind"], []).append(each)
    return kinds


def test_the_incident(killtrail):
    """Panic, task, system call, the frame that unwinders skip, the two entries, the module, its strings."""
    found = asked(killtrail, DUMPS / "incident-6.1.192.elf.xz", 6)
    assert found["tier"] == "B"
    panic = found["panic"]
    assert (panic["kind"], panic["address"], panic["owner"]) == (
        "stack-protector",
        TRUTH["ret"],
        "nobody",
    )
    assert "Kernel stack is corrupted in: " + TRUTH["ret"] in panic["text"]
    assert found["task"]["comm"] == "dd" and found["ancestry"][0]["comm"] == "init"
    assert (found["syscall"]["nr"], found["syscall"]["name"]) == (0, "read")
    stack = found["stack"]
    at = next(i for i, f in enumerate(stack) if f["address"] == TRUTH["ret"])
    assert stack[at]["owner"] == "nobody"
    assert stack[at - 1]["symbol"].startswith("__stack_chk_fail")
    assert (
        stack[at + 1]["symbol"].startswith("do_syscall_64+") and stack[at + 1]["how"] == "recovered"
    )
    kinds = by_kind(found)
    table = {f["where"]: (f["value"], f["expected"]) for f in kinds["syscall-table"]}
    assert table == {
        "sys_call_table[0]": (TRUTH["hook_read"], "__x64_sys_read"),
        "sys_call_table[2]": (TRUTH["hook_open"], "__x64_sys_open"),
    }
    assert {f["effective"] for f in kinds["syscall-table"]} == {False}
    assert [f["where"] for f in kinds["hidden-module"]] == [TRUTH["module"]]
    (strings,) = kinds["strings"]
    assert all(w in strings["says"] for w in ("hack_open", "hack_read", "disable_write_protection"))
    verdict = found["verdict"]
    assert (verdict["class"], verdict["certainty"]) == ("rootkit", "established")
    assert len({f["kind"] for f in found["findings"] if f["id"] in verdict["facts"]}) >= 3


@pytest.mark.parametrize("name", CLEAN)
def test_clean(killtrail, name):
    """Not one finding; what is not in the dump is unknown, and said so."""
    found = asked(killtrail, DUMPS / name, 0)
    assert found["findings"] == []
    assert (found["panic"]["kind"], found["verdict"]["class"]) == ("sysrq", "operator")
    assert found["tier"] == "B" and found["kernel"]["modules"] == 6
    if name.endswith(".elf.xz"):
        assert "function entries" in {u["what"] for u in found["unknown"]}


def test_of_before_kallsyms_had_names(killtrail):
    """5.10 as qemu's flattened kdump: symbols by scan, dispatch by table, the writer of sysrq-trigger."""
    found = asked(killtrail, DUMPS / "clean-5.10.262.kdump", 0)
    assert found["kernel"]["dispatch"] == "table"
    assert found["verdict"]["says"].startswith("init (pid 1) requested the panic: it was writing")
    assert found["task"]["argv"] == ["/bin/sh", "/init", "autopanic"]
    assert [f["how"] for f in found["stack"]] == ["unwound"] * len(found["stack"])


def test_screen_and_verdict(killtrail):
    """What a person reads first; and the same in the form of every other verdict."""
    path = str(DUMPS / "incident-6.1.192.elf.xz")
    screen = killtrail("autopsy", path).stdout
    flat = " ".join(screen.split())
    assert flat.startswith("crash dump of kernel 6.1.")
    assert "rootkit (established): this kernel was tampered with" in flat
    assert "in no known module" in flat
    done = killtrail("why", path, "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    jsonschema.validate(verdict, VERDICT)
    assert (verdict["cause"], verdict["death"]["kind"]) == ("host-panicked", "host")
    (link,) = verdict["links"]
    assert (link["process"]["comm"], link["certainty"]) == ("dd", "possible")
    (cited,) = [e for e in verdict["evidence"] if e["id"] in link["evidence"]]
    assert cited["says"] == "dd (pid 123) was running"


def test_the_writer_is_the_trigger(killtrail):
    """Whoever wrote to sysrq-trigger did it; the name alone, wherever it stands, would prove nothing."""
    done = killtrail("why", str(DUMPS / "clean-5.10.262.kdump"), "--json")
    (link,) = json.loads(done.stdout)["links"]
    assert (link["process"]["comm"], link["certainty"]) == ("init", "established")
    done = killtrail("why", str(DUMPS / "clean-6.1.192.elf.xz"), "--json")
    (link,) = json.loads(done.stdout)["links"]
    assert (link["process"]["comm"], link["certainty"]) == ("sleep", "possible")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dumps")


@pytest.fixture
def patch(folder):
    return Patch.of(unpacked("clean-6.1.192.elf", folder))


@pytest.mark.parametrize("number", REDIRECTED)
def test_each_call_redirected(patch, tmp_path, number):
    """One entry led elsewhere: that one is reported, and nothing else."""
    table = patch.seen.symbol("sys_call_table")
    patch.word(table + 8 * number, 0xFFFFFFFFC0777000)
    found = sandboxed.examine(str(patch.saved(tmp_path / "dump")))
    (finding,) = found.findings
    assert (finding.kind, finding.where) == ("syscall-table", f"sys_call_table[{number}]")
    assert finding.value == "0xffffffffc0777000" and finding.effective is False
    assert found.verdict.kind == "rootkit" and found.verdict.certainty.label == "possible"


def test_two_calls_swapped(patch, tmp_path):
    """An entry that leads to another call of the kernel's own is told, too."""
    table = patch.seen.symbol("sys_call_table")
    patch.word(table + 8 * 59, patch.seen.symbol("__x64_sys_getpid"))
    (finding,) = sandboxed.examine(str(patch.saved(tmp_path / "dump"))).findings
    assert (finding.where, finding.expected) == ("sys_call_table[59]", "__x64_sys_execve")
    assert "in the kernel, but not this system call" in finding.says


def test_one_bit(patch, tmp_path):
    """An entry that is off by one bit: a fault of memory, said of nobody."""
    table = patch.seen.symbol("sys_call_table")
    patch.word(table + 8 * 59, patch.seen.symbol("__x64_sys_execve") ^ (1 << 37))
    found = sandboxed.examine(str(patch.saved(tmp_path / "dump")))
    assert [(f.kind.value, f.where) for f in found.findings] == [("hardware", "sys_call_table[59]")]
    assert (found.verdict.kind, found.verdict.certainty.label) == ("hardware", "possible")


def test_flipped_jump(patch, tmp_path):
    """One jump of x64_sys_call led elsewhere."""
    start = patch.seen.symbol("x64_sys_call")
    code = patch.seen.read(start, patch.seen.program.symbol("x64_sys_call").size)
    wanted = patch.seen.symbol("__x64_sys_getpid")
    at = next(
        i for i in range(len(code) - 5)
        if code[i] in (0xE8, 0xE9) and start + i + 5 + struct.unpack_from("<i", code, i + 1)[0] == wanted
    )  # fmt: skip
    patch.write(start + at + 1, struct.pack("<i", 0xFFFFFFFFC0777000 - (start + at + 5)))
    (finding,) = sandboxed.examine(str(patch.saved(tmp_path / "dump"))).findings
    assert (finding.kind, finding.value, finding.effective) == (
        "dispatch",
        "0xffffffffc0777000",
        True,
    )


def test_unlinked_module(patch, tmp_path):
    """A module taken out of the list, its pointers poisoned: by name, from the memory itself."""
    module = next(m for m in patch.seen.modules if m.name == "dummy")
    kind = patch.seen.program.type("struct module")
    place = module.address + next(m.bit_offset for m in kind.members if m.name == "list") // 8
    following, before = patch.seen.words(place, 2)
    patch.word(before, following)
    patch.word(following + 8, before)
    patch.word(place, 0xDEAD000000000100)
    patch.word(place + 8, 0xDEAD000000000122)
    found = sandboxed.examine(str(patch.saved(tmp_path / "dump")))
    kinds = {f.kind.value for f in found.findings}
    assert [f.where for f in found.findings if f.kind == "hidden-module"] == ["dummy"]
    assert kinds <= {"hidden-module", "unowned-executable", "pointer-into-unowned"}
    assert found.verdict.kind == "rootkit"


def test_list_that_is_a_ring(patch, tmp_path):
    """A list of modules that never comes back to its head: walked once, and said to be cut."""
    first, second = patch.seen.modules[:2]
    kind = patch.seen.program.type("struct module")
    offset = next(m.bit_offset for m in kind.members if m.name == "list") // 8
    patch.word(second.address + offset, first.address + offset)
    found = sandboxed.examine(str(patch.saved(tmp_path / "dump")))
    assert any("circular" in u.why for u in found.unknown)


def test_hostile_name(patch, tmp_path, killtrail):
    """A module's name without an end, full of escapes: cut, and harmless on a terminal."""
    module = next(m for m in patch.seen.modules if m.name == "dummy")
    kind = patch.seen.program.type("struct module")
    place = module.address + next(m.bit_offset for m in kind.members if m.name == "name") // 8
    patch.write(place, b"\x1b[2J" * 14)
    path = patch.saved(tmp_path / "dump")
    done = killtrail("autopsy", str(path))
    assert done.returncode in (0, 6) and "\x1b" not in done.stdout


def test_missing_page(patch, tmp_path):
    """A page that is not in the dump is unknown, never absent and never a finding."""
    patch.drop(patch.seen.symbol("sys_call_table"))
    found = sandboxed.examine(str(patch.saved(tmp_path / "dump")))
    assert found.findings == ()
    assert "sys_call_table" in {u.what for u in found.unknown}


def test_without_types(patch, tmp_path, killtrail):
    """With its BTF blanked a dump still gives symbols: table, dispatch, and the panic's text (tier A)."""
    start = patch.seen.symbol("__start_BTF")
    patch.write(start, b"\0" * 16)
    patch.word(patch.seen.symbol("sys_call_table") + 8 * 59, 0xFFFFFFFFC0777000)
    found = asked(killtrail, patch.saved(tmp_path / "dump"), 6)
    assert found["tier"] == "A" and found["task"] is None
    assert [f["where"] for f in found["findings"]] == ["sys_call_table[59]"]
    assert "types" in {u["what"] for u in found["unknown"]}


def test_without_symbols(patch, tmp_path, killtrail):
    """Symbols destroyed: the panic's text is still had, and all else is said to be unknown."""
    for name in ("kallsyms_names", "kallsyms_token_table"):
        patch.write(int(patch.seen.dump.value(f"SYMBOL({name})"), 16), b"\xff" * 256)
    found = asked(killtrail, patch.saved(tmp_path / "dump"), 0)
    assert (found["panic"]["kind"], found["tier"], found["task"]) == ("sysrq", "A", None)
    assert found["unknown"][0]["what"] == "everything but the panic's text"


def test_changed_entry(monkeypatch):
    """A function's entry changed while ftrace counts no tracer there: that one, and nothing else."""
    wake = kernel.wake

    def changed(dump):
        seen = wake(dump)
        address = seen.symbol("vfs_read")
        page = address & ~0xFFF
        raw = bytearray(seen.read(page, 8192))
        jump = b"\xe9" + struct.pack("<i", 0xFFFFFFFFC0777000 - (address + 5))
        raw[address - page : address - page + 5] = jump
        # What is laid over the dump's own memory counts.
        seen.program.add_memory_segment(page, 8192, lambda _at, n, at, *_: bytes(raw[at : at + n]))
        return seen

    monkeypatch.setattr(kernel, "wake", changed)
    (finding,) = examine.examine(str(DUMPS / "clean-5.10.262.kdump")).findings
    assert (finding.kind, finding.where) == ("ftrace-site", "vfs_read")
    assert finding.effective is True and "0xffffffffc0777000" in finding.says


class TestBroken:
    """What is no dump, and what is less than one."""

    def test_other_files(self, killtrail, tmp_path):
        """A text, an empty file, a program, a folder, nothing at all."""
        text = tmp_path / "x"
        text.write_text("hello\n" * 20000)
        empty = tmp_path / "empty"
        empty.touch()
        for path in (text, empty, "/bin/true", tmp_path, tmp_path / "none"):
            done = killtrail("autopsy", str(path))
            assert done.returncode == 5, (path, done.stderr)
            assert "Traceback" not in done.stderr

    def test_core_of_a_process(self, killtrail, tmp_path):
        """An ELF core without a kernel's notes: said to be what it probably is, by both commands."""
        head = struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 0, 0, 0, 0)
        path = tmp_path / "core"
        path.write_bytes(b"\x7fELF\2\1\1" + bytes(9) + head + bytes(200_000))
        for command in ("autopsy", "why"):
            done = killtrail(command, str(path))
            assert done.returncode == 5 and "perhaps the core of a process" in done.stderr

    @pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.9, 0.99])
    def test_cut(self, killtrail, folder, tmp_path, share):
        """A dump cut off anywhere gives what can be had, or says that it can't."""
        raw = unpacked("incident-6.1.192.elf", folder).read_bytes()
        path = tmp_path / "cut"
        path.write_bytes(raw[: int(len(raw) * share)])
        done = killtrail("autopsy", str(path))
        assert done.returncode in (0, 5, 6) and "internal" not in done.stderr

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test_any_damage(self, folder, tmp_path, data):
        """Random bytes in random places: an answer or an error, in bounded time, and no more."""
        raw = bytearray(unpacked("incident-6.1.192.elf", folder).read_bytes())
        for _ in range(20):
            at = data.draw(st.integers(0, len(raw) - 8))
            raw[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
        path = tmp_path / "damaged"
        path.write_bytes(raw)
        try:
            sandboxed.examine(str(path))
        except KilltrailError:
            pass

    def test_without_the_extra(self, tmp_path):
        """A machine without drgn is told the one line that gives it."""
        code = "import sys; sys.modules['drgn'] = None; from killtrail.cli.main import main; sys.exit(main(['autopsy', sys.argv[1]]))"
        path = tmp_path / "dump"
        path.write_bytes(b"\x7fELF" + b"\0" * 100000)
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        assert done.returncode == 5 and "pip install 'killtrail[autopsy]'" in done.stderr


@pytest.mark.parametrize("form", ["raw", "lime"])
def test_memory_without_a_dump_s_headers(killtrail, tmp_path, form):
    """Physical memory as it is, and behind LiME's headers: what a dump's notes say is found in it."""
    program = dump_file.open_dump(str(DUMPS / "clean-5.10.262.kdump")).program
    path = tmp_path / form
    with path.open("wb") as file:
        for start in range(0, 96 << 20, 1 << 20):
            try:
                content = program.read(start, 1 << 20, physical=True)
            except FaultError:
                content = bytes(1 << 20)
            if form == "lime":
                file.write(struct.pack("<IIQQQ", 0x4C694D45, 1, start, start + len(content) - 1, 0))
            file.write(content)
    found = asked(killtrail, path, 0)
    assert (found["panic"]["kind"], found["verdict"]["class"]) == ("sysrq", "operator")
    assert found["findings"] == [] and found["task"]["comm"] == "init"

"""Machines that die for real: the dump of each tells why, through the public command (`make lab`)."""

import json
import shutil
import struct
import subprocess

import jsonschema
import pytest

from killtrail.autopsy import dump_file
from killtrail.autopsy import kernel as dead
from tests.conftest import ROOT, cannot
from tests.lab.guest import Guest, kernel

SCHEMA = json.loads((ROOT / "docs/schema/killtrail.autopsy-1.json").read_text())
pytestmark = pytest.mark.lab


def asked(killtrail, path, code: int = 0) -> dict:
    done = killtrail("autopsy", str(path), "--json", wait=120)
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def nothing_is_changed(found: dict) -> None:
    """A real dump of a kernel that nobody touched: no finding, and what counts was looked at."""
    assert found["findings"] == []
    unknown = {u["what"] for u in found["unknown"]}
    assert not unknown & {"sys_call_table", "modules in memory", "the page tables of module space"}


@pytest.mark.parametrize(
    ("release", "form"), [("6.1.", "elf"), ("6.1.", "kdump-zlib"), ("6.12.", "elf")]
)
def test_sysrq(killtrail, tmp_path, release, form):
    """Sysrq c: the writer is named, the call, its argument; in both forms that qemu writes."""
    with Guest(kernel(release), "sysrq") as guest:
        guest.died()
        path = guest.dump(tmp_path / "dump", form)
    found = asked(killtrail, path)
    nothing_is_changed(found)
    assert (found["panic"]["kind"], found["verdict"]["class"]) == ("sysrq", "operator")
    assert found["verdict"]["says"].startswith("init (pid 1) requested the panic: it was writing")
    assert (found["syscall"]["name"], found["task"]["exe"]) == ("write", "/bin/busybox")
    assert any(f["symbol"].startswith("write_sysrq_trigger") for f in found["stack"])
    if form == "elf":
        # Without its note the dump's own memory says where everything lies.
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"VMCOREINFO\0", b"XMCOREINFO\0", 1))
        assert asked(killtrail, path)["panic"] == found["panic"]


def test_filtered(killtrail, tmp_path):
    """What makedumpfile leaves of a dump (no free, user, cache or zero pages), packed: as much is told."""
    if shutil.which("makedumpfile") is None:
        cannot("needs makedumpfile")
    with Guest(kernel("6.1."), "sysrq") as guest:
        guest.died()
        raw = bytearray(guest.dump(tmp_path / "whole").read_bytes())
    # It wants program headers right behind the header, where qemu has section headers.
    (table,), (size, count) = struct.unpack_from("<Q", raw, 32), struct.unpack_from("<HH", raw, 54)
    raw[64 : 64 + size * count] = raw[table : table + size * count]
    struct.pack_into("<QQ", raw, 32, 64, 0)
    struct.pack_into("<HHHHHH", raw, 52, 64, size, count, 0, 0, 0)
    (tmp_path / "whole").write_bytes(raw)
    words = ["makedumpfile", "-c", "-d", "31", str(tmp_path / "whole"), str(tmp_path / "filtered")]
    subprocess.run(words, check=True, capture_output=True)
    found = asked(killtrail, tmp_path / "filtered")
    nothing_is_changed(found)
    assert found["verdict"]["says"].startswith("init (pid 1) requested the panic: it was writing")


def test_several_processors(killtrail, tmp_path):
    """The task of the processor that panicked, of two."""
    with Guest(kernel("6.1."), "sysrq", processors=2, megabytes=128) as guest:
        guest.died()
        found = asked(killtrail, guest.dump(tmp_path / "dump"))
    nothing_is_changed(found)
    assert found["task"]["pid"] == 1
    assert any((f["symbol"] or "").startswith("write_sysrq_trigger") for f in found["stack"])


def test_init_killed(killtrail, tmp_path):
    """Init ended: its exit code stands in the panic's text."""
    with Guest(kernel("6.1."), "init") as guest:
        guest.died()
        found = asked(killtrail, guest.dump(tmp_path / "dump"))
    nothing_is_changed(found)
    assert (
        found["panic"]["kind"] == "init-killed" and "exitcode=0x00000300" in found["panic"]["text"]
    )
    assert found["task"]["pid"] == 1


def test_out_of_memory(killtrail, tmp_path):
    """Policy was to panic where memory runs out; who asked for the last page is the task."""
    with Guest(kernel("6.1."), "oom") as guest:
        guest.died()
        found = asked(killtrail, guest.dump(tmp_path / "dump"))
    nothing_is_changed(found)
    assert (found["panic"]["kind"], found["verdict"]["class"]) == ("oom", "memory-policy")
    assert found["task"]["comm"] == "dd" and [p["comm"] for p in found["ancestry"]] == ["init"]


def test_hung_task(killtrail, tmp_path):
    """A task that is stuck in the kernel for too long."""
    with Guest(kernel("6.1."), "hung") as guest:
        guest.died()
        found = asked(killtrail, guest.dump(tmp_path / "dump"))
    nothing_is_changed(found)
    assert (found["panic"]["kind"], found["task"]["comm"]) == ("hung-task", "khungtaskd")


def test_a_machine_that_lives(killtrail, tmp_path):
    """A dump of a running machine holds no panic, and that is what is said."""
    with Guest(kernel("6.1."), "nothing") as guest:
        guest.until("READY")
        found = asked(killtrail, guest.dump(tmp_path / "dump"))
    nothing_is_changed(found)
    assert found["panic"] is None and found["verdict"]["class"] == "unknown"


def test_the_incident_where_the_table_counts(killtrail, tmp_path):
    """5.10 dispatches by the table: read() led into a module that was unlinked, to the panic.

    What stands there is one call, to the kernel's own stack check: it panics, and does nothing else.
    """
    with Guest(kernel("5.10.", "bullseye"), "read") as guest:
        guest.until("READY")
        seen = dead.wake(dump_file.open_dump(str(guest.dump(tmp_path / "before"))))
        module = next(m for m in seen.modules if m.name == "dummy")
        start = module.ranges[0][0]
        hook = start + 0xF00
        table = seen.symbol("sys_call_table")
        kind = seen.program.type("struct module")
        place = module.address + next(m.bit_offset for m in kind.members if m.name == "list") // 8
        following, before = seen.words(place, 2)
        guest_memory = guest.debugger()
        jump = seen.symbol("__stack_chk_fail") - (hook + 5)
        guest_memory.write(hook, b"\xe8" + struct.pack("<i", jump))
        guest_memory.write(hook + 16, b"hack_read\0sys_call_table hooked\0")
        guest_memory.write(before, struct.pack("<Q", following))
        guest_memory.write(following + 8, struct.pack("<Q", before))
        guest_memory.write(place, struct.pack("<QQ", 0xDEAD000000000100, 0xDEAD000000000122))
        guest_memory.write(table, struct.pack("<Q", hook))
        guest_memory.go()
        guest.died()
        found = asked(killtrail, guest.dump(tmp_path / "dump"), 6)
    assert found["kernel"]["dispatch"] == "table"
    entry = next(f for f in found["findings"] if f["where"] == "sys_call_table[0]")
    assert (entry["effective"], entry["expected"]) == (True, "__x64_sys_read")
    assert (found["panic"]["kind"], found["syscall"]["name"]) == ("stack-protector", "read")
    assert "dummy" in {f["where"] for f in found["findings"] if f["kind"] == "hidden-module"}
    stack = [f["symbol"] or f["owner"] for f in found["stack"]]
    at = stack.index("nobody")
    assert stack[at - 1].startswith("__stack_chk_fail") and stack[at + 1].startswith(
        "do_syscall_64"
    )
    assert (found["verdict"]["class"], found["verdict"]["certainty"]) == ("rootkit", "established")

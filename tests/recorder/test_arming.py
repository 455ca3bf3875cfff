"""Arming and disarming on the running kernel."""

import grp
import json
import os
import random
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from killtrail.recorder import bpf as bpf_calls
from killtrail.recorder import layout as L
from killtrail.recorder.pins import FOLDER, Pins
from killtrail.recorder.rings import RingBuffers
from tests.gallery.lab import Lab

pytestmark = pytest.mark.live
NOBODY = 65534


def test_idempotent(unarmed):
    """A second arm changes nothing; disarm forgets all; a second disarm says so."""
    assert "armed" in unarmed("arm").stderr
    first = os.stat(FOLDER / "map_kills").st_ino
    assert unarmed("arm").stderr == "already armed\n"
    assert os.stat(FOLDER / "map_kills").st_ino == first
    assert unarmed("disarm").stderr == "disarmed\n"
    assert not FOLDER.exists()
    assert unarmed("disarm").stderr == "nothing was armed\n"


def test_many_at_once(unarmed):
    """Of eight that arm together one does it, and all are content."""
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: unarmed("arm"), range(8)))

    assert [d.returncode for d in done] == [0] * 8
    assert sum("already" not in d.stderr for d in done) == 1
    assert [p.name for p in FOLDER.parent.glob("killtrail*")] == ["killtrail"]


def test_no_process_stays(unarmed):
    """Arming leaves no process behind."""
    unarmed("arm")
    found = subprocess.run(
        ["pgrep", "-f", "killtrail arm"], capture_output=True, text=True, check=False
    )

    assert found.stdout == ""


def test_other_argv_setting_is_refused(unarmed):
    """Arming otherwise than armed is refused, with the command that would do it."""
    unarmed("arm")
    done = unarmed("arm", "--argv", "off")

    assert done.returncode == 5
    assert "--replace --argv off" in done.stderr


def test_argv_off(unarmed):
    """With argv off no command line is in any answer."""
    unarmed("arm", "--argv", "off")
    with Lab() as lab:
        victim = lab.victim()
        lab.run("kill", victim.pid, 9)
        victim.wait(10)
        found = unarmed.verdicts("why", str(victim.pid), "-n", "1")

    assert found[0]["cause"] == "killed-by-process"
    assert found[0]["links"][-1]["process"]["argv"] is None
    assert not any(a["argv"] for a in found[0]["ancestry"])


@pytest.mark.parametrize("mode", ["redacted", "full"])
def test_secrets_in_argv(unarmed, mode):
    """A password in a killer's command line is masked, unless told otherwise."""
    unarmed("arm", "--argv", mode)
    with Lab() as lab:
        victim = lab.victim()
        killer = lab.start("bash", "-c", f"kill -9 {victim.pid}; :", "job", "--password=hunter2")
        killer.wait(10)
        victim.wait(10)
        done = unarmed("why", str(victim.pid), "--json", "--evidence")

    assert ("hunter2" in done.stdout) is (mode == "full")
    assert ("--password=***" in done.stdout) is (mode == "redacted")


def test_pins_of_another_version(unarmed):
    """Another layout is named, with the way out; nothing of it is read."""
    unarmed("arm")
    meta = json.dumps({"layout": L.LAYOUT + 1}).encode().ljust(L.META_SIZE, b"\0")
    _replace_meta(meta)
    for words in (["why", "1234567"], ["status"], ["arm"], ["doctor"], ["watch"]):
        done = unarmed(*words)
        text = done.stdout + done.stderr
        assert "another version" in text, words
        assert "Traceback" not in text
    assert "armed" in unarmed("arm", "--replace").stderr


def _replace_meta(raw: bytes) -> None:
    # The map is frozen, as it should be: put another one in its place.
    fd = bpf_calls.syscall(
        bpf_calls.MAP_CREATE, struct.pack("<IIIIIII16s", 2, 4, L.META_SIZE, 1, 0, 0, 0, b"meta")
    )[0]
    bpf_calls.update(fd, b"\0\0\0\0", raw)
    (FOLDER / "map_meta").unlink()
    bpf_calls.pin(fd, str(FOLDER / "map_meta"))
    os.close(fd)


def test_randomised_box(unarmed):
    """Random bytes in every ring: answers or clear errors, never a traceback."""
    unarmed("arm")
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    with Lab() as lab:
        victim = lab.victim()
        lab.run("kill", victim.pid, 9)
        victim.wait(10)
    for ring in L.RINGS:
        _scramble(ring, rng)
    for words in (
        ["list", "--all", "-n", "9999"],
        ["why", str(victim.pid)],
        ["status"],
        ["why", "1"],
    ):
        done = unarmed(*words)
        assert "Traceback" not in done.stderr, seed
        assert "internal failure" not in done.stderr, (seed, done.stderr)
    assert unarmed("list", "--json", "-n", "5").returncode in (0, 3), seed


def _scramble(ring: L.Ring, rng: random.Random) -> None:
    slots = bpf_calls.open_pin(str(FOLDER / f"map_{ring.name}"), read_only=False)
    for seq in range(200):
        raw = bytearray(rng.randbytes(ring.slot_size))
        if rng.random() < 0.9:
            struct.pack_into("<QQII", raw, 0, seq + 1, seq + 1, rng.randrange(4096), 0)
            struct.pack_into("<H", raw, 24, rng.randrange(10))
        bpf_calls.update(slots, struct.pack("<I", seq), bytes(raw))
    os.close(slots)
    heads = bpf_calls.open_pin(str(FOLDER / "map_bss"), read_only=False)
    value = bytearray(bpf_calls.lookup(heads, 0, Pins().read_meta().bss_size))
    struct.pack_into("<Q", value, 8 * ring.head, 200)
    bpf_calls.update(heads, b"\0\0\0\0", bytes(value))
    os.close(heads)


def test_unprivileged(unarmed):
    """A user without rights is told why and what would help, for every command."""
    unarmed("arm")
    for words, needle in (
        (["arm"], "sudo killtrail arm"),
        (["disarm"], "not permitted"),
        (["why", "999999"], "root and group adm"),
        (["list"], "root and group adm"),
        (["watch"], "root and group adm"),
        (["record"], "needs root"),
        (["status"], "root and group adm"),
        (["doctor"], "root and group adm"),
    ):
        done = unarmed(*words, user=NOBODY)
        text = done.stdout + done.stderr
        assert needle in text, (words, text)
        assert "Traceback" not in text
    assert unarmed("why", str(os.getpid()), user=NOBODY).returncode == 0


def test_group_adm_reads(unarmed):
    """A member of group adm asks without root."""
    unarmed("arm")
    with Lab() as lab:
        victim = lab.victim()
        killer = lab.run("kill", victim.pid, 9)
        victim.wait(10)
        done = unarmed(
            "why", str(victim.pid), "--json", user=NOBODY, groups=(grp.getgrnam("adm").gr_gid,)
        )

    assert done.returncode == 0, done.stderr
    assert [
        x["process"]["pid"] for x in json.loads(done.stdout)["links"] if x["role"] == "sender"
    ] == [killer]


def test_hidden_symbols_lower_certainty(unarmed, tmp_path):
    """Without kernel symbols a kill is told by si_code: likely, and said so."""
    knob = Path("/proc/sys/kernel/kptr_restrict")
    before = knob.read_text()
    try:
        knob.write_text("2")
        assert "symbols are hidden" in unarmed("arm").stderr
        with Lab() as lab:
            victim = lab.victim()
            killer = lab.run("kill", victim.pid, 9)
            victim.wait(10)
            found = unarmed.verdicts("why", str(victim.pid), "-n", "1")[0]
    finally:
        knob.write_text(before)

    assert (found["cause"], found["certainty"]) == ("killed-by-process", "likely")
    assert killer in [x["process"]["pid"] for x in found["links"] if x["role"] == "sender"]


def test_storm_is_accounted(unarmed):
    """3,000 kills: recorded plus overwritten is what was sent."""
    unarmed("arm")
    script = "import os,signal\nfor _ in range(3000):\n p=os.fork()\n if not p: signal.pause()\n os.kill(p,9); os.waitpid(p,0)"
    subprocess.run([sys.executable, "-c", script], check=True)
    box = RingBuffers(Pins())
    stats, states = box.stats(), {s.ring.name: s for s in box.states()}
    box.close()

    assert stats["signals"] + stats["victims"] >= 3000
    assert stats["deaths"] >= 3000
    ends = stats["deaths"] - states["deaths"].written
    assert states["victims"].written == stats["victims"] + ends
    assert states["kills"].written == stats["signals"] - states["requests"].written
    assert stats["failed"] == 0


def test_forgotten_creator_makes_no_launcher(unarmed):
    """Once the map of creators has turned over, an old orphan's reaper is not taken for its launcher."""
    unarmed("arm")
    with Lab() as lab:
        victim = lab.victim()
        reaper = lab.action("reaper_of_old_orphan", victim.pid, 20_000)
        victim.wait(60)
        found = unarmed.verdicts("why", str(victim.pid), "-n", "1")[0]
    launchers = [
        x["process"]["pid"]
        for x in found["links"]
        if x["role"] == "launcher" and x["certainty"] in ("established", "likely")
    ]

    assert found["cause"] == "killed-by-process"
    assert reaper.pid not in launchers

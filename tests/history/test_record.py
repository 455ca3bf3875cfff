"""History: crash-safe, bounded, losses counted, read together with the box."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from killtrail.errors import UnavailableError
from killtrail.host import boot
from killtrail.model.clock import NS
from killtrail.model.events import ProcessExited, Provenance
from killtrail.model.process import Key, Process
from killtrail.model.query import Query
from killtrail.model.wait_status import WaitStatus
from killtrail.recorder.history.pruning import Limits
from killtrail.recorder.history.reader import History
from killtrail.recorder.history.words import Rows
from killtrail.recorder.history.writer import Progress, WritableHistory
from tests.conftest import ROOT, cannot
from tests.gallery.lab import wait_for

KILLED = WaitStatus.of_signal(9)
INSTANTS = int(os.environ.get("KILLTRAIL_KILLS", "12"))


def _event(number: int, status: WaitStatus = KILLED) -> ProcessExited:
    process = Process(Key(number, number * 1000), comm="x" * 10)
    return ProcessExited(number, Provenance("bpf", f"deaths:{number}"), process, status)


def _filled(path: Path, events: list[ProcessExited]) -> WritableHistory:
    history = WritableHistory(path)
    host = boot.this_host()
    row = history.begin_boot(host, 1)
    history.add(row, host, events, Progress())
    return history


def test_same_place_is_taken_once(tmp_path):
    """Draining the same slots again adds nothing."""
    with _filled(tmp_path / "h.db", [_event(1), _event(2)]) as history:
        row = history.boots()[0].row
        history.add(row, boot.this_host(), [_event(2), _event(3)], Progress())
        places = [r.place for r in history.rows(row, Rows.EXIT, Query())]

    assert len(places) == 3


def test_bounded_size_keeps_kills_over_exits(tmp_path):
    """Over its size the file drops ordinary exits before deaths by signal."""
    events = [_event(i, KILLED if i % 10 == 0 else WaitStatus.of_exit(0)) for i in range(1, 20_000)]
    with _filled(tmp_path / "h.db", events) as history:
        history.prune(Limits(max_bytes=2 << 20), boot.now_ns())
        row = history.boots()[0].row
        kills = len(list(history.rows(row, Rows.EXIT, Query())))
        exits = len(list(history.rows(row, Rows.ORDINARY, Query())))
        size = history.size()

    assert size <= 2 << 20
    assert kills == 1999
    assert exits < 18_000


def test_bounded_age(tmp_path):
    """What is older than the limit goes, and the gap is known."""
    with _filled(tmp_path / "h.db", [_event(i) for i in range(1, 50)]) as history:
        assert history.prune(Limits(max_age_s=10), boot.now_ns() + 86400 * NS) == 49


def test_other_version_and_no_database_are_refused(tmp_path):
    """A file of another version, or of random bytes, is a clear error."""
    later = tmp_path / "later.db"
    with sqlite3.connect(later) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    noise = tmp_path / "noise.db"
    noise.write_bytes(random.Random(1).randbytes(100_000))

    for path in (later, noise):
        with pytest.raises(UnavailableError, match=r"another version|can't be read"):
            History(path)


@pytest.mark.parametrize("seed", range(10))
def test_randomised_file(tmp_path, killtrail, seed):
    """Bytes flipped anywhere in the file: answers or clear errors, never a traceback."""
    path = tmp_path / "h.db"
    _filled(path, [_event(i) for i in range(1, 400)]).close()
    raw = bytearray(path.read_bytes())
    rng = random.Random(seed)
    for _ in range(200):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    path.write_bytes(raw)

    for words in (["list", "--all"], ["why", "7"], ["status"], ["doctor"]):
        done = killtrail(*words, env={"KILLTRAIL_HISTORY": str(path)})
        assert "Traceback" not in done.stderr
        assert "internal failure" not in done.stderr, done.stderr


def _record(*options: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "killtrail", "record", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "KILLTRAIL_HISTORY": str(path)},
    )


def _kill_some(count: int) -> list[int]:
    code = (
        "import os,signal,sys\n"
        f"for _ in range({count}):\n"
        " p=os.fork()\n"
        " if not p: signal.pause()\n"
        " os.kill(p,9); os.waitpid(p,0); print(p)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return [int(x) for x in out.split()]


def _recorded(path: Path) -> set[int]:
    with History(path) as history:
        return {pid for (pid,) in history.each("SELECT pid FROM events WHERE kind = 'exit'")}


@pytest.mark.live
class TestLive:
    """With the recorder armed."""

    def test_drains_and_outlives_the_box(self, unarmed, tmp_path):
        """What record drained answers why and list when the box is gone; small in memory."""
        path = tmp_path / "h.db"
        daemon = _record(path=path)
        wait_for(path.exists)
        time.sleep(0.5)
        pids = _kill_some(50)
        wait_for(lambda: set(pids) <= _recorded(path))
        memory = Path(f"/proc/{daemon.pid}/status").read_text().split("VmRSS:")[1].split()[0]
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=20)
        unarmed("disarm")
        env = {"KILLTRAIL_HISTORY": str(path)}
        found = unarmed.verdicts("why", str(pids[-1]), "-n", "1", env=env)[0]

        assert int(memory) < 30 * 1024
        assert daemon.returncode == 0 and "0 lost, 0 unreadable" in said
        assert (found["cause"], found["certainty"]) == ("killed-by-process", "established")
        assert {e["source"] for e in found["evidence"]} == {"bpf"}

    def test_box_and_history_are_one(self, unarmed, tmp_path):
        """A death in both is told once."""
        path = tmp_path / "h.db"
        env = {"KILLTRAIL_HISTORY": str(path)}
        unarmed("arm")
        pids = _kill_some(3)
        assert unarmed("record", "--once", env=env).returncode == 0
        listed = [v["death"]["process"]["pid"] for v in unarmed.verdicts("list", env=env)]

        assert [listed.count(pid) for pid in pids] == [1, 1, 1]

    def test_two_daemons(self, unarmed, tmp_path):
        """The second says that there is one."""
        path = tmp_path / "h.db"
        first = _record(path=path)
        wait_for(lambda: Path(f"{path}.lock").exists())
        time.sleep(0.3)
        second = _record(path=path)
        _, said = second.communicate(timeout=20)
        first.terminate()
        first.communicate(timeout=20)

        assert second.returncode == 5 and "another killtrail record" in said

    def test_storm_of_a_lapping_box_counts_its_losses(self, unarmed, tmp_path):
        """More kills than the box holds, drained afterwards: kept plus lost is what was sent."""
        path = tmp_path / "h.db"
        env = {"KILLTRAIL_HISTORY": str(path)}
        unarmed("arm")
        _kill_some(5000)
        unarmed("record", "--once", env=env)
        with History(path) as history:
            row = history.boots()[0]
            counted = "SELECT count(*) FROM events WHERE kind IN ('signal', 'exit')"
            kept = next(history.each(counted))[0]
        status = unarmed("status", env=env).stdout
        written = sum(
            int(line.split()[1]) + int(line.split()[-2])
            for line in status.splitlines()
            if line.strip().startswith(("kills ", "killed ", "victims "))
        )

        assert written >= 2 * 5000
        assert row.lost > 0
        assert kept + row.lost >= written

    def test_kill_9_at_random_instants(self, unarmed, tmp_path):
        """The history opens clean after each kill -9, and nothing acknowledged is missing."""
        path = tmp_path / "h.db"
        unarmed("arm")
        rng = random.Random()
        acknowledged: set[int] = set()
        sent: set[int] = set()
        for _ in range(INSTANTS):
            # 64 MB hold some 24,000 kills: pruning is not what is tested here.
            daemon = _record("--max-size", "2000", path=path)
            until = time.monotonic() + rng.uniform(0.15, 0.6)
            while time.monotonic() < until:
                sent.update(_kill_some(20))
                time.sleep(0.02)
            daemon.kill()
            daemon.communicate()
            if path.exists() and path.stat().st_size:
                found = _recorded(path)
                assert acknowledged <= found
                acknowledged = found
        unarmed("record", "--once", "--max-size", "2000", env={"KILLTRAIL_HISTORY": str(path)})
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        with History(path) as history:
            lost = history.boots()[0].lost

        # Daemons that die before their first drain may let the box lap: counted, then.
        assert len(sent - _recorded(path)) <= lost

    def test_full_disk(self, unarmed, tmp_path):
        """A full disk is said, nothing is corrupted, and draining goes on once there is room."""
        mount = tmp_path / "small"
        mount.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", mount], check=False
        )
        if done.returncode:
            cannot("tmpfs can't be mounted")
        path = mount / "h.db"
        env = {"KILLTRAIL_HISTORY": str(path)}
        try:
            unarmed("arm")
            pids = _kill_some(1500)
            full = unarmed("record", "--once", env=env)
            subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
            again = unarmed("record", "--once", env=env)
            found = _recorded(path)
        finally:
            subprocess.run(["umount", mount], check=True)

        assert full.returncode == 5 and "can't be written" in full.stderr, full.stderr
        assert again.returncode == 0, again.stderr
        assert set(pids) <= found

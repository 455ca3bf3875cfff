"""Storms and long load: what was sent is recorded or counted as lost. `make soak`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from killtrail.recorder.history.reader import History
from tests.conftest import ROOT
from tests.gallery.lab import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.live]
MINUTES = float(os.environ.get("KILLTRAIL_SOAK_MINUTES", "10"))
SENDER = (
    "import os,signal,sys,time\n"
    "count,pause=int(sys.argv[1]),float(sys.argv[2])\n"
    "for _ in range(count):\n"
    " p=os.fork()\n"
    " if not p: signal.pause()\n"
    " os.kill(p,9); os.waitpid(p,0); print(p); time.sleep(pause) if pause else None\n"
)
FORKER = (
    "import os,time\n"
    "until=time.monotonic()+float(__import__('sys').argv[1])\n"
    "while time.monotonic()<until:\n"
    " p=os.fork()\n"
    " if not p: os._exit(0)\n"
    " os.waitpid(p,0); time.sleep(0.0015)\n"
)


def _daemon(path: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KILLTRAIL_HISTORY": str(path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "killtrail", "record"], stderr=subprocess.PIPE, text=True, env=env
    )
    wait_for(lambda: path.exists() and path.stat().st_size > 0)
    time.sleep(1)
    return process


def _sender(count: int, pause: float, out: Path) -> subprocess.Popen[str]:
    with out.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-c", SENDER, str(count), str(pause)], stdout=file, text=True
        )


def _pids(*files: Path) -> list[int]:
    return [int(x) for file in files for x in file.read_text().split()]


def _kept(path: Path, kind: str) -> int:
    with History(path) as history:
        return history._rows("SELECT count(*) FROM events WHERE kind = ?", (kind,))[0][0]


def _stop(daemon: subprocess.Popen[str]) -> str:
    daemon.send_signal(signal.SIGTERM)
    return daemon.communicate(timeout=60)[1]


def test_storm(unarmed, tmp_path):
    """30,000 kills by two senders: sent = recorded + counted as lost."""
    path = tmp_path / "h.db"
    daemon = _daemon(path)
    senders = [_sender(15_000, 0, tmp_path / f"s{i}") for i in range(2)]
    for sender in senders:
        sender.wait()
    time.sleep(2)
    said = _stop(daemon)
    with History(path) as history:
        lost = history.boots()[0].lost
    sent = len(_pids(tmp_path / "s0", tmp_path / "s1"))
    kept = _kept(path, "signal") + _kept(path, "exit")
    print(f"sent {sent} kills; kept {kept} records, lost {lost}; {said.strip()}")

    assert sent == 30_000
    assert kept + lost >= 2 * sent
    assert kept + lost <= 2 * sent + 200  # the machine's own few deaths meanwhile


def test_ten_minutes_of_load(unarmed, tmp_path):
    """Compiling and 400 forks a second beside a kill every 50 ms: each kill is explained."""
    path = tmp_path / "h.db"
    daemon = _daemon(path)
    seconds = MINUTES * 60
    forker = subprocess.Popen([sys.executable, "-c", FORKER, str(seconds)])
    sender = _sender(int(seconds / 0.052), 0.05, tmp_path / "s")
    until = time.monotonic() + seconds
    source = ROOT / "bench/workload.c"
    while time.monotonic() < until:
        subprocess.run(["cc", "-O2", "-c", source, "-o", tmp_path / "x.o"], check=True)
    forker.wait()
    sender.wait()
    memory = int(Path(f"/proc/{daemon.pid}/status").read_text().split("VmRSS:")[1].split()[0])
    time.sleep(2)
    said = _stop(daemon)
    with History(path) as history:
        lost = history.boots()[0].lost
        rows = {r[0] for r in history._rows("SELECT pid FROM events WHERE kind = 'signal'", ())}
    sent = _pids(tmp_path / "s")
    missing = [pid for pid in sent if pid not in rows]
    print(f"sent {len(sent)}, missing {len(missing)}, lost {lost}, {memory} KiB; {said.strip()}")

    assert len(missing) <= lost
    assert memory < 30 * 1024

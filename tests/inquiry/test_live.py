"""What repeats, and what syslog says of a launch chain, in answers from the armed recorder."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.gallery.lab import Lab

pytestmark = pytest.mark.live

DEV_LOG = Path("/dev/log")


def program(lab: Lab, name: str) -> str:
    """A copy of sleep(1) under a name that nothing else on the host has."""
    path = lab.folder / name
    shutil.copy("/usr/bin/sleep", path)
    return str(path)


def taken(lab: Lab, worker: str, pid: int) -> subprocess.Popen[str]:
    """The worker as a process with this PID."""
    for _ in range(500):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = lab.start(worker, "60")
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    pytest.fail(f"PID {pid} could not be had again")


def test_a_killer_of_every_half_second(bpf):
    """One program kills another, which is started anew each time: the headline says it."""
    with Lab() as lab:
        worker = program(lab, "kt-periodic")
        killer = lab.start(
            "bash", "-c", "while read -r pid; do kill -9 $pid; done; :", stdin=subprocess.PIPE
        )
        for _ in range(5):
            victim = lab.start(worker, "60")
            time.sleep(0.5)
            killer.stdin.write(f"{victim.pid}\n")
            killer.stdin.flush()
            victim.wait(10)
        killer.stdin.close()
        killer.wait(10)
    screen = bpf("why", "kt-periodic").stdout
    verdicts = bpf.verdicts("why", "kt-periodic")

    assert " ".join(screen.split()).startswith("5 deaths by SIGKILL")
    assert "bash killed kt-periodic 5 times every 0.5" in " ".join(screen.split())
    assert {v["patterns"][0]["kind"] for v in verdicts} == {"restart-loop"}
    assert {v["certainty"] for v in verdicts} == {"established"}


def test_a_killer_with_a_stale_pid(bpf):
    """It goes on signalling a PID, whoever has it: all its owners die by it, and the verdict says so."""
    with Lab() as lab:
        worker = program(lab, "kt-stale")
        first = lab.start(worker, "60")
        script = f"while read -r go; do kill -9 {first.pid}; done; :"
        killer = lab.start("bash", "-c", script, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for again in (False, True, True, True):
            victim = taken(lab, worker, first.pid) if again else first
            killer.stdin.write("go\n")
            killer.stdin.flush()
            victim.wait(10)
            time.sleep(0.4)
        killer.stdin.close()
        killer.wait(10)
    verdicts = bpf.verdicts("why", str(first.pid))
    owners = [v for v in verdicts if v["death"]["process"]["comm"] == "kt-stale"]
    senders = {x["process"]["pid"] for v in owners for x in v["links"] if x["role"] == "sender"}

    assert senders == {killer.pid}
    assert any(p["kind"] == "stale-pid" for v in owners for p in v["patterns"])


class Syslog:
    """Writes what programs send to syslog(3), as a daemon does, to a file.

    `beside` starts a program in a mount namespace where this is /dev/log, whatever daemon the host has.
    """

    def __init__(self, path: Path, place: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(place))
        place.chmod(0o666)
        bind = 'mount --bind "$0" /dev/log && exec "$@"'
        self.beside = ("unshare", "--mount", "sh", "-c", bind, str(place))
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    # RFC 3164: `<PRI>Mmm dd hh:mm:ss tag: text`; a daemon takes the PRI away, and adds the host.
    def _write(self) -> None:
        with self.path.open("wb", buffering=0) as out, contextlib.suppress(OSError):
            while line := self._socket.recv(1 << 16):
                text = line.partition(b">")[2].rstrip(b"\0\n")
                out.write(text[:16] + os.uname().nodename.encode() + b" " + text[16:] + b"\n")

    def close(self) -> None:
        """Ends it, and takes the socket away."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def syslog(tmp_path):
    """A file with what cron and sudo log."""
    made = not DEV_LOG.exists()
    if made:
        DEV_LOG.touch()
    daemon = Syslog(tmp_path / "messages", tmp_path / "log")
    yield daemon
    daemon.close()
    if made:
        DEV_LOG.unlink()


def test_the_cron_job_is_named_by_syslog(bpf, syslog):
    """Cron's own line beside a recorded kill; a job runs within a minute."""
    table = Path("/etc/cron.d/killtrail-test")
    with Lab() as lab:
        victim = lab.victim()
        table.write_text(f"* * * * * root kill -9 {victim.pid}\n")
        daemon = lab.start("cron", "-f", prefix=syslog.beside)
        try:
            victim.wait(75)
        finally:
            table.unlink()
            daemon.terminate()
    (verdict,) = bpf.verdicts("why", str(victim.pid), env={"KILLTRAIL_LOGS": str(syslog.path)})

    assert verdict["certainty"] == "established"
    assert verdict["origin"]["kind"] == "cron"
    assert verdict["origin"]["name"] == f"kill -9 {victim.pid}"
    assert any(e["source"] == "kernlog" for e in verdict["evidence"])


def test_the_sudo_command_is_shown_from_syslog(bpf, syslog):
    """Debian's sudo logs no PID: the line counts by its command, if it is the only one that fits."""
    with Lab() as lab:
        victim = lab.victim()
        asked = lab.start("sudo", "-n", "kill", "-9", str(victim.pid), prefix=syslog.beside)
        victim.wait(10)
        asked.wait(10)
    time.sleep(0.2)
    (verdict,) = bpf.verdicts("why", str(victim.pid), env={"KILLTRAIL_LOGS": str(syslog.path)})
    said = [e["says"] for e in verdict["evidence"] if e["source"] == "kernlog"]

    assert verdict["certainty"] == "established"
    assert len(said) == 1
    assert f"kill -9 {victim.pid}, asked by root" in said[0]

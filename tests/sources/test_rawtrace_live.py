"""Raw pages and .dat files as this kernel and trace-cmd write them."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import cannot
from tests.gallery.lab import Lab

pytestmark = pytest.mark.live
TRACING = Path("/sys/kernel/tracing")
EVENT = "events/signal/signal_generate"


@pytest.fixture
def instance():
    """A trace instance of our own with signal_generate on."""
    if os.geteuid() != 0 or not (TRACING / "instances").is_dir():
        cannot("needs root and tracefs")
    folder = TRACING / "instances/kt-test-raw"
    folder.mkdir()
    try:
        (folder / EVENT / "enable").write_text("1")
        yield folder
    finally:
        (folder / EVENT / "enable").write_text("0")
        folder.rmdir()


def kill_one(lab: Lab) -> tuple[int, int]:
    victim = lab.victim()
    killer = lab.run("kill", victim.pid, 9)
    victim.wait(10)
    time.sleep(0.1)
    return victim.pid, killer


def copied(instance: Path, folder: Path) -> list[Path]:
    """The pages of every processor, as a person would copy them off."""
    found = []
    for number in range(os.cpu_count() or 1):
        fd = os.open(instance / f"per_cpu/cpu{number}/trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK)
        pages = b""
        try:
            while block := os.read(fd, 4096):
                pages += block.ljust(4096, b"\0")
        except BlockingIOError:
            pass
        finally:
            os.close(fd)
        found.append(folder / f"cpu{number}")
        found[-1].write_bytes(pages)
    return found


def test_raw_pages(killtrail, instance, tmp_path):
    """Pages copied with their description name the killer by number; without it, what is missing."""
    with Lab() as lab:
        victim, killer = kill_one(lab)
    copied(instance, tmp_path)
    bare = killtrail("why", str(victim), "--from", str(tmp_path))
    assert bare.returncode == 5
    assert "signal_generate/format" in bare.stderr
    (tmp_path / "format").write_text((instance / EVENT / "format").read_text())
    (found,) = killtrail.verdicts("why", str(victim), "--from", str(tmp_path))
    assert [x["process"]["pid"] for x in found["links"] if x["role"] == "sender"] == [killer]
    assert found["certainty"] == "likely"


def test_dat_file(killtrail, instance, tmp_path):
    """trace-cmd's own file, made by trace-cmd out of the same pages and read through it."""
    if shutil.which("trace-cmd") is None:
        cannot("needs trace-cmd")
    with Lab() as lab:
        victim, killer = kill_one(lab)
    pages = copied(instance, tmp_path)
    head, dat = tmp_path / "head.dat", tmp_path / "trace.dat"
    # `record` wants to write ftrace_enabled, which not every kernel lets it; `restore` does not.
    for words in (["-c", "-o", head], ["-i", head, "-o", dat, *pages]):
        subprocess.run(["trace-cmd", "restore", *words], check=True, capture_output=True)
    (found,) = killtrail.verdicts("why", str(victim), "--from", str(dat))
    senders = [x["process"] for x in found["links"] if x["role"] == "sender"]
    assert [s["pid"] for s in senders] == [killer]
    assert found["loss"]["problems"] == 0

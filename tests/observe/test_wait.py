"""Waiting for one life of a number: zombies, reused numbers, namespaces, ends at every moment."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from killtrail.errors import NoSuchDeathError, UsageError
from killtrail.observe.wait import Life
from tests.conftest import cannot
from tests.gallery.lab import Lab


def test_a_zombie_has_ended(killtrail):
    """A zombie that its parent holds is no life: wait returns at once and names the holder."""
    child = os.fork()
    if not child:
        os._exit(7)
    time.sleep(0.1)
    try:
        done = killtrail("wait", str(child))
        assert done.returncode == 0
        assert f"pid {os.getpid()}" in done.stderr and "zombie" in done.stderr
    finally:
        os.waitpid(child, 0)


def test_a_thread_leader_that_left_early_lives_on():
    """A leader that is gone while its threads run shows as Z to ps, and has not ended."""
    code = (
        "import threading,time,ctypes\n"
        "threading.Thread(target=lambda: time.sleep(1.2)).start()\n"
        "ctypes.CDLL(None).syscall(60,0)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(0.5)
    life = Life(process.pid)
    assert life.wait(0.1) is None
    ended = life.wait(10)
    life.close()
    assert ended is not None and not ended.before
    process.wait()


def test_a_reused_number_is_another_life():
    """The number goes to another process while we wait: the first life has ended all the same."""
    if os.geteuid() != 0:
        cannot("needs root to choose a number")
    with Lab() as lab:
        first = lab.victim()
        life = Life(first.pid)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        for _ in range(200):
            with open("/proc/sys/kernel/ns_last_pid", "w") as knob:
                knob.write(str(first.pid - 1))
            second = lab.victim()
            if second.pid == first.pid:
                break
        assert second.pid == first.pid
        ended = life.wait(0)
        assert ended is not None and ended.held_by is None
        again = Life(first.pid)
        assert again.wait(0) is None
        assert not again.process.key.same_life(life.process.key)
        life.close()
        again.close()


def test_in_another_namespace(killtrail):
    """A process of another pid namespace is waited for by its number here."""
    if os.geteuid() != 0:
        cannot("needs root for a pid namespace")
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "sleep", "1.5"])
    time.sleep(0.4)
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    started = time.monotonic()
    done = killtrail("wait", children[0], "--timeout", "20s")
    assert done.returncode == 0
    assert time.monotonic() - started > 0.5
    outer.wait()


def test_it_ends_while_we_look():
    """A thousand processes that end at any moment of the look: an end or no such process, never more."""
    seen = {"ended": 0, "gone": 0}
    for number in range(1000):
        child = os.fork()
        if not child:
            os._exit(number & 0x7F)
        reaper = threading.Thread(target=os.waitpid, args=(child, 0))
        if number % 2:
            reaper.start()
        try:
            life = Life(child)
        except NoSuchDeathError:
            seen["gone"] += 1
        else:
            ended = life.wait(10)
            life.close()
            assert ended is not None
            assert ended.status in (None, (number & 0x7F) << 8), (number, ended)
            seen["ended"] += 1
        if not number % 2:
            reaper.start()
        reaper.join()
    assert sum(seen.values()) == 1000


def test_status_and_timeout(killtrail):
    """124 while it lives; afterwards how it ended, as a verdict."""
    with Lab() as lab:
        victim = lab.victim()
        assert killtrail("wait", str(victim.pid), "--timeout", "1s").returncode == 124
        waiting = threading.Timer(0.5, os.kill, (victim.pid, signal.SIGKILL))
        reaping = threading.Thread(target=victim.wait)
        reaping.start()
        waiting.start()
        (found,) = killtrail.verdicts("wait", str(victim.pid), "--timeout", "20s")
        reaping.join()
    assert found["death"]["process"]["pid"] == victim.pid
    assert found["death"]["signal"] in (9, None)


def test_threads_and_nobody():
    """A thread's number is no process; nobody's number is said to be so."""
    with pytest.raises(NoSuchDeathError):
        Life(4194000)
    done = threading.Event()
    tids = []
    thread = threading.Thread(target=lambda: (tids.append(threading.get_native_id()), done.wait()))
    thread.start()
    try:
        while not tids:
            time.sleep(0.01)
        with pytest.raises(UsageError, match="is a thread of process"):
            Life(tids[0])
    finally:
        done.set()
        thread.join()


@pytest.mark.live
def test_with_a_recorder_the_killer_is_named(bpf):
    """Where one is armed, wait says who did it."""
    with Lab() as lab:
        victim = lab.victim()
        timer = threading.Timer(0.7, lambda: lab.run("kill", victim.pid, 9))
        timer.start()
        (found,) = bpf.verdicts("wait", str(victim.pid), "--timeout", "20s")
        timer.join()
        victim.wait()
    assert (found["cause"], found["certainty"]) == ("killed-by-process", "established")

"""Processes that should have exited: what they wait for, and how."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import pytest

from killtrail.host import procfs
from killtrail.observe import bait, stuck, waits
from tests.conftest import SCHEMA
from tests.trust import roots

pytestmark = pytest.mark.live
LOOP = "while ps -p {pid} >/dev/null; do sleep 0.2; done"


def sleeper(*words: str) -> subprocess.Popen:
    return subprocess.Popen(words or [sys.executable, "-c", "import time; time.sleep(100)"])


def ended(*processes: subprocess.Popen) -> None:
    for each in processes:
        each.kill()
        each.wait()


def asked(killtrail, pid: int) -> dict:
    done = killtrail("why", "--stuck", str(pid), "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    jsonschema.validate(verdict, SCHEMA)
    assert (verdict["cause"], verdict["death"]["ended"]) == ("alive", "running")
    return verdict


def waited_for(verdict: dict) -> list[int]:
    return [x["process"]["pid"] for x in verdict["links"] if x["action"] == "is waited for"]


def script(text: str) -> subprocess.Popen:
    process = subprocess.Popen(["sh", "-c", text])
    time.sleep(0.3)
    return process


def test_the_case_of_2016(tmp_path):
    """A stop script that asks a lying ps for ever: one sentence names ps, and what is behind it."""
    disguise = roots.DISGUISES["F2"]
    roots.plant(tmp_path / "upper", roots.base(), disguise, roots.build(tmp_path, disguise))
    line = (
        "sleep 0.01 & dead=$!; wait $dead;"
        " chroot {root} sh -c 'while /usr/bin/ps -p '$dead' >/dev/null; do sleep 0.3; done' & stop=$!;"
        " sleep 0.5; chroot {root} python3 -m killtrail why --stuck $stop --json;"
        " chroot {root} python3 -m killtrail why --stuck $stop >&2; kill $stop; echo $dead"
    )
    done = roots.inside(roots.base(), tmp_path / "upper", line, tmp_path)
    first, dead = done.stdout.splitlines()
    verdict = json.loads(first)
    assert (
        f"waits for PID {dead} to exit, through `/usr/bin/ps -p {dead}`: it has exited, but"
        in (verdict["summary"])
    )
    assert (
        "/usr/bin/ps cannot say whether a process is dead: every script that waits for `ps -p` to"
        " fail waits for ever (the program that it runs is /usr/bin/dpkgd/ps)"
    ) in verdict["summary"]
    assert verdict["certainty"] == "established"
    assert "/usr/bin/dpkgd/ps" in done.stderr


def test_an_honest_ps_and_a_living_process(killtrail):
    """Nothing is said against ps where the process lives."""
    victim = sleeper()
    stop = script(LOOP.format(pid=victim.pid))
    try:
        verdict = asked(killtrail, stop.pid)
        assert waited_for(verdict) == [victim.pid]
        assert verdict["summary"].endswith("python is running")
        assert "cannot say" not in str(verdict)
        screen = killtrail("why", "--stuck", str(stop.pid)).stdout
        assert "waits for python" in screen
    finally:
        ended(victim, stop)


def test_a_zombie(killtrail):
    """It has ended; who has not reaped it is named."""
    holder = sleeper(sys.executable, "-c", "import os, time\nif os.fork(): time.sleep(100)")
    time.sleep(0.3)
    (zombie,) = procfs.children(holder.pid)
    stop = script(LOOP.format(pid=zombie))
    try:
        verdict = asked(killtrail, stop.pid)
        assert "is a zombie" in verdict["summary"]
        assert f"(pid {holder.pid}) has not reaped it" in verdict["summary"]
    finally:
        ended(holder, stop)


def test_a_reused_number(killtrail):
    """The number belongs to a process that began after the script did."""
    first = sleeper()
    stop = script(f"while :; do ps -p {first.pid} >/dev/null; sleep 0.2; done")
    ended(first)
    second = bait.lay(first.pid, "postgres")
    try:
        verdict = asked(killtrail, stop.pid)
        assert "the PID was reused by" in verdict["summary"]
        assert verdict["certainty"] == "likely"
    finally:
        second.withdraw()
        ended(stop)


@pytest.mark.parametrize(
    ("line", "pid"),
    [
        ("ps -p 4242", 4242), ("/bin/ps --pid=4242 -o pid=", 4242), ("ps 4242", 4242), ("ps -p4242", 4242),
        ("kill -0 4242", 4242), ("kill -s 0 4242", 4242), ("lsof -p 4242", 4242), ("top -b -n1 -p 4242", 4242),
        ("ps -u 1000", None), ("ps --ppid 4242", None), ("ps -t 1", None), ("ps -p 1,2", None), ("ps aux", None),
        ("pgrep -P 4242", None), ("lsof -i :8080", None), ("kill -9 4242", None), ("pidof postgres", None),
    ],
)  # fmt: skip
def test_which_number_is_asked_for(line, pid):
    """Parents, users, terminals and ports are numbers, too, and nobody waits for them."""
    assert waits.pid_asked_for(tuple(line.split())) == pid


def test_another_pid_namespace(killtrail):
    """A container's number is another process here: theirs is named, or nobody."""
    loop = "sleep 100 & while ps -p $! >/dev/null; do sleep 0.2; done"
    line = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", loop]
    outer = subprocess.Popen(line)
    try:
        time.sleep(0.8)
        (inner,) = procfs.children(outer.pid)
        theirs = next(
            c
            for c in procfs.children(inner)
            if procfs.read_stat(c).comm == "sleep" and procfs.read_argv(c).words == ("sleep", "100")
        )
        verdict = stuck.explain(procfs.read_process(inner))
        assert [x.process.pid for x in verdict.links] == [theirs]
        assert f"waits for PID {theirs} (PID 2 in its namespace) to exit" in verdict.summary
        # Its ps is of another mount namespace: ours is not asked instead.
        assert any("another mount namespace" in a.what for a in verdict.absent)
    finally:
        ended(outer)


def test_what_proc_does_not_show():
    """A process that something covers lives all the same: /proc alone does not make it dead."""
    victim = sleeper()
    try:
        state = stuck._unshown(victim.pid)
        assert (state.ended, "is running" in state.says) == (False, True)
    finally:
        ended(victim)
    assert stuck._unshown(victim.pid).ended


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", "it ignores SIGTERM"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "but stopped"),
        (
            "import os; from signal import *; pthread_sigmask(SIG_BLOCK, {SIGTERM}); os.kill(os.getpid(), SIGTERM)",
            "; SIGTERM is pending and blocked",
        ),
    ],
)
def test_why_it_still_lives(killtrail, prepare, says):
    """What keeps a process from heeding a request to stop."""
    victim = sleeper(sys.executable, "-c", f"{prepare}; import time; time.sleep(100)")
    time.sleep(0.3)
    waiter = sleeper(
        sys.executable, "-c", f"import os, select; select.select([os.pidfd_open({victim.pid})], [], [])"
    )  # fmt: skip
    time.sleep(0.3)
    try:
        verdict = stuck.explain(procfs.read_process(waiter.pid), 0.2)
        assert "through a pidfd" in verdict.summary and says in verdict.summary
    finally:
        os.kill(victim.pid, signal.SIGCONT)
        ended(victim, waiter)


def test_a_child(killtrail):
    """A shell in wait4(): the child, not the shell's own business."""
    waiter = sleeper("sh", "-c", f"{sys.executable} -c 'import time; time.sleep(100)'; :")
    time.sleep(0.4)
    (child,) = procfs.children(waiter.pid)
    try:
        verdict = stuck.explain(procfs.read_process(waiter.pid), 0.2)
        assert [x.process.pid for x in verdict.links] == [child]
        assert "through wait4()" in verdict.summary
    finally:
        os.kill(child, signal.SIGKILL)
        ended(waiter)


def test_any_of_several_children():
    """Who waits for any of two waits for neither in particular."""
    code = "import os, time\nfor _ in range(2):\n if not os.fork(): time.sleep(100)\nos.wait()"
    waiter = sleeper(sys.executable, "-c", code)
    time.sleep(0.4)
    try:
        verdict = stuck.explain(procfs.read_process(waiter.pid), 0.2)
        assert len(verdict.links) == 2
        assert {x.certainty.label for x in verdict.links} == {"possible"}
    finally:
        for child in procfs.children(waiter.pid):
            os.kill(child, signal.SIGKILL)
        ended(waiter)


def test_a_lock_and_a_pipe(tmp_path):
    """Who holds a lock; who keeps a pipe open that should have closed."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiter = sleeper(
            sys.executable, "-c", f"import fcntl; fcntl.flock(open('{path}'), fcntl.LOCK_EX)"
        )
        time.sleep(0.4)
        try:
            verdict = stuck.explain(procfs.read_process(waiter.pid), 0.2)
            assert [x.process.pid for x in verdict.links] == [os.getpid()]
            assert "a lock on inode" in verdict.summary
        finally:
            ended(waiter)
    read, write = os.pipe()
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], stdout=write)
    waiter = subprocess.Popen(["cat"], stdin=read, stdout=subprocess.DEVNULL)
    os.close(write)
    os.close(read)
    time.sleep(0.4)
    try:
        verdict = stuck.explain(procfs.read_process(waiter.pid), 0.2)
        assert [x.process.pid for x in verdict.links] == [holder.pid]
        assert "the write end of pipe:[" in verdict.summary
    finally:
        ended(holder, waiter)


def test_what_cannot_be_seen(killtrail):
    """A process that only sleeps: said to be so, with the command that would show more."""
    waiter = sleeper()
    try:
        time.sleep(0.2)
        verdict = stuck.explain(procfs.read_process(waiter.pid), 0.2)
        assert "not visible from outside" in verdict.summary
        assert verdict.absent[0].remedy == f"strace -f -p {waiter.pid}"
        assert verdict.certainty.label == "possible"
    finally:
        ended(waiter)
    assert killtrail("why", "--stuck", "no-such-name-here").returncode == 4
    assert killtrail("why", "--stuck", "1", "--from", "/etc").returncode == 2

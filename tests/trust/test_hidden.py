"""Processes and sockets that something hides: each blamed on the right layer, and nothing else hidden."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from killtrail.host import procfs
from killtrail.model.trust import Result
from killtrail.recorder import task_iterator
from killtrail.trust import kthread_lookalikes, process_views, processes, sandbox
from tests.conftest import ROOT, cannot
from tests.trust import roots
from tests.trust.test_stand_ins import ASK, off, report

pytestmark = pytest.mark.live
TRUST = f"PYTHONPATH={ROOT}/src {sys.executable} -m killtrail trust --json"


@pytest.fixture
def living():
    """A process of our own."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    yield process
    process.kill()
    process.wait()


def apart(script: str, *flags: str) -> subprocess.CompletedProcess:
    """A shell line in a mount namespace of its own."""
    if os.geteuid():
        cannot("needs root")
    return subprocess.run(
        ["unshare", "-m", "--propagation", "private", *flags, "bash", "-c", script],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_mount_over_a_process(living, tmp_path):
    """The mount is named, and who lies below it."""
    done = apart(f"mount --bind {tmp_path} /proc/{living.pid}; {TRUST}")
    assert done.returncode == 6, done.stderr
    found = off(report(done))
    (check,) = [c for c in found[f"pid {living.pid}"] if c["id"] == "proc-mount"]
    assert f"(pid {living.pid}, " in check["says"] and "python" in check["says"]
    # ps is not to blame for what it is not shown.
    assert {c["id"] for checks in found.values() for c in checks} == {"proc-mount"}, found


def test_filtering_ss(tmp_path):
    """A listening port that one tool leaves out, and the kernel does not."""
    with socket.socket() as heard:
        heard.bind(("127.0.0.1", 0))
        heard.listen()
        port = heard.getsockname()[1]
        disguise = roots.Disguise((f'-DDROP=":{port} "',), stripped=True)
        roots.plant(tmp_path / "upper", roots.base(), disguise, roots.build(tmp_path, disguise))
        found = report(roots.inside(roots.base(), tmp_path / "upper", ASK, tmp_path))
    checks = off(found, "hidden-socket")
    assert set(checks) == {"/usr/bin/ss", "/usr/bin/netstat"}
    assert all(f"tcp port {port}" in c["says"] for (c,) in checks.values())
    assert found["layers"]["kernel"] == "consistent"


def test_hidepid_is_named(killtrail):
    """A user who is shown only his own processes is told so, and nothing is alarmed."""
    line = (
        "mount -t proc -o hidepid=invisible proc /proc; cd /;"
        " exec setpriv --reuid 65534 --regid 65534 --clear-groups env"
        f" PYTHONPATH={killtrail.public} /usr/bin/python3 -m killtrail trust --json"
    )
    found = report(apart(line))
    limited = {c["id"]: c["result"] for c in found["checks"] if "hidepid" in c["says"]}
    assert limited == {"hidden-process": "not-checkable"}
    assert off(found) == {}


@pytest.mark.parametrize("mode", ["noaccess", "invisible", "ptraceable"])
def test_root_under_hidepid(mode):
    """Tools run as nobody, who is shown less than root: neither they nor the kernel are blamed for that."""
    found = report(apart(f"mount -t proc -o hidepid={mode} proc /proc; {TRUST}"))
    assert off(found) == {}
    assert "limited by hidepid=" in str(found)


def test_without_proc(tmp_path):
    """A chroot where nobody has mounted /proc: nothing is said against tools that see nothing there."""
    line = "umount {root}/proc; " + ASK
    found = report(roots.inside(roots.base(), None, line, tmp_path))
    assert off(found) == {}
    assert "mount -t proc proc /proc" in str(found)


def test_user_namespace():
    """Root of a user namespace that knows no nobody: tools are run all the same."""
    done = subprocess.run(
        ["unshare", "-Ur", "bash", "-c", TRUST], capture_output=True, text=True, check=False
    )
    if done.returncode == 1 and "unshare" in done.stderr:
        cannot("no user namespaces here")
    found = report(done)
    assert off(found) == {}
    assert any(c["id"] == "tool-executes" and c["result"] == "consistent" for c in found["checks"])


def test_pid_namespace():
    """From inside a container only its own processes are judged, and that is said."""
    found = report(apart(TRUST, "--pid", "--fork", "--mount-proc"))
    assert off(found) == {}
    assert "of this pid namespace" in str(found)


def test_zombies_and_threads(living):
    """A zombie and a hundred threads are neither hidden nor counted as such."""
    zombie = subprocess.Popen(["true"])
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(100)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.2)
        found = list(processes.checks(processes.scene(deep=True)))
        assert [c for c in found if c.off] == []
    finally:
        stop.set()
        zombie.wait()


def test_fork_storm():
    """Two hundred rounds on a machine that forks all the time: nobody is called hidden."""
    storm = subprocess.Popen(
        [sys.executable, "-c", "import os\nwhile True:\n p = os.fork()\n if not p: os._exit(0)\n os.waitpid(p, 0)"]
    )  # fmt: skip
    try:
        for _ in range(200):
            found = list(processes.checks(processes.scene(deep=False)))
            assert [c for c in found if c.off] == []
        for _ in range(5):
            assert [c for c in processes.checks(processes.scene(deep=True)) if c.off] == []
    finally:
        storm.kill()
        storm.wait()


def test_blame(monkeypatch, living):
    """A view without one living process: left out by libc alone, or by the kernel's own listing."""
    listed, raw = process_views.listed, process_views.raw
    monkeypatch.setattr(process_views, "listed", lambda: listed() - {living.pid})
    (check,) = [c for c in processes.checks(processes.scene(deep=False)) if c.off]
    assert (check.subject, check.layer) == (f"pid {living.pid}", "libc")
    monkeypatch.setattr(process_views, "raw", lambda: (raw() or set()) - {living.pid})
    (check,) = [c for c in processes.checks(processes.scene(deep=True)) if c.off]
    assert (check.subject, check.layer) == (f"pid {living.pid}", "kernel")


@pytest.mark.parametrize("single_file", [False, True])
def test_preload(tmp_path, single_file):
    """An empty library in ld.so.preload: named, and the answer comes from a stage without it."""
    upper = tmp_path / "upper"
    (upper / "usr/lib").mkdir(parents=True)
    (upper / "etc").mkdir()
    empty = tmp_path / "empty.c"
    empty.write_text("int kt_empty;\n")
    subprocess.run(["gcc", "-shared", "-o", upper / "usr/lib/libkt-empty.so", empty], check=True)
    (upper / "etc/ld.so.preload").write_text("# ours\n/usr/lib/libkt-empty.so\n")
    ask = ASK
    if single_file:
        subprocess.run([ROOT / "packaging/zipapp"], check=True, capture_output=True)
        shutil.copy(ROOT / "dist/killtrail.pyz", upper / "usr/lib")
        ask = "unset PYTHONPATH; chroot {root} python3 -I -S /usr/lib/killtrail.pyz trust --json"
    found = report(roots.inside(roots.base(), upper, ask, tmp_path))
    (check,) = off(found)["/usr/lib/libkt-empty.so"]
    assert check["id"] == "preload" and "second run" in check["says"]
    assert found["layers"]["libc"] == "contradicted"


def test_posers():
    """A process with a kernel thread's name and none of its marks."""
    poser = subprocess.Popen(["bash", "-c", "exec -a '[kworker/0:1]' sleep 100"])
    try:
        time.sleep(0.3)
        checks = list(kthread_lookalikes.checks())
        (check,) = [c for c in checks if c.off]
        assert check.subject == f"pid {poser.pid}"
    finally:
        poser.kill()
        poser.wait()
    assert [c.result for c in kthread_lookalikes.checks()] == [Result.CONSISTENT]


def test_titles_in_brackets():
    """A daemon that puts its title into brackets poses as nothing."""
    title = "[celeryd: celery@db1:ForkPoolWorker-1]"
    daemon = subprocess.Popen(["bash", "-c", f"exec -a '{title}' sleep 100"])
    try:
        time.sleep(0.3)
        assert [c.result for c in kthread_lookalikes.checks()] == [Result.CONSISTENT]
    finally:
        daemon.kill()
        daemon.wait()


def test_a_tool_that_never_ends():
    """It is ended at the limit, and so is what it started."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        script = Path(folder, "ps")
        script.write_text("#!/bin/sh\nsleep 1000 &\nsleep 1000\n")
        script.chmod(0o755)
        ran = sandbox.run(str(script), ())
    assert ran is not None and ran.status is None
    assert len(ran.execs) == 3
    for each in ran.execs:
        stat = procfs.read_stat(each.pid)
        assert stat is None or stat.state in "ZX"


def test_the_sandbox_is_one():
    """Nobody, no new privileges, no network but its own."""
    ran = sandbox.run("/bin/cat", ("/proc/self/status", "/proc/net/dev"))
    assert ran is not None and ran.status == 0
    text = ran.output.decode()
    if os.geteuid() == 0:
        assert "Uid:\t65534\t65534\t65534\t65534" in text
        assert "eth" not in text.split("Inter-")[1]
    assert "NoNewPrivs:\t1" in text


def test_this_machine(killtrail):
    """Nothing is said against the machine that runs the tests."""
    assert off(report(killtrail("trust", "--json"))) == {}


def test_the_kernel_s_own_iterator(living, monkeypatch):
    """A listing that does not go through /proc: whom it shows and /proc does not is hidden."""
    found = task_iterator.leaders()
    if found is None:
        cannot("needs root, BPF and BTF")
    assert {living.pid, os.getpid(), 1} - found <= {1}
    for view in ("in_cgroups", "children_of"):
        monkeypatch.setattr(process_views, view, lambda *_: set())
    raw, listed = process_views.raw, process_views.listed
    monkeypatch.setattr(process_views, "raw", lambda: (raw() or set()) - {living.pid})
    monkeypatch.setattr(process_views, "listed", lambda: listed() - {living.pid})
    (check,) = [c for c in processes.checks(processes.scene(deep=False)) if c.off]
    assert (check.subject, check.layer) == (f"pid {living.pid}", "kernel")

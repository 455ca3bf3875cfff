"""The sender's user, login, unit and container, and the human or job behind it."""

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import cannot
from tests.gallery.lab import Lab, wait_for

pytestmark = pytest.mark.live
CODE = (
    "import os,sys\n"
    "pid,procs,login,uid=sys.argv[1:5]\n"
    "open(procs,'w').write(str(os.getpid()))\n"
    "if login: open('/proc/self/loginuid','w').write(login)\n"
    "os.setuid(int(uid)) if uid else None\n"
    "os.kill(int(pid),9)\n"
)
CONTAINER = "0123456789abcdef" * 4


@pytest.fixture
def cgroup(request):
    """A cgroup of the given name on the unified hierarchy."""
    root = next(
        (
            p
            for p in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
            if (p / "cgroup.procs").exists()
        ),
        None,
    )
    if root is None:
        cannot("no cgroup v2")
    parts = request.param.split("/")
    folders = [root.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    yield folders[-1]
    for folder in reversed(folders):
        wait_for(lambda folder=folder: _gone(folder))


def _gone(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _killed_from(command, cgroup: Path, login: str = "", uid: str = "") -> dict:
    with Lab() as lab:
        # Not an action: a checkout below /root is closed to other users.
        victim = lab.start("sleep", "60", **({"user": int(uid)} if uid else {}))
        lab.start(
            sys.executable, "-c", CODE, str(victim.pid), str(cgroup / "cgroup.procs"), login, uid
        ).wait(10)
        victim.wait(10)
        return command.verdicts("why", str(victim.pid), "-n", "1")[0]


def _sender(verdict: dict) -> dict:
    return next(x["process"] for x in verdict["links"] if x["role"] == "sender")


@pytest.mark.parametrize("cgroup", ["kt-test.slice/kt-app.service"], indirect=True)
def test_unit(bpf, cgroup):
    """A killer in a service: the unit is named, as its place and as the origin."""
    verdict = _killed_from(bpf, cgroup)

    assert _sender(verdict)["unit"] == "kt-app.service"
    assert verdict["origin"]["kind"] == "systemd-unit"
    assert verdict["origin"]["name"] == "kt-app.service"
    # What ended in that unit is the killer, by itself; its victim lived elsewhere.
    ended = bpf.verdicts("why", "kt-app.service")
    assert [v["death"]["process"]["pid"] for v in ended] == [_sender(verdict)["pid"]]


@pytest.mark.parametrize("cgroup", [f"kt-test.slice/docker-{CONTAINER}.scope"], indirect=True)
def test_container(bpf, cgroup):
    """A killer in a container: its id and runtime are named."""
    verdict = _killed_from(bpf, cgroup)

    assert _sender(verdict)["container"] == f"docker:{CONTAINER}"
    assert verdict["origin"] == {
        "kind": "container",
        "name": f"docker:{CONTAINER}",
        "user": None,
        "from": None,
    }


@pytest.mark.parametrize("cgroup", ["kt-test.slice/session-77.scope"], indirect=True)
def test_login_and_user(bpf, cgroup):
    """Who had logged in stays with the killer, whatever user it runs as."""
    if not os.access("/proc/self/loginuid", os.W_OK):
        cannot("no audit in this kernel: loginuid can't be set")
    verdict = _killed_from(bpf, cgroup, login="4242", uid="65534")
    sender = _sender(verdict)

    assert (sender["uid"], sender["loginuid"]) == (65534, 4242)
    assert verdict["origin"]["kind"] == "login-session"
    assert verdict["origin"]["user"] == "4242"


@pytest.mark.parametrize("cgroup", ["kt-test.slice/kt-exit.service"], indirect=True)
def test_exit_in_a_unit_is_found_by_unit(bpf, cgroup):
    """An ordinary exit is found by the unit it happened in, long after the cgroup is gone."""
    code = f"import os;open('{cgroup}/cgroup.procs','w').write(str(os.getpid()));os._exit(3)"
    with Lab() as lab:
        dead = lab.start(sys.executable, "-c", code)
        dead.wait(10)
    found = bpf.verdicts("why", "kt-exit.service", "-n", "1")[0]

    assert (found["death"]["process"]["pid"], found["death"]["exit_code"]) == (dead.pid, 3)

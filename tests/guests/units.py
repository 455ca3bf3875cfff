"""Runs under systemd in a guest: deaths that a service manager has a hand in."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from killtrail.observe import bait
from tests.gallery import lab, rows
from tests.guests.inside import emit, killtrail, outside, say, show

UNIT = "kt-app.service"
PRESSED = "kt-pressed.service"
SLEEP = "/usr/bin/sleep 1000"
ROWS: dict[str, Callable[[], lab.Truth]] = {}


def row(number: str) -> Callable[[Callable[[], lab.Truth]], Callable[[], lab.Truth]]:
    """Enters a death."""

    def enter(recipe: Callable[[], lab.Truth]) -> Callable[[], lab.Truth]:
        ROWS[number] = recipe
        return recipe

    return enter


def unit(exec_start: str, *settings: str, name: str = UNIT) -> int:
    """Starts a service; gives its main pid."""
    text = "\n".join(("[Service]", f"ExecStart={exec_start}", *settings, ""))
    with open(f"/run/systemd/system/{name}", "w") as file:
        file.write(text)
    ctl("daemon-reload")
    ctl("start", name)
    pid = main_pid(name)
    time.sleep(0.5)
    return pid


def main_pid(name: str) -> int:
    """Which process is a service."""
    shown = subprocess.run(
        ["systemctl", "show", "-P", "MainPID", name], capture_output=True, text=True, check=True
    )
    return int(shown.stdout)


def ctl(*words: str) -> int:
    """Runs systemctl; its pid."""
    client = subprocess.Popen(["systemctl", *words])
    client.wait(60)
    return client.pid


def gone(pid: int, seconds: float = 40) -> None:
    """Waits for an end."""
    lab.wait_for(lambda: not lab.exists(pid), seconds)


def by_systemd(victim: int, requester: int | None, **more: object) -> lab.Truth:
    """Systemd sent it, somebody asked it to."""
    actors = {1: ("sender",)}
    if requester:
        actors[requester] = ("requester",)
    causes = more.pop("causes", ("killed-by-process",))
    return lab.Truth(victim, causes, requester or 1, actors, "unit", **more)


@row("42")
def stopped() -> lab.Truth:
    pid = unit(SLEEP)
    asker = ctl("stop", UNIT)
    gone(pid)
    return by_systemd(pid, asker, mechanism="unit-stop")


@row("42k")
def killed_through_systemctl() -> lab.Truth:
    pid = unit(SLEEP)
    asker = ctl("kill", "-s", "KILL", UNIT)
    gone(pid)
    return by_systemd(pid, asker)


@row("42h")
def stopped_and_complied() -> lab.Truth:
    script = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
    pid = unit(f'/bin/bash -c "{script}"')
    asker = ctl("stop", UNIT)
    gone(pid)
    return by_systemd(pid, asker, causes=("asked-to-stop",), mechanism="unit-stop")


@row("43")
def did_not_stop_in_time() -> lab.Truth:
    script = "trap '' TERM; while :; do sleep 0.1; done"
    pid = unit(f'/bin/bash -c "{script}"', "TimeoutStopSec=2")
    asker = ctl("stop", UNIT)
    gone(pid)
    return by_systemd(pid, asker, mechanism="unit-timeout")


@row("44")
def watchdog() -> lab.Truth:
    pid = unit(SLEEP, "WatchdogSec=2")
    gone(pid)
    return by_systemd(pid, None, mechanism="unit-watchdog")


@row("44r")
def ran_too_long() -> lab.Truth:
    pid = unit(SLEEP, "RuntimeMaxSec=2")
    gone(pid)
    return by_systemd(pid, None, mechanism="unit-stop")


@row("18t")
def killed_by_a_timer_s_service() -> lab.Truth:
    pid = unit(SLEEP)
    with open("/run/systemd/system/kt-killer.service", "w") as file:
        file.write(
            f"[Service]\nExecStart=/bin/sh -c 'echo $$$$ > /run/kt-killer; kill -9 {pid}; :'\n"
        )
    with open("/run/systemd/system/kt-killer.timer", "w") as file:
        file.write("[Timer]\nOnActiveSec=1\nAccuracySec=100ms\n")
    ctl("daemon-reload")
    ctl("start", "kt-killer.timer")
    gone(pid)
    with open("/run/kt-killer") as file:
        killer = int(file.read())
    return lab.sent_by(pid, killer, launchers=frozenset({1}), origin="systemd-unit")


@row("38")
def rest_of_a_unit_after_its_oom() -> lab.Truth:
    eat = "import time; time.sleep(1); x = bytearray(200 << 20); x[::4096] = b'x' * len(x[::4096])"
    script = f'sleep 1000 & echo $! > /run/kt-rest; exec python3 -c "{eat}"'
    with open("/run/kt-oom.sh", "w") as file:
        file.write(script)
    unit("/bin/bash /run/kt-oom.sh", "MemoryMax=60M", "MemorySwapMax=0", "OOMPolicy=stop")
    with open("/run/kt-rest") as file:
        rest = int(file.read())
    gone(rest)
    return by_systemd(rest, None, mechanism="unit-stop")


# Without swap nothing is reclaimed, and systemd-oomd acts on pressure only where something is.
def swap() -> None:
    """Swaps to a RAM disk."""
    try:
        with open("/kt/brd.ko", "rb") as module:
            load = ctypes.CDLL(None, use_errno=True).syscall
            if load(313, module.fileno(), b"rd_nr=1 rd_size=262144", 0):  # finit_module(2)
                raise lab.NotHere(f"brd: {os.strerror(ctypes.get_errno())}")
    except FileNotFoundError as error:
        raise lab.NotHere("no module to swap to") from error
    lab.wait_for(lambda: os.path.exists("/dev/ram0"), 10)
    subprocess.run(["mkswap", "/dev/ram0"], check=True, capture_output=True)
    subprocess.run(["swapon", "/dev/ram0"], check=True, capture_output=True)


@row("37")
def killed_under_memory_pressure() -> lab.Truth:
    swap()
    os.makedirs("/run/systemd/oomd.conf.d", exist_ok=True)
    with open("/run/systemd/oomd.conf.d/soon.conf", "w") as file:
        file.write("[OOM]\nDefaultMemoryPressureDurationSec=2s\n")
    with open("/run/systemd/system/ktpressed.slice", "w") as file:
        file.write("[Slice]\nManagedOOMMemoryPressure=kill\nManagedOOMMemoryPressureLimit=5%\n")
    ctl("daemon-reload")
    ctl("restart", "systemd-oomd.service")
    oomd = main_pid("systemd-oomd.service")
    with open("/run/kt-eat.py", "w") as file:
        file.write("held = []\nwhile True:\n    held.append(bytearray(b'x') * 65536)\n")
    eat = "/usr/bin/python3 /run/kt-eat.py"
    pid = unit(eat, "Slice=ktpressed.slice", "MemoryHigh=30M", name=PRESSED)
    try:
        gone(pid, 90)
    finally:
        ctl("kill", "-s", "KILL", PRESSED)
    return lab.Truth(
        pid, ("oom-killed",), oomd, {oomd: ("sender",)}, "cgroup", mechanism="systemd-oomd"
    )


def members(path: str) -> list[int]:
    """The processes of a cgroup."""
    with open(path) as file:
        return [int(word) for word in file.read().split()]


@row("45")
def session_ended() -> lab.Truth:
    run = [
        "systemd-run",
        "--unit",
        "kt-login",
        "-p",
        "PAMName=login",
        "-p",
        "User=nobody",
        "sleep",
        "1000",
    ]
    subprocess.run(run, check=True, capture_output=True)
    time.sleep(2)
    found = subprocess.run(
        ["loginctl", "list-sessions", "--no-legend"], capture_output=True, text=True, check=True
    ).stdout.split()
    if not found:
        raise lab.NotHere("logind made no session")
    session = found[0]
    scope = f"/sys/fs/cgroup/user.slice/user-65534.slice/session-{session}.scope/cgroup.procs"
    lab.wait_for(lambda: os.path.exists(scope) and members(scope), 30)
    victim = members(scope)[-1]
    asker = subprocess.Popen(["loginctl", "terminate-session", session])
    asker.wait(30)
    gone(victim)
    return by_systemd(victim, asker.pid, mechanism="unit-stop")


def one(number: str) -> str:
    """Plays and scores one."""
    try:
        truth = ROWS[number]()
        done = killtrail("why", f"pid:{truth.victim}", "-n", "1", "--json")
        verdict = json.loads(done.stdout.splitlines()[-1])
        show(number, truth.victim)
    except lab.NotHere as reason:
        say(f"  {number}: not here: {reason}")
        return "not here"
    except Exception as error:  # one row must not end the run
        say(f"  {number}: {type(error).__name__}: {error}")
        return "failed"
    finally:
        subprocess.run(["systemctl", "stop", UNIT], capture_output=True, check=False)
    score, reason = lab.score(truth, verdict, lab.own_ancestors())
    say(f"  {number}: {score}: {reason}")
    return score


SCREENS = (
    "93", "17", "20", "77", "81", "28", "32", "86p", "69", "66", "73r", "47", "55", "56k", "61",
    "63", "64", "84", "95", "39", "90",
)  # fmt: skip
"""One for each cause that no unit shows."""


def screens() -> None:
    """Plays what the documentation shows."""
    with open("/proc/cmdline") as file:
        if "kt.screens" not in file.read():
            return
    no_deaths()
    for number in SCREENS:
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN if number == "39" else signal.SIG_DFL)
        try:
            with lab.Lab(outside=outside) as here:
                truth = (rows.ROWS | rows.GUEST_ROWS)[number](here)
                show(number, truth.victim)
        except Exception as error:  # the others are still wanted
            say(f"  screen {number}: {type(error).__name__}: {error}")
        finally:
            signal.signal(signal.SIGTERM, before)


def no_deaths() -> None:
    """Screens of what is no death, or none that can be explained."""
    with lab.Lab() as here:
        frozen = here.victim()
        here.shell(f"kill -STOP {frozen.pid}").wait(10)
        show("alive", frozen.pid)
        first = here.victim()
        here.run("kill", first.pid, 9)
        first.wait(10)
        second = bait.lay(first.pid, "postgres")
        show("reused", second.pid)
        second.withdraw()
    # README shows the demo; without root it is a death that can't be explained.
    for name, uid in (("demo", 0), ("unknown", 65534)):
        done = subprocess.run(
            [sys.executable, "-m", "killtrail", "demo"],
            capture_output=True, text=True, check=False, user=uid, cwd="/tmp",
            env={**os.environ, "COLUMNS": "100"},
        )  # fmt: skip
        emit(name, done.stdout)


def journal() -> bool:
    """What the journal alone tells of the same units: systemd and nobody else, and never for sure."""
    stopped = _told(UNIT, "unit-stop", {0, 1})
    pressed = _told(PRESSED, "systemd-oomd", {0, main_pid("systemd-oomd.service")})
    return stopped and pressed


def _told(name: str, mechanism: str, senders: set[int]) -> bool:
    folders = [f for f in ("/var/log/journal", "/run/log/journal") if os.path.isdir(f)]
    done = killtrail("why", name, "--json", "--from", *folders)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    right = True
    for verdict in found:
        named = {
            x["process"]["pid"] for x in verdict["links"] if x["role"] == "sender" and x["process"]
        }
        right = right and named <= senders and verdict["certainty"] != "established"
        say(f"  journal: {verdict['certainty']} {verdict['cause']} {verdict['summary']}")
    told = [v for v in found if v["mechanism"] == mechanism]
    if not told:
        say(f"  journal: no {mechanism} found: {done.stderr}")
    return right and bool(told)


def main() -> int:
    """Arms, plays, counts."""
    armed = killtrail("arm")
    if armed.returncode:
        say(armed.stderr)
        return 1
    scores = Counter(one(number) for number in ROWS)
    scores["right" if journal() else "failed"] += 1
    screens()
    killtrail("disarm")
    say("systemd: " + ", ".join(f"{n} {s}" for s, n in scores.most_common()))
    return int(bool(scores["misnamed"] or scores["failed"] or not scores["right"]))


if __name__ == "__main__":
    code = main()
    print(f"GUEST-EXIT {code}", flush=True)
    time.sleep(1)
    sys.exit(code)

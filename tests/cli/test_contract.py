"""What scripts rely on: exit codes, streams, start-up, narrow and colourless output."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.gallery.lab import Lab

NOT_ON_THE_WAY = ("rich", "drgn", "duckdb", "jinja2", "asyncio", "sqlite3")


def _imports(*words: str, **env: str) -> set[str]:
    code = "import sys; from killtrail.cli.main import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **env},
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_next_to_nothing():
    """--help loads no command."""
    found = _imports("--help")

    assert not found & {"argparse", "dataclasses", "json", "ctypes", *NOT_ON_THE_WAY}


@pytest.mark.live
def test_why_stays_light_when_piped(bpf):
    """`why` on the box imports neither rich nor asyncio nor sqlite3."""
    with Lab() as lab:
        victim = lab.victim()
        lab.run("kill", victim.pid, 9)
        victim.wait(10)
        found = _imports("why", str(victim.pid))

    assert not found & set(NOT_ON_THE_WAY)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["help", "why"], 0),
        (["explain"], 0),
        (["explain", "137"], 0),
        (["explain", "SIGTERM"], 0),
        (["explain", "pdeathsig"], 0),
        (["doctor"], 0),
        (["status"], 0),
        (["nonsense"], 2),
        (["why"], 2),
        (["why", ""], 2),
        (["why", "pid:x"], 2),
        (["why", "file:core"], 2),
        (["why", "1", "--from", "/nonexistent"], 2),
        (["rules"], 0),
        (["why", "99999999"], 2),
        (["why", "1", "--since", "someday"], 2),
        (["list", "-n", "0"], 2),
        (["explain", "blah"], 2),
        (["explain", "256"], 2),
        (["watch", "--signal", "KILL"], 2),
        (["watch", "--signals", "--signal", "FOO"], 2),
    ],
)
def test_exit_codes(killtrail, words, code):
    """Answered 0, usage 2; errors go to standard error, in a line, without a traceback."""
    done = killtrail(*words)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) is (code == 0)


@pytest.mark.parametrize(
    "command",
    [
        "why",
        "list",
        "watch",
        "arm",
        "disarm",
        "status",
        "record",
        "doctor",
        "demo",
        "explain",
        "rules",
        "trust",
        "wait",
    ],
)
def test_every_command_has_help(killtrail, command):
    """--help of each command answers."""
    done = killtrail(command, "--help")

    assert done.returncode == 0
    assert f"usage: killtrail {command}" in done.stdout


def test_a_typo_gets_a_suggestion(killtrail):
    """A near miss is named."""
    assert "did you mean: killtrail list" in killtrail("lsit").stderr


def _again(pid: int, start):
    """Starts processes until one has that number."""
    for _ in range(200):
        with open("/proc/sys/kernel/ns_last_pid", "w") as knob:
            knob.write(str(pid - 1))
        process = start()
        if process.pid == pid:
            return process
    raise AssertionError(pid)


@pytest.mark.live
class TestArmed:
    """With a recorder."""

    def test_no_such_death_is_4(self, bpf):
        """A number that never died here: 4, with since when the record is complete."""
        done = bpf("why", "4194000")
        assert done.returncode == 4
        assert "complete since" in done.stderr

    def test_alive(self, bpf):
        """A living process is alive, established, 0."""
        found = bpf.verdicts("why", str(os.getpid()))
        assert [(v["cause"], v["certainty"]) for v in found][-1] == ("alive", "established")

    def test_frozen_names_who_froze_it(self, bpf):
        """A stopped process names the sender of the stop; once it goes on, nobody."""
        with Lab() as lab:
            victim = lab.victim()
            stopper = lab.run("kill", victim.pid, 19)
            found = bpf.verdicts("why", str(victim.pid))[-1]
            lab.run("kill", victim.pid, 18)
            later = bpf.verdicts("why", str(victim.pid))[-1]

        assert "stopped with SIGSTOP" in found["summary"]
        assert [x["process"]["pid"] for x in found["links"] if x["role"] == "sender"] == [stopper]
        assert later["links"] == []

    def test_reused_pid(self, bpf):
        """The number's earlier life is explained first; the living one is told apart."""
        with Lab() as lab:
            first = lab.start("sh", "-c", "kill -9 $$")
            first.wait(10)
            _again(first.pid, lab.victim)
            found = bpf.verdicts("why", str(first.pid))

        assert [v["cause"] for v in found][-2:] == ["killed-by-self", "pid-reused"]

    def test_newest_of_a_number(self, bpf):
        """Two lives of one number, both killed: in the order of their deaths; `-n 1` is the later."""
        with Lab() as lab:
            first = lab.victim()
            lab.run("kill", first.pid, 9)
            first.wait(10)
            second = _again(first.pid, lab.victim)
            killer = lab.run("kill", second.pid, 15)
            second.wait(10)
            found = bpf.verdicts("why", str(first.pid))
            last = bpf.verdicts("why", str(first.pid), "-n", "1")

        assert [v["death"]["signal"] for v in found][-2:] == [9, 15]
        assert [v["death"]["signal"] for v in last] == [15]
        assert last[0]["links"][-1]["process"]["pid"] == killer

    def test_hostile_names(self, bpf):
        """Escape sequences in comm and argv are shown, not obeyed."""
        evil = "a\x1b]0;x\x07\n\x1b[31mb\u202e"
        code = f"import ctypes,os,sys;ctypes.CDLL(None).prctl(15,{evil.encode()!r},0,0,0);os.kill(int(sys.argv[1]),9)"
        with Lab() as lab:
            victim = lab.victim()
            lab.start(sys.executable, "-c", code, str(victim.pid), evil).wait(10)
            victim.wait(10)
            texts = [bpf("why", str(victim.pid), "--evidence").stdout, bpf("list").stdout]
            found = bpf("why", str(victim.pid), "--json").stdout

        for text in texts:
            assert not set(text) & {"\x1b", "\x07", "\u202e"}
        assert found.count("\n") == 1
        assert json.loads(found)["links"][-1]["process"]["comm"].startswith("a\x1b]0;x")

    def test_sixty_columns(self, bpf):
        """Nothing is wider than the terminal says, long unbroken words excepted."""
        with Lab() as lab:
            victim = lab.victim()
            lab.run("kill", victim.pid, 9)
            victim.wait(10)
            narrow = bpf("why", str(victim.pid), env={"COLUMNS": "60"}).stdout

        assert max(map(len, narrow.splitlines())) <= 60
        for label in ("what", "how", "by whom", "started by", "why", "how sure", "next"):
            assert f"\n{label} " in narrow

    def test_colour_only_where_wanted(self, bpf):
        """Pipes and NO_COLOR get plain text, FORCE_COLOR colour."""
        with Lab() as lab:
            victim = lab.victim()
            lab.run("kill", victim.pid, 9)
            victim.wait(10)
            pid = str(victim.pid)
            plain = bpf("why", pid).stdout
            forced = bpf("why", pid, env={"FORCE_COLOR": "1"}).stdout
            refused = bpf("why", pid, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout

        assert "\x1b[" not in plain
        assert "\x1b[" not in refused
        assert "\x1b[" in forced

    def test_filters(self, bpf):
        """-n, --since and --until narrow; oldest first."""
        with Lab() as lab:
            old = lab.victim()
            lab.run("kill", old.pid, 9)
            old.wait(10)
            time.sleep(1.1)
            cut = f"@{int(time.time())}"
            new = lab.victim()
            time.sleep(1.1)
            lab.run("kill", new.pid, 15)
            new.wait(10)
            names = [v["death"]["process"]["pid"] for v in bpf.verdicts("list")]
            since = [v["death"]["process"]["pid"] for v in bpf.verdicts("list", "--since", cut)]
            until = [v["death"]["process"]["pid"] for v in bpf.verdicts("list", "--until", cut)]
            last = [v["death"]["process"]["pid"] for v in bpf.verdicts("list", "-n", "1")]

        assert names.index(old.pid) < names.index(new.pid)
        assert old.pid not in since and new.pid in since
        assert old.pid in until and new.pid not in until
        assert last == [new.pid]

    def test_by_name(self, bpf):
        """A comm, an exe and a program name find the same death."""
        with Lab() as lab:
            # A name of its own: any sleep that somebody else runs is a death or a life of that name.
            program = lab.folder / "kt-by-name"
            shutil.copy(shutil.which("sleep"), program)
            victim = lab.start(str(program), "987")
            time.sleep(0.1)
            lab.run("kill", victim.pid, 9)
            victim.wait(10)
            pid, name = str(victim.pid), program.name
            exe = bpf.verdicts("why", pid, "-n", "1")[0]["death"]["process"]["exe"]
            found = {
                target: bpf.verdicts("why", target, "-n", "1")[0]["death"]["process"]["pid"]
                for target in (name, f"comm:{name}", f"exe:{exe}", exe, f"exe:{name}", f"pid:{pid}")
            }

        assert exe == str(program)
        assert set(found.values()) == {victim.pid}

    def test_watch_deaths(self, bpf):
        """A death shows up within a second or two, as a line or as JSON."""
        watching = subprocess.Popen(
            [sys.executable, "-m", "killtrail", "watch", "--json", "-n", "1", "--for", "20"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        time.sleep(0.8)
        with Lab() as lab:
            victim = lab.victim()
            lab.run("kill", victim.pid, 9)
            victim.wait(10)
        out, _ = watching.communicate(timeout=30)

        assert json.loads(out)["death"]["process"]["pid"] == victim.pid

    def test_watch_signals(self, bpf):
        """Every signal shows with sender and receiver: ignored, handled and stopping ones too."""
        watching = subprocess.Popen(
            [sys.executable, "-m", "killtrail", "watch", "--signals", "--for", "4"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        watching.stdout.readline()
        with Lab() as lab:
            victim = lab.victim("wait_ignoring", 10)
            killers = [lab.run("kill", victim.pid, sig) for sig in (10, 19, 18)]
            victim.wait(10)
        out, _ = watching.communicate(timeout=30)
        seen = [line.split() for line in out.splitlines()]

        for killer, name in zip(killers, ("SIGUSR1", "SIGSTOP", "SIGCONT"), strict=True):
            assert any(
                row[1] == str(killer) and row[3] == str(victim.pid) and name in row for row in seen
            ), out

    def test_demo(self, bpf):
        """The demo names the sender and both dead launchers, established."""
        found = bpf.verdicts("demo")[0]
        lines = [" ".join(a["argv"] or ()) for a in found["ancestry"]]

        assert (found["cause"], found["certainty"]) == ("killed-by-process", "established")
        assert "stop-old.sh" in lines[0] or "rotate.sh" in lines[0]
        assert any("nightly.sh" in line for line in lines)
        assert [a["edge"] for a in found["ancestry"]][:2] == ["creator", "creator"]

    def test_agent_killed_by_a_script(self, bpf, tmp_path):
        """An agent killed by a script whose shell is long gone: script and launcher are named."""
        script = tmp_path / "watchdog.sh"
        script.write_text("while :; do sleep 0.3; pkill -9 -f kt-agent-under-test; done\n")
        with Lab() as lab:
            launcher = lab.start("sh", "-c", f"sh {script} & exit 0", "cron-like-launcher")
            launcher.wait(10)
            agents = []
            for _ in range(2):
                agent = lab.start(
                    sys.executable, "-c", "import signal; signal.pause()", "kt-agent-under-test"
                )
                agent.wait(10)
                agents.append(agent.pid)
            subprocess.run(["pkill", "-f", str(script)], check=False)
            found = [bpf.verdicts("why", str(pid), "-n", "1")[0] for pid in agents]

        for verdict in found:
            lines = [" ".join(a["argv"] or ()) for a in verdict["ancestry"]]
            assert verdict["certainty"] == "established"
            assert any("watchdog.sh" in line for line in lines), lines
            assert any("cron-like-launcher" in line for line in lines), lines

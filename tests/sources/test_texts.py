"""Tracers' texts, interpreted ausearch, testimony, syslog, wtmp: what they tell, and hostile names."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.model.events import ProcessExited, SignalRefused, SignalSent
from killtrail.model.query import Query
from killtrail.sources.logs.formats import open_paths
from tests.conftest import ROOT
from tests.sources import reference, variants

CASES = ROOT / "tests/cases"
SIGMON = (CASES / "rsyslogd/sigmon.txt").read_bytes()
FTRACE = (CASES / "agent-sigkill/ftrace.txt").read_bytes()
STRACE = (CASES / "agent-sigkill/strace-sigterm.txt").read_bytes()
GENERATE = b"signal_generate: sig=9 errno=0 code=0 comm=sleep pid=8784 grp=1 res=0"
KILLSNOOP = b"TIME      PID    COMM             SIG  TPID   RESULT\n"
WTMP = struct.Struct("<h2xi32s4s32s256shhiii4i20x")


def events(tmp_path, text: bytes, pid: int | None = None):
    path = tmp_path / "trace.txt"
    path.write_bytes(text)
    opened = open_paths([str(path)])
    found = [e for source in opened.sources for e in source.events(Query(pid=pid))]
    found.reverse()
    found.sort(key=lambda e: e.time_ns)
    return found, [p for source in opened.sources for p in source.coverage().problems]


@pytest.mark.parametrize(
    ("line", "pid", "comm"),
    [
        (b"            bash-6558    [008] d..1.  2476.431621: " + GENERATE, 6558, "bash"),
        (b"            bash-6558    [008]  2476.431621: " + GENERATE, 6558, "bash"),
        (b"            bash-6560    (   6558) [008] d..1.  2476.431621: " + GENERATE, 6558, "bash"),
        (b"   a b-c [x]-6558    [008] d..1.  2476.431621: " + GENERATE, 6558, "a b-c [x]"),
        (b"bash  6558 [008]  2476.431621: signal:" + GENERATE, 6558, "bash"),
        (b"bash  6558/6560 [008]  2476.431621: signal:" + GENERATE, 6558, "bash"),
    ],
)
def test_ftrace_and_perf_lines(tmp_path, line, pid, comm):
    """trace, trace-cmd report and perf script; names with blanks, dashes and brackets."""
    (found,), problems = events(tmp_path, b"# tracer: nop\n" + line + b"\n", 8784)
    assert (found.current.pid, found.current.comm, found.target.pid) == (pid, comm, 8784)
    assert problems == []


def test_a_name_that_looks_like_a_line(tmp_path):
    """A comm with a line end in it cannot add a record of its own."""
    evil = b"x\n   good-1 [000]"
    line = b"  %s-666 [000] d..1.  1.000000: %s\n" % (evil, GENERATE)
    found, _ = events(tmp_path, b"# tracer: nop\n" + line)
    assert {e.current.pid for e in found} <= {666}


def test_lost_events_are_counted(tmp_path):
    """Ftrace's own word about lost events is a counted problem."""
    _, problems = events(tmp_path, FTRACE + b"CPU:1 [LOST 412 EVENTS]\n")
    assert "412" in problems[0].what


def test_sigmon_names_with_blanks(tmp_path):
    """Columns that can be cut in two ways are counted, not believed."""
    found, problems = events(tmp_path, SIGMON + b"12  a 5 b 7  28262 rsyslogd 9 SIGKILL\n")
    assert [e.current.pid for e in found] == [2362819]
    assert len(problems) == 1


def test_killsnoop(tmp_path):
    """Calls and results; a failed call is a try, signal 0 is nothing."""
    lines = (
        b"10:00:00  7      a b 9 1          9    4242   0\n"
        b"10:00:01  7      a                9    4243   -3\n"
        b"10:00:02  7      a                0    4244   0\n"
    )
    found, problems = events(tmp_path, KILLSNOOP + lines)
    assert [type(e) for e in found] == [SignalSent, SignalRefused]
    assert (found[0].current.comm, found[0].target.pid) == ("a b 9 1", 4242)
    assert problems == []


@pytest.mark.parametrize(
    ("text", "sender", "status"),
    [
        (b"strace: Process 9 attached\n--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=6, si_uid=0} ---\n+++ killed by SIGTERM +++\n", 6, 15),
        (b"[pid     9] --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=6, si_uid=0} ---\n[pid     9] +++ exited with 3 +++\n", 6, 3 << 8),
        (b"9     1700000000.000001 --- SIGTERM {si_signo=SIGTERM, si_code=SI_TKILL, si_pid=6, si_uid=0} ---\n9     1700000000.000009 +++ killed by SIGTERM (core dumped) +++\n", 6, 0x8F),
        (b"9     10:00:00.000001 --- SIGTERM {si_signo=SIGTERM, si_code=SI_QUEUE, si_pid=6, si_uid=0} ---\n9     10:00:01 +++ killed by SIGTERM +++\n", 6, 15),
    ],
)  # fmt: skip
def test_strace_forms(tmp_path, text, sender, status):
    """With and without pids and times."""
    found, _ = events(tmp_path, text, 9)
    sent = next(e for e in found if isinstance(e, SignalSent))
    end = next(e for e in found if isinstance(e, ProcessExited))
    assert (sent.current.pid, end.status, end.second_hand) == (sender, status, True)


@pytest.mark.parametrize(
    ("code", "cause", "mechanism"),
    [
        ("SYS_USER_DISPATCH", "crashed", "user-dispatch"),
        ("SYS_SECCOMP", "seccomp-killed", "seccomp"),
    ],
)
def test_strace_of_a_refused_call(killtrail, tmp_path, code, cause, mechanism):
    """The code says whether the process had its calls handed back to it or a filter refused one."""
    path = tmp_path / "s.txt"
    path.write_text(
        "9300  prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, 0x7fcb31ea0370) = 0\n"
        f"9300  --- SIGSYS {{si_signo=SIGSYS, si_code={code}, si_call_addr=0x7fcb322da4f7,"
        " si_syscall=__NR_getppid, si_arch=AUDIT_ARCH_X86_64} ---\n"
        "9300  +++ killed by SIGSYS +++\n"
    )
    (found,) = killtrail.verdicts("why", "9300", "--from", str(path))
    assert (found["cause"], found["mechanism"]) == (cause, mechanism)
    assert found["certainty"] == "likely"


def test_claimed_siginfo_is_possible_at_best(killtrail, tmp_path):
    """Whoever uses sigqueue writes the sender's number himself."""
    path = tmp_path / "s.txt"
    path.write_text(
        "strace: Process 9 attached\n"
        "--- SIGTERM {si_signo=SIGTERM, si_code=SI_QUEUE, si_pid=1, si_uid=0} ---\n"
        "+++ killed by SIGTERM +++\n"
    )
    (found,) = killtrail.verdicts("why", "9", "--from", str(path))
    assert found["certainty"] == "possible"


def test_the_trojan_ps(killtrail):
    """It execs the real ps through a shell; its child said 1, it says 0."""
    path = str(CASES / "trojan-ps/strace-trojan-ps.txt")
    (outer,) = killtrail.verdicts("why", "14740", "--from", path)
    (inner,) = killtrail.verdicts("why", "14845", "--from", path)
    assert (outer["cause"], outer["death"]["exit_code"]) == ("exited", 0)
    assert (inner["cause"], inner["death"]["exit_code"]) == ("exited", 1)
    assert outer["death"]["process"]["exe"] == "/bin/ps"
    assert inner["death"]["process"]["argv"] == ["sh", "-c", "/usr/bin/dpkgd/ps -p 1234"]
    assert inner["ancestry"][0]["pid"] == 14740


def test_job_of_at(killtrail, tmp_path):
    """The PAM line of atd says that the shell it became was an at job."""
    (tmp_path / "audit.log").write_text(CRON_KILL)
    (tmp_path / "auth.log").write_text(
        "2025-11-20T11:00:00.500+00:00 db1 atd[700]: pam_unix(atd:session): session opened for user"
        " root(uid=0) by (uid=1)\n"
    )
    (found,) = killtrail.verdicts("why", "9", "--from", str(tmp_path))
    assert found["origin"]["kind"] == "at"


def test_testimony_of_the_cron_mail(killtrail):
    """A shell's words and a supervisor's status report a death, never its sender.

    Beside an audit log in which a process keeps signalling that PID, that one is possible.
    """
    mail = str(CASES / "roxen/cron-mail.txt")
    (alone,) = killtrail.verdicts("why", "26880", "--from", mail)
    assert (alone["cause"], alone["links"]) == ("not-established", [])
    found = killtrail.verdicts("why", "26880", "--from", str(CASES / "roxen"))
    told = [v for v in found if "testimony" in {e["source"] for e in v["evidence"]}]
    assert len(told) == 5
    assert {v["certainty"] for v in told} == {"possible"}
    assert {v["death"]["signal"] for v in told} == {9}
    assert told[0]["death"]["time"].startswith("2010-09-21T19:46:01")


def test_interpreted_ausearch(tmp_path):
    """`ausearch -i` gives the same kills as the log that it was made from."""
    text = variants.raw().decode("utf-8", "surrogateescape")
    wanted = reference.kills(text)
    lines = []
    for event, sender, victim, sig in wanted:
        number = event.rpartition(":")[2]
        head = f"msg=audit(11/20/26 10:34:49.842:{number}) : "
        lines.append("----")
        lines.append(f"type=OBJ_PID {head}opid={victim} oauid=x ouid=root oses=2 ocomm=sleep ")
        lines.append(
            f"type=SYSCALL {head}arch=x86_64 syscall=kill success=yes exit=0 a0=0x1 a1={sig:#x} a2=0x0"
            f" a3=0x7 items=0 ppid=1 pid={sender} auid=unset uid=root gid=root tty=(none) ses=2"
            " comm=kill exe=/usr/bin/kill key=kill "
        )
    found, problems = events(tmp_path, "\n".join(lines).encode())
    got = [(e.current.pid, e.target.pid, e.sig) for e in found]
    assert sorted(got) == sorted((s, v, n) for _, s, v, n in wanted)
    assert problems == []
    cut = [line.replace(" success=yes exit=0", "") for line in lines]
    found, problems = events(tmp_path, "\n".join(cut).encode())
    assert found == [] and len(problems) > 0
    forged = lines[-1].replace("comm=kill", "comm=a exe=/bin/innocent comm=b")
    found, problems = events(tmp_path, "\n".join(["----", lines[-2], forged]).encode())
    assert found == [] and len(problems) == 1


MESSAGES = """\
Nov 20 10:00:00 db1 kernel: Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)
Nov 20 11:00:00 db1 systemd[1]: app.service: Killing process 4242 (app) with signal SIGKILL.
Nov 20 11:30:00 db1 sudo[812]:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/sbin/reboot
Nov 20 11:30:01 db1 systemd-logind[501]: The system will reboot now!
Nov 20 11:30:03 db1 systemd[1]: Reached target Reboot.
Nov 20 11:31:00 db1 kernel: Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)
Nov 20 11:40:00 db1 CRON[99]: (root) CMD (true)
Nov 20 12:00:00 db1 kernel: Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)
"""


def test_messages(killtrail, tmp_path):
    """Who asked for the reboot, when the machine was last heard of, what systemd killed."""
    path = tmp_path / "messages"
    path.write_text(MESSAGES)
    orderly, silent = killtrail.verdicts("why", "host", "--from", str(path))
    assert (orderly["cause"], silent["cause"]) == ("host-rebooted", "host-lost-power")
    requester = next(x for x in orderly["links"] if x["role"] == "requester")
    assert (requester["process"]["comm"], requester["process"]["user"]) == ("reboot", "alice")
    assert "11:40:00" in silent["death"]["time"]
    (unit,) = killtrail.verdicts("why", "4242", "--from", str(path))
    assert unit["mechanism"] == "unit-stop"
    assert unit["links"][0]["subject"]["name"] == "app.service"


def test_one_boot_of_files(killtrail, tmp_path):
    """--boot counts the boots that files tell of from their end; what they don't tell of is refused."""
    path = tmp_path / "messages"
    path.write_text(MESSAGES)
    last = killtrail("why", "4242", "--from", str(path), "--boot", "0")
    assert last.returncode == 4
    (unit,) = killtrail.verdicts("why", "4242", "--from", str(path), "--boot", "-2")
    assert unit["mechanism"] == "unit-stop"
    (silent,) = killtrail.verdicts("why", "host", "--from", str(path), "--boot", "-1")
    assert "11:40:00" in silent["death"]["time"]
    refused = killtrail("list", "--from", str(path), "--boot", "-3")
    assert refused.returncode == 2 and "show the beginning of 3 boots" in refused.stderr


def test_lastlog(killtrail, tmp_path):
    """A sparse file with one login far in: the machine was up then."""
    path = tmp_path / "lastlog"
    login = struct.pack("<I32s256s", 1_763_640_000, b"pts/0", b"192.0.2.7\x1b[2J")
    with path.open("wb") as file:
        file.seek(60_000_000 * len(login))
        file.write(login)
    boot = tmp_path / "wtmp"
    boot.write_bytes(
        record(2, b"reboot", b"6.1.0", 1_763_600_000)
        + record(2, b"reboot", b"6.1.0", 1_763_700_000)
    )
    (found,) = killtrail.verdicts("why", "host", "--from", str(path), str(boot))
    assert found["death"]["time"].startswith("2025-11-20T12:00:00")
    assert "uid 60000000 logged in on pts/0 from 192.0.2.7" in str(found["evidence"])
    assert "\x1b" not in str(found)


def record(kind: int, user: bytes, host: bytes, seconds: int, pid: int = 0) -> bytes:
    return WTMP.pack(kind, pid, b"~", b"~~", user, host, 0, 0, 0, seconds, 0, 0, 0, 0, 0)


def test_wtmp(killtrail, tmp_path):
    """A boot without a shutdown before it: the machine just stopped; with one it was told to."""
    path = tmp_path / "wtmp"
    boots = [
        record(2, b"reboot", b"6.1.0", 1_700_000_000),
        record(7, b"alice", b"192.0.2.7", 1_700_000_500, 900),
        record(2, b"reboot", b"6.1.0", 1_700_001_000),
        record(1, b"shutdown", b"6.1.0", 1_700_002_000),
        record(2, b"reboot", b"6.1.0", 1_700_002_100),
    ]
    path.write_bytes(b"".join(boots) + b"cut")
    found = killtrail.verdicts("why", "host", "--from", str(path))
    assert [v["cause"] for v in found] == ["host-lost-power", "host-rebooted"]
    assert "alice" in str(found[0]["evidence"])
    assert found[0]["loss"]["problems"] == 1


def test_a_copied_root(killtrail, tmp_path):
    """Of a copied root only its logs are read, whatever else lies there."""
    logs = tmp_path / "var/log"
    logs.mkdir(parents=True)
    (logs / "messages").write_text(MESSAGES)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/decoy").write_bytes(SIGMON)
    found = killtrail.verdicts("list", "--from", str(tmp_path))
    assert [v["death"]["process"]["pid"] for v in found] == [4242]


def test_spellings_of_one_folder(killtrail, tmp_path):
    """However a path is written, the logs below it are one machine's, and each is read once."""
    logs = tmp_path / "var/log"
    logs.mkdir(parents=True)
    (logs / "messages").write_text(MESSAGES)
    plain, dotted = f"{logs}/messages", f"{tmp_path}/./var//log/messages"
    found = killtrail.verdicts("list", "--from", plain, dotted)
    assert [v["death"]["process"]["pid"] for v in found] == [4242]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    start=st.sampled_from([SIGMON, FTRACE, STRACE, KILLSNOOP, MESSAGES.encode(), b"# tracer: nop\n"]),
    junk=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"\n", b"\0", b"[pid 9] ", GENERATE, b"--- SIGKILL {si_pid=", b"} ---", b"+++ ",
                    b"killed by SIGRT_99 +++", b'execve("\\x', b'", ["a', b"]) = 0", b"-6558 [008] ",
                    b"type=SYSCALL msg=audit(99/99/99 10:00:00.000:1) : ", b"child 9 exited with status 0009",
                    b"99999999999999999999.000001 ", b"exit_group(99999999999)", b"Date: yesterday\n",
                ]
            ),
        ),
        max_size=30,
    ).map(b"".join),
)  # fmt: skip
def test_any_bytes(tmp_path_factory, start, junk):
    """Whatever follows a true beginning: no exception."""
    events(tmp_path_factory.mktemp("any"), start + junk)


CRON_KILL = """\
type=SYSCALL msg=audit(1763636401.000:1): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=700 pid=750 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="sh" exe="/bin/dash" key=(null)
type=SYSCALL msg=audit(1763636402.000:2): arch=c000003e syscall=62 success=yes exit=0 a0=9 a1=9 a2=0 a3=0 items=0 ppid=700 pid=750 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="sh" exe="/bin/dash" key=(null)
type=OBJ_PID msg=audit(1763636402.000:2): opid=9 oauid=-1 ouid=0 oses=-1 ocomm="app"
"""


def test_the_job_behind_the_killer(killtrail, tmp_path):
    """Cron's own line names the job whose shell sent it; the verdict cites that line."""
    (tmp_path / "audit.log").write_text(CRON_KILL)
    (tmp_path / "syslog").write_text(
        "2025-11-20T11:00:00.500+00:00 db1 CRON[700]: (root) CMD (/opt/clean.sh)\n"
        "2025-11-20T11:00:00.600+00:00 db1 CRON[701]: (root) CMD (/opt/other.sh)\n"
        "2025-11-20T11:00:00.700+00:00 db1 kernel: [    5.0] hello\n"
    )
    (found,) = killtrail.verdicts("why", "9", "--from", str(tmp_path))
    assert (found["origin"]["kind"], found["origin"]["name"]) == ("cron", "/opt/clean.sh")
    assert "/opt/clean.sh" in str(found["evidence"]) and "other" not in str(found)
    assert found["host"]["name"] == "db1"


def test_oomd(killtrail, tmp_path):
    """systemd-oomd's line: policy by memory pressure, not the kernel's OOM killer."""
    (tmp_path / "messages").write_text(
        "Nov 20 11:00:00 db1 kernel: [    5.0] hello\n"
        "Nov 20 11:00:00 db1 systemd-oomd[400]: Killed /system.slice/app.service due to memory pressure"
        " for /system.slice being 80.15% > 50.00% for > 20s with reclaim activity\n"
    )
    (found,) = killtrail.verdicts("why", "app.service", "--from", str(tmp_path))
    assert (found["cause"], found["mechanism"]) == ("oom-killed", "systemd-oomd")
    assert "80.15%" in found["summary"]


def test_a_number_of_an_older_job(killtrail, tmp_path):
    """A cron line with the right number, an hour before the shell was started: somebody else's."""
    (tmp_path / "audit.log").write_text(CRON_KILL)
    (tmp_path / "syslog").write_text(
        "2025-11-20T10:00:00.500+00:00 db1 CRON[700]: (root) CMD (/opt/innocent.sh)\n"
        "2025-11-20T11:00:00.700+00:00 db1 kernel: [    5.0] hello\n"
    )
    (found,) = killtrail.verdicts("why", "9", "--from", str(tmp_path))
    assert "innocent" not in str(found)


def test_host_from_files_that_name_it_and_files_that_do_not(killtrail, tmp_path):
    """Wtmp names no machine: beside a log that does, both speak of one."""
    (tmp_path / "messages").write_text(MESSAGES)
    start = 1_700_000_000
    (tmp_path / "wtmp").write_bytes(record(7, b"alice", b"192.0.2.7", start, 900))
    found = killtrail.verdicts("why", "host", "--from", str(tmp_path))
    assert {v["host"]["name"] for v in found} == {"db1"}

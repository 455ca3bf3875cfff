"""What is asked of journalctl gives the same events as reading all entries; on a real journal file.

Lines: 6.18's OOM report (bench/textgen.py), systemd 252's and systemd-oomd's messages as they print
them, arch/x86/mm/fault.c.
"""

import shutil
import subprocess

import pytest

from killtrail._slotted import replace
from killtrail.files.opened import open_piece
from killtrail.inquiry import answers
from killtrail.inquiry.question import Question
from killtrail.inquiry.target import parse
from killtrail.model.events import (
    HostEvent,
    LoginSeen,
    OomKilled,
    ProcessExited,
    SignalSent,
)
from killtrail.model.query import Query, Window
from killtrail.sources.logs import journal, journal_terms
from killtrail.sources.logs.journal_entries import Reader
from killtrail.sources.logs.searched import resolved, wanted
from tests.sources.test_host_logs import REMOTE, needs_journals

pytestmark = needs_journals
BEGIN_S = 1_795_267_000
ID = "3f" * 32
KERNEL = {"_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel", "SYSLOG_FACILITY": "0"}
PID_1 = {
    "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd", "_PID": "1", "_UID": "0",
    "_COMM": "systemd", "_EXE": "/usr/lib/systemd/systemd", "_SYSTEMD_UNIT": "init.scope",
    "PRIORITY": "6",
}  # fmt: skip
USERS = {
    **PID_1, "_PID": "1180", "_UID": "1000", "_SYSTEMD_UNIT": "user@1000.service",
    "_SYSTEMD_USER_UNIT": "init.scope",
}  # fmt: skip
LIAR = {**PID_1, "_PID": "77", "_UID": "1000", "_COMM": "logger", "_EXE": "/usr/bin/logger"}
OOMD = {
    "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd-oomd", "_PID": "611", "_UID": "998",
    "_COMM": "systemd-oomd", "_EXE": "/usr/lib/systemd/systemd-oomd",
    "_SYSTEMD_UNIT": "systemd-oomd.service", "PRIORITY": "5",
}  # fmt: skip
SSHD = {
    "_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "sshd", "_PID": "4242", "_UID": "0",
    "_COMM": "sshd", "_EXE": "/usr/sbin/sshd", "_SYSTEMD_UNIT": "ssh.service", "PRIORITY": "6",
}  # fmt: skip

SUDO = {
    **SSHD, "SYSLOG_IDENTIFIER": "sudo", "_PID": "4300", "_COMM": "sudo", "_EXE": "/usr/bin/sudo",
    "_SYSTEMD_UNIT": "session-3.scope",
}  # fmt: skip


def kernel(level, text):
    """A line of the kernel's."""
    return {**KERNEL, "PRIORITY": str(level), "MESSAGE": text}


def oom(pid, comm, cgroup, rows=2):
    """A report as the kernel prints it, with the levels at which it does (mm/oom_kill.c)."""
    yield kernel(
        4, f"{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
    )
    yield kernel(
        4, f"CPU: 1 UID: 0 PID: {pid + 1} Comm: {comm} Not tainted 6.18.44 #1 PREEMPT(none)"
    )
    yield kernel(6, "memory: usage 122880kB, limit 122880kB, failcnt 42")
    for row in range(rows):
        yield kernel(
            6,
            f"[  {pid + row}]     0 {pid + row}    22143    20944    19456     1488         0   212992        0             0 {comm}",
        )
    yield kernel(
        6,
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kt-1,task_memcg={cgroup},task={comm},pid={pid},uid=0",
    )
    yield kernel(
        3,
        f"Memory cgroup out of memory: Killed process {pid} ({comm}) total-vm:88572kB, anon-rss:77824kB, file-rss:5952kB, shmem-rss:0kB, UID:0 pgtables:208kB oom_score_adj:0",
    )


def said(writer, message, **more):
    """A line of a program's."""
    return {**writer, "MESSAGE": message, **more}


def of_unit(unit, message, writer=PID_1):
    """A line of a manager's about a unit."""
    return said(writer, message, **{"USER_UNIT" if writer is USERS else "UNIT": unit})


ENTRIES = [
    kernel(5, "Linux version 6.18.44 (debian-kernel@lists.debian.org)"),
    *oom(3001, "onlykernel", "/system.slice/onlykernel.service"),
    of_unit("onlysystemd.service", "onlysystemd.service: Killing process 3010 (worker) with signal SIGKILL."),
    of_unit("onlysystemd.service", "onlysystemd.service: Main process exited, code=killed, status=9/KILL"),
    of_unit("quick.service", "quick.service: Main process exited, code=exited, status=1/FAILURE"),
    of_unit("desk.service", "desk.service: Main process exited, code=dumped, status=11/SEGV", USERS),
    of_unit("session-3.scope", "session-3.scope: Killing process 3020 (vim) with signal SIGKILL."),
    *oom(3030, "chrome", "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-chrome-2211.scope"),
    of_unit(r"a\x2db-c.service", r"a\x2db-c.service: Main process exited, code=killed, status=15/TERM"),
    *oom(3040, "java", f"/system.slice/docker-{ID}.scope", rows=600),
    kernel(6, "nginx[3050]: segfault at 0 ip 000055d1c0de sp 00007ffc1 error 4 in nginx[55d1+1000]"),
    kernel(6, "docker0: port 3(veth3050) entered forwarding state"),
    of_unit("nginx.service", "nginx.service: Main process exited, code=dumped, status=11/SEGV"),
    of_unit("nginx.service", "Stopping nginx.service - A high performance web server..."),
    of_unit("nginx.service", "Started nginx.service - A high performance web server."),
    said(LIAR, "nginx.service: Killing process 1 (innocent) with signal SIGKILL.", UNIT="nginx.service"),
    said(OOMD, "Killed /system.slice/greedy.service due to memory pressure for /system.slice being 85.17% > 60.00% for > 20s with reclaim activity"),
    of_unit("greedy.service", "greedy.service: A process of this unit has been killed by the OOM killer."),
    {**KERNEL, "SYSLOG_IDENTIFIER": "systemd", "SYSLOG_PID": "1", "SYSLOG_FACILITY": "3",
     "PRIORITY": "5", "MESSAGE": "early.service: Killing process 3060 (early) with signal SIGKILL."},
    *oom(3001, "again", "/system.slice/other.service"),
    kernel(0, "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nginx:3050]"),
    said(SUDO, "alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/tar -c " + "/srv/www " * 600),
    said(SSHD, "Accepted publickey for alice from 192.0.2.7 port 4242 ssh2"),
]  # fmt: skip
TARGETS = [
    "onlykernel.service", "onlysystemd.service", "quick.service", "desk.service", "session-3.scope",
    "app-gnome-chrome-2211.scope", "unit:chrome", "unit:nginx", "a-b-c.service", "nginx.service",
    "greedy.service", "early.service", "other.service", "gone.service", f"container:{ID[:12]}",
    "container:0123456789ab", "nginx", "onlykernel", "again", "comm:java", "chrome", "gone",
    "3001", "3010", "3020", "3040", "3050", "3060", "4000",
]  # fmt: skip


def written(path, *, levels):
    """A journal file of the entries, 40 s apart, so that no report stands near another."""
    text = ""
    for number, fields in enumerate(ENTRIES):
        at = (BEGIN_S + 40 * number) * 1_000_000
        whole = {
            "__REALTIME_TIMESTAMP": at,
            "__MONOTONIC_TIMESTAMP": at - BEGIN_S * 1_000_000 + 1_000_000,
            "_BOOT_ID": "0" * 31 + "1",
            "_HOSTNAME": "db1",
            **fields,
        }
        text += "".join(f"{k}={v}\n" for k, v in whole.items() if levels or k != "PRIORITY") + "\n"
    subprocess.run(
        [REMOTE, f"--output={path}", "-"], input=text.encode(), check=True, capture_output=True
    )
    return path


@pytest.fixture(scope="module", params=[True, False], ids=["levels", "no levels"])
def made(request, tmp_path_factory):
    """With each kernel line's PRIORITY, as journald writes it, and without, as an excerpt may be."""
    return written(tmp_path_factory.mktemp("journal") / "a.journal", levels=request.param)


@pytest.fixture(scope="module")
def everything(made):
    """All events: of all its entries, as journalctl prints them."""
    path = made.with_suffix(".json")
    with path.open("wb") as out:
        subprocess.run(
            ["journalctl", "-aq", "-o", "json", f"--file={made}"], stdout=out, check=True
        )
    piece = open_piece(path)
    found = list(journal.parse(piece))
    piece.close()
    return found


def asked(path, query):
    """What the source gives for a query."""
    (source,) = journal.DESCRIPTOR.open_files([open_piece(path)]).sources
    return list(source.events(query))


def unplaced(events):
    """Their places differ: a journal has moments, a file offsets. And the last line before a boot."""
    return sorted(
        repr(replace(e, origin=replace(e.origin, where="")))
        for e in events
        if not (isinstance(e, HostEvent) and e.kind == "ran")
    )


def full(everything, query):
    """The same from all events."""
    query = resolved(query)
    return unplaced(e for e in everything if wanted(e, query))


@pytest.mark.parametrize("text", TARGETS)
def test_as_by_reading_everything(made, everything, text):
    """Units, scopes, containers, names, PIDs: told by the kernel alone, by systemd alone, by oomd."""
    query = Query(target=parse(text))
    assert unplaced(asked(made, query)) == full(everything, query)
    newest = replace(query, newest=1, kinds=(OomKilled, SignalSent, ProcessExited))
    assert unplaced(asked(made, newest)) == full(everything, newest)


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(kinds=(OomKilled,)),
        Query(kinds=(LoginSeen,)),
        Query(kinds=(LoginSeen,), newest=1),
        Query(kinds=(LoginSeen,), pid=4242),
        Query(kinds=(HostEvent, OomKilled), target=parse("nginx.service")),
        Query(kinds=(SignalSent, OomKilled), window=Window((BEGIN_S + 400) * 10**9)),
        Query(kinds=(SignalSent, OomKilled), window=Window(None, (BEGIN_S + 400) * 10**9)),
        Query(pid=0, target=parse("nginx.service")),
        Query(pid=0),
    ],
)
def test_other_queries(made, everything, query):
    """Kinds, spans of time, logins of a PID, the main process of a unit."""
    assert unplaced(asked(made, query)) == full(everything, query)


def test_answers_are_not_empty(everything):
    """What is compared above is something."""
    for text in ("onlykernel.service", "onlysystemd.service", "session-3.scope", "a-b-c.service"):
        assert full(everything, Query(target=parse(text))), text
    assert len(full(everything, Query(target=parse("nginx.service")))) == 2
    assert full(everything, Query(target=parse(f"container:{ID[:12]}")))
    assert not full(everything, Query(target=parse("gone.service")))


@pytest.mark.parametrize(
    ("unit", "lines"),
    [
        ("desk.service", {"desk.service: Main process exited, code=dumped, status=11/SEGV"}),
        ("early.service", {"early.service: Killing process 3060 (early) with signal SIGKILL."}),
    ],
)
def test_what_units_are_asked_with(made, unit, lines):
    """A user's manager and systemd in the kernel's ring are asked, too."""
    terms = journal_terms.of(resolved(Query(target=parse(unit))), leveled=True)
    done = subprocess.run(
        ["journalctl", "-q", "-o", "cat", f"--file={made}", "--case-sensitive=yes",
         f"--grep={terms.pattern}", *terms.matches],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert lines <= set(done.stdout.splitlines())


@pytest.mark.parametrize("text", ["onlykernel.service", "nginx", "3010", None])
def test_without_patterns(made, everything, tmp_path, monkeypatch, text):
    """A journalctl that was built without PCRE2 says so, and is asked without patterns."""
    real = shutil.which("journalctl")
    script = tmp_path / "journalctl"
    script.write_text(
        '#!/bin/sh\ncase "$*" in *--grep=*) echo "Compiled without pattern matching support" >&2;'
        f' exit 1;; esac\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    query = Query(target=parse(text) if text else None)
    assert unplaced(asked(made, query)) == full(everything, query)


def test_few_runs_for_the_newest(made, monkeypatch):
    """The newest death of a unit behind an OOM kill of another: few runs, whatever else is there."""
    runs = []
    real = Reader._run
    monkeypatch.setattr(
        Reader, "_run", lambda self, words: (runs.append(words), real(self, words))[1]
    )
    question = Question(evidence=(str(made),), targets=(parse("nginx.service"),), newest=1)
    (verdict,) = answers.ask(question).verdicts
    assert verdict.death.process.cgroup == "/system.slice/nginx.service"
    assert len(runs) <= 5


def test_units_are_suggested_from_the_index(made):
    """A unit's name that is nearly right costs no second search."""
    question = Question(evidence=(str(made),), targets=(parse("ngins.service"),), newest=1)
    assert answers.ask(question).near[0] == "nginx.service"

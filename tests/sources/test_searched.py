"""Searching a log gives what parsing all of it gives: for every question, wherever windows cut."""

import os
import tempfile
from collections import Counter
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.files import search
from killtrail.files.opened import Piece, open_piece
from killtrail.model.events import HostEvent, LoginSeen, OomKilled, ParseProblem, SignalSent
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.sources.logs import ftrace, journal, kernlog, regions
from killtrail.sources.logs.searched import SearchedLog
from killtrail.sources.logs.stream import OF_PROCESSES, WALL, Stream, about
from tests.conftest import ROOT
from tests.fuzz import EXAMPLES
from tests.sources.test_any_bytes import CHANGES, changed
from tests.sources.test_kernlog import FORMS, OOM
from tests.sources.test_texts import MESSAGES

CASES = ROOT / "tests/cases"
OTHERS = """\
[13036.0] Tasks in /kt-1 are going to be killed due to memory.oom.group set
[13036.1] Memory cgroup out of memory: Killed process 10422 (python3) total-vm:88572kB, anon-rss:1kB
[13036.2] sysrq: Manual OOM execution
[13036.3] nginx[4242]: segfault at 0 ip 000055d1c0de sp 00007ffc1 error 4 in nginx[55d1+1000]
[13036.4] traps: nginx[4243] trap invalid opcode ip:55d1 sp:7ffc error:0 in nginx[55d1+1000]
[13036.5] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nginx:4242]
[13036.6] CPU: 0 PID: 4242 Comm: nginx Not tainted 6.1.0 #1
[13036.7] INFO: task nginx:4242 blocked for more than 120 seconds.
[13036.8] Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)
[13036.9] Memory failure: 0x1234: Killing nginx:4242 due to hardware memory corruption
[13036.95] Kernel panic - not syncing: System is deadlocked on memory
[13036.96] CPU: 1 PID: 77 Comm: userdbd Not tainted 6.1.0 #1
[13037.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
"""
LINES = [*OOM.splitlines(), *OTHERS.splitlines()]
PROGRAMS = """\
Nov 21 12:00:00 db1 systemd[1]: nginx.service: Killing process 4242 (nginx) with signal SIGKILL.
Nov 21 12:00:00 db1 systemd[1]: nginx.service: Main process exited, code=killed, status=9/KILL
Nov 21 12:00:00 db1 systemd[1]: Stopping nginx.service - A high performance web server...
Nov 21 12:00:00 db1 systemd[1]: nginx.service: Failed with result 'oom-kill'.
Nov 21 12:00:00 db1 systemd-oomd[400]: Killed /system.slice/app.service due to memory pressure for /system.slice
Nov 21 12:00:00 db1 CRON[4242]: (root) CMD (/opt/clean.sh)
Nov 21 12:00:00 db1 sshd[4243]: Accepted publickey for alice from 192.0.2.7 port 4242 ssh2
Nov 21 12:00:00 db1 mallory: x invoked oom-killer: gfp_mask=0xcc0
Nov 21 12:00:00 db1 mallory: Killed process 10418 (python3) total-vm:1kB
""".splitlines()
FILLERS = [
    b"",
    b"x 4242 nginx\n",
    b"Nov 21 12:00:00 db1 app[1]: hello\n" * 600,
    b"[13036.0] hi\n" * 6000,
]
QUERIES = [
    Query(),
    Query(kinds=(HostEvent,)),
    Query(kinds=(LoginSeen,), window=Window(None, 1 << 62)),
    Query(kinds=(OomKilled, SignalSent)),
    *(Query(pid=pid) for pid in (4242, 10418, 10422, 1, 0, 77)),
    *(Query(target=Target(Kind.NAME, name)) for name in ("nginx", "python3", "app.service", "b")),
    Query(target=Target(Kind.UNIT, "nginx.service")),
    Query(target=Target(Kind.PID, "4242")),
]  # fmt: skip


def expected(form, size: int, query: Query) -> Counter:
    """What parsing all of it gives, sorted out afterwards."""
    kinds = query.kinds
    if kinds is None and (query.pid is not None or query.target is not None):
        kinds = OF_PROCESSES
    return Counter(
        repr(e)
        for _, e in form.parse(0, size)
        if not isinstance(e, ParseProblem)
        and (kinds is None or isinstance(e, kinds))
        and query.window.covers(e.time_ns)
        and (isinstance(e, HostEvent) or about(e, query))
    )


def same(piece: Piece, form, query: Query) -> Counter:
    """Asserts that both agree."""
    source = SearchedLog("x", piece, form, WALL)
    found = Counter(repr(e) for e in source.events(query))
    assert found == expected(form, piece.size, query)
    return found


@pytest.fixture(params=[97, 1000, search.WINDOW])
def windows(request, monkeypatch):
    """Windows so small that every line is cut by one, and those that are used."""
    monkeypatch.setattr(regions, "Window", partial(search.Window, request.param))


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_log_of_everything(windows, tmp_path, query):
    """Each form of it, with one event of each kind, and reports that others interrupt."""
    for form, made in FORMS.items():
        text = made("\n".join(LINES) + "\n") + "\n".join(PROGRAMS) + "\n" + made(OOM)
        path = tmp_path / "log"
        path.write_text(text)
        piece = open_piece(path)
        found = same(piece, kernlog.KernelText(piece), query)
        if form == "kern.log" and query.target is None and query.pid is None:
            assert found
        piece.close()


def in_memory(text: bytes) -> Piece:
    """Bytes as a file."""
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        return Piece("log", os.dup(file.fileno()), len(text))


PARTS = st.lists(
    st.one_of(
        st.sampled_from([FORMS["kern.log"](line + "\n").encode() for line in LINES]),
        st.sampled_from([FORMS["kern.log"](OOM).encode()]),
        st.sampled_from([(line + "\n").encode() for line in PROGRAMS]),
        st.sampled_from([FORMS["kern.log"](f.decode()).encode() if f[:1] == b"[" else f for f in FILLERS]),
        st.binary(max_size=20),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(PARTS, st.sampled_from(QUERIES))
def test_any_mixture(parts, query):
    """Heads far from kills, kills after kills, siblings, foreign lines between: the same events."""
    piece = in_memory(b"Nov 20 10:00:00 db1 kernel: begins\n" + b"".join(parts))
    same(piece, kernlog.KernelText(piece), query)
    piece.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHANGES, st.sampled_from(QUERIES))
def test_any_change(changes, query):
    """The same of true logs that were damaged."""
    text = (FORMS["kern.log"](OOM) * 2 + MESSAGES + "\n".join(PROGRAMS) + "\n").encode()
    piece = in_memory(changed(text, changes))
    same(piece, kernlog.KernelText(piece), query)
    piece.close()


def entry(number: int, line: str) -> bytes:
    """A line as journalctl's JSON has it."""
    kernel = line.startswith("[")
    tag = "kernel" if kernel else "systemd"
    message = line.partition("] ")[2] if kernel else line.partition(": ")[2]
    if number % 7 == 3:
        shown = "[" + ",".join(map(str, message.encode())) + "]"
    else:
        shown = '"' + message.replace('"', '\\"') + '"'
    return (
        f'{{"__REALTIME_TIMESTAMP":"{1795267000000000 + number * 1000}","_TRANSPORT":"{tag}",'
        f'"_PID":"1","SYSLOG_IDENTIFIER":"{tag}","MESSAGE":{shown},"_HOSTNAME":"db1"}}\n'
    ).encode()


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_entries_of_a_journal(windows, query):
    """Journalctl's JSON, texts as lists of bytes among them."""
    lines = [*LINES, *PROGRAMS[:4], *LINES]
    piece = in_memory(b"".join(entry(n, line) for n, line in enumerate(lines)))
    same(piece, journal.JournalText(piece), query)
    piece.close()


def test_newest_first_and_no_further_than_read(monkeypatch, tmp_path):
    """Whoever wants one death has the last one, and the rest of the file is not read for it."""
    path = tmp_path / "kern.log"
    filler = "Nov 20 1%d:00:00 db1 app[1]: nothing of interest here\n"
    kill = "Nov 20 1%d:00:00 db1 kernel: Out of memory: Killed process %d (nginx) total-vm:1kB\n"
    text = "".join(kill % (n, 4240 + n) + filler % n * 40_000 for n in range(4))
    path.write_text(text)
    piece = open_piece(path)
    loaded = []
    real = search.Window._load
    monkeypatch.setattr(
        search.Window,
        "_load",
        lambda w, p, low, high: (loaded.append(low), real(w, p, low, high))[1],
    )
    found = SearchedLog("kernlog", piece, kernlog.KernelText(piece), WALL).events(
        Query(target=Target(Kind.NAME, "nginx"))
    )
    assert next(found).victim.pid == 4243
    assert min(loaded) > len(text) // 2
    assert [e.victim.pid for e in found] == [4242, 4241, 4240]
    piece.close()


@pytest.mark.parametrize("form", ["kern.log", "rfc3339"])
def test_only_the_window_is_read(monkeypatch, tmp_path, form):
    """Of ten days one hour is asked for: less than a fifth is searched, and a report that began before is whole."""
    path = tmp_path / "log"
    stamp = {
        "kern.log": "Nov %02d %02d:%02d:00 db1 ",
        "rfc3339": "2026-11-%02dT%02d:%02d:00.000000+00:00 db1 ",
    }[form]
    out = []
    for day in range(10, 20):
        for hour in range(24):
            head = stamp % (day, hour, 0)
            out.append(f"{head}app: nothing of interest here\n" * 400)
            out.append(f"{stamp % (day, hour, 29)}kernel: httpd invoked oom-killer: gfp_mask=0\n")
            out.append(
                f"{stamp % (day, hour, 29)}kernel: CPU: 1 PID: {day * 100 + hour} Comm: httpd Not tainted\n"
            )
            out.append(
                f"{stamp % (day, hour, 30)}kernel: Out of memory: Killed process {9000 + day * 100 + hour} (php) total-vm:10kB\n"
            )
    path.write_text("".join(out))
    os.utime(path, (1795521600, 1795521600))
    piece = open_piece(path)
    source = SearchedLog("kernlog", piece, kernlog.KernelText(piece), WALL)
    (wanted,) = [
        e for e in source.events(Query()) if isinstance(e, OomKilled) and e.victim.pid == 10512
    ]
    loaded = []
    real = search.Window._load
    monkeypatch.setattr(
        search.Window,
        "_load",
        lambda w, p, low, high: (loaded.append(high - low), real(w, p, low, high))[1],
    )
    near = Window(wanted.time_ns, wanted.time_ns + 1)
    (found,) = source.events(Query(window=near))
    assert found == wanted
    assert found.invoker.pid == 1512
    assert sum(loaded) < piece.size / 5
    piece.close()


def test_a_file_that_is_not_in_order(tmp_path):
    """Logs pasted together are read whole, and the newest still comes first."""
    path = tmp_path / "messages"
    line = "2026-11-%02dT10:00:00+00:00 db1 kernel: Out of memory: Killed process %d (php) total-vm:10kB\n"
    filler = "2026-11-%02dT10:00:00+00:00 db1 app: hello\n"
    path.write_text("".join(line % (day, day) + filler % day * 20_000 for day in (12, 14, 11, 13)))
    piece = open_piece(path)
    source = SearchedLog("kernlog", piece, kernlog.KernelText(piece), WALL)
    found = list(source.events(Query()))
    assert [e.victim.pid for e in found] == [14, 13, 12, 11]
    only = Window(found[2].time_ns, found[2].time_ns)
    assert [e.victim.pid for e in source.events(Query(window=only))] == [12]
    piece.close()


def test_a_head_that_is_far_away(tmp_path):
    """A table of 10,000 processes stands between the head and the kill: the trigger is not lost."""
    lines = OOM.splitlines()
    row = next(n for n, line in enumerate(lines) if "[  10418]" in line)
    table = lines[: row + 1] + [lines[row]] * 10_000 + lines[row + 1 :]
    piece = in_memory(("[1.0] x\n" * 100_000 + "\n".join(table) + "\n").encode())
    form = kernlog.KernelText(piece)
    found = same(piece, form, Query(pid=10418))
    assert "10422" in next(iter(found))
    piece.close()


def test_the_kill_of_another_report(tmp_path):
    """A head says nothing of a kill after its own: that one's head was lost."""
    last = OOM.splitlines()[-1].replace("10418", "555")
    piece = in_memory(f"{OOM}[13040.0] x\n{last}\n".encode())
    (found,) = SearchedLog("x", piece, kernlog.KernelText(piece), WALL).events(Query(pid=555))
    assert found.invoker is None and found.cgroup is None
    piece.close()


def test_an_entry_that_cannot_be_read_is_counted():
    """Of what was searched for, what is no JSON is said."""
    broken = entry(1, LINES[-1]).replace(b'"_PID"', b"_PID")
    piece = in_memory(entry(0, LINES[0]) + broken)
    source = SearchedLog("journal", piece, journal.JournalText(piece), WALL)
    assert list(source.events(Query())) == []
    assert source.coverage().unread.lines == 1
    piece.close()


def test_a_big_trace_without_the_pid_is_only_searched():
    """A format that is parsed whole is not parsed where no such PID or name is in it."""
    line = b"            bash-6558    [008] d..1.  2476.431621: signal_generate: sig=9 errno=0 code=0 comm=sleep pid=8784 grp=1 res=0\n"
    piece = in_memory(b"# tracer: nop\n" + line * 40_000)
    parsed = []

    def parse(of: Piece):
        parsed.append(of)
        return ftrace.parse(of)

    source = Stream("ftrace", piece, parse, WALL, plain=True)
    assert list(source.events(Query(pid=9999))) == []
    assert list(source.events(Query(target=Target(Kind.NAME, "nginx")))) == []
    assert parsed == []
    assert len(list(source.events(Query(pid=8784)))) == 40_000
    piece.close()

"""The logs of this host: opened when they are asked, the newest file first, and the ring and journal."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from killtrail._slotted import replace
from killtrail.files import opened
from killtrail.model.events import HostEvent, OomKilled, ProcessExited, SignalSent
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.sources import catalogue, host_logs
from killtrail.sources.base import Match
from killtrail.sources.logs import journal, kernlog, kmsg
from tests.sources.test_kernlog import OOM

REMOTE = Path("/usr/lib/systemd/systemd-journal-remote")
needs_journals = pytest.mark.skipif(
    not REMOTE.exists() or shutil.which("journalctl") is None,
    reason="apt-get install systemd-journal-remote",
)
KILL = (
    "2026-11-%02dT10:00:00+00:00 db1 kernel: Out of memory: Killed process %d (php) total-vm:10kB\n"
)
DAY = 86_400
THE_10TH = 1794268800
"""2026-11-10T00:00:00Z."""


def test_every_format_with_places_is_opened():
    """A new format that a host keeps has to be named there, too."""
    placed = {d.id for d in catalogue.formats() if d.places}
    assert placed == {catalogue.load(module).id for module in host_logs.KEPT} | {journal.ID}


@pytest.fixture
def messages(tmp_path, monkeypatch):
    """messages, messages.1 and messages-20261110.gz, a kill in each."""
    old = tmp_path / "messages-20261110.gz"
    old.write_bytes(gzip.compress((KILL % (10, 1)).encode()))
    (tmp_path / "messages.1").write_text(KILL % (11, 2))
    (tmp_path / "messages").write_text(KILL % (12, 3))
    for name, day in (("messages-20261110.gz", 1), ("messages.1", 2), ("messages", 3)):
        os.utime(tmp_path / name, (THE_10TH + day * DAY,) * 2)
    real = kernlog.DESCRIPTOR
    placed = replace(real, places=(f"{tmp_path}/messages*",))
    monkeypatch.setattr(kernlog, "DESCRIPTOR", placed)
    monkeypatch.setattr(host_logs, "KEPT", ("killtrail.sources.logs.kernlog",))
    monkeypatch.setattr(host_logs, "_ring", list)
    monkeypatch.setattr(host_logs, "_journal", lambda **_: [])
    monkeypatch.delenv("KILLTRAIL_LOGS", raising=False)
    touched: list[str] = []
    monkeypatch.setattr(
        host_logs,
        "open_piece",
        lambda path: (touched.append(os.path.basename(path)), opened.open_piece(path))[1],
    )
    return touched


def test_nothing_is_opened_before_it_is_asked(messages):
    """And then only as far back as the answer lies: the packed file is not unpacked."""
    (source,) = host_logs.open_all()
    assert messages == []
    found = source.events(Query())
    assert next(found).victim.pid == 3
    assert messages == ["messages"]
    assert [e.victim.pid for e in found] == [2, 1]
    assert messages == ["messages", "messages.1", "messages-20261110.gz"]
    source.close()


def test_files_from_before_the_window_are_left_out(messages):
    """What was last written to before the window begins holds nothing of it."""
    since = (THE_10TH + 2 * DAY - 3600) * 10**9
    (source,) = host_logs.open_all(Window(since))
    assert [os.path.basename(name) for name in source.names] == ["messages", "messages.1"]
    source.close()


def test_other_files_by_name(messages, tmp_path, monkeypatch):
    """KILLTRAIL_LOGS instead of the host's own."""
    monkeypatch.setenv("KILLTRAIL_LOGS", f"{tmp_path}/messages.1:{tmp_path}/gone")
    (source,) = host_logs.open_all()
    assert [e.victim.pid for e in source.events(Query())] == [2]
    source.close()


def test_a_file_that_is_something_else(messages, tmp_path):
    """What lies in a log's place and is none gives nothing."""
    (tmp_path / "messages").write_bytes(b"\0\1\2" * 100)
    (source,) = host_logs.open_all()
    assert {e.victim.pid for e in source.events(Query())} == {1, 2}
    source.close()


def test_the_ring(monkeypatch):
    """Records of the kernel alone, on this boot's clock; those of root's own are left out."""
    lines = [
        f"6,{n},{n}000000,-;{line.partition('] ')[2]}\n"
        for n, line in enumerate(OOM.splitlines(), 1)
    ]
    lines.append("14,99,99000000,-;Out of memory: Killed process 77 (innocent) total-vm:1kB\n")
    records = iter(line.encode() for line in lines)
    asked = []
    monkeypatch.setattr(
        kmsg, "_open", lambda: (asked.append(1), os.open("/dev/null", os.O_RDONLY))[1]
    )

    def read(_fd: int, _size: int) -> bytes:
        try:
            return next(records)
        except StopIteration:
            raise BlockingIOError from None

    (ring,) = kmsg.open_here()
    assert asked == []
    monkeypatch.setattr(kmsg.os, "read", read)
    (kill,) = ring.events(Query(kinds=(OomKilled,)))
    monkeypatch.undo()
    assert (kill.victim.pid, kill.invoker.pid, kill.time_ns) == (10418, 10422, 10 * 10**9)
    assert ring.host.boot.offset_ns is not None
    ring.close()


ENTRIES = [
    ("kernel", None, "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)"),
    *(("kernel", None, line.partition("] ")[2]) for line in OOM.splitlines()),
    ("systemd", "python3.service", "python3.service: Failed with result 'oom-kill'."),
    ("systemd", "app.service", "app.service: Killing process 4242 (app) with signal SIGKILL."),
    ("mallory", None, "app.service: Killing process 1 (innocent) with signal SIGKILL."),
    ("systemd", "app.service", "app.service: Main process exited, code=killed, status=9/KILL"),
    ("kernel", None, "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nginx:4242]"),
    ("kernel", None, "CPU: 0 PID: 4242 Comm: nginx Not tainted 6.1.0 #1"),
    ("cups", None, "the last words"),
    ("kernel", None, "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)"),
    ("sshd", None, "Accepted publickey for alice from 192.0.2.7 port 4242 ssh2"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A journal file with these entries, a second apart."""
    path = tmp_path_factory.mktemp("journal") / "a.journal"
    text = ""
    for number, (tag, unit, message) in enumerate(ENTRIES):
        fields = {
            "__REALTIME_TIMESTAMP": 1_795_267_000_000_000 + number * 1_000_000,
            "__MONOTONIC_TIMESTAMP": 1_000_000 * (number + 1),
            "_BOOT_ID": "0" * 31 + "1",
            "_TRANSPORT": "kernel" if tag == "kernel" else "journal",
            "_HOSTNAME": "db1",
            "SYSLOG_IDENTIFIER": tag,
            "MESSAGE": message,
            "_PID": {"systemd": "1", "kernel": ""}.get(tag, "77"),
            "UNIT": unit or "",
        }
        text += "".join(f"{k}={v}\n" for k, v in fields.items() if v != "") + "\n"
    subprocess.run(
        [REMOTE, f"--output={path}", "-"], input=text.encode(), check=True, capture_output=True
    )
    return path


def ask(path, query):
    """Of all journal files in a folder."""
    pieces = [opened.open_piece(path)]
    assert journal.DESCRIPTOR.looks(pieces[0], pieces[0].head()) is Match.WHOLE
    (source,) = journal.DESCRIPTOR.open_files(pieces).sources
    return list(source.events(query))


@needs_journals
def test_journal_files(made):
    """Every kind of event, the newest first, whole reports."""
    found = ask(made, Query())
    assert [e.time_ns for e in found] == sorted((e.time_ns for e in found), reverse=True)
    kill = next(e for e in found if isinstance(e, OomKilled) and e.victim.pid == 10418)
    assert (kill.invoker.pid, kill.candidates, kill.cgroup) == (10422, 2, "/kt-1")
    lockup = next(e for e in found if isinstance(e, HostEvent) and "lockup" in e.text)
    assert lockup.process.pid == 4242
    assert "the last words" in [
        e.text for e in found if isinstance(e, HostEvent) and e.kind == "ran"
    ]
    assert [e.target.pid for e in found if isinstance(e, SignalSent)] == [4242]


@needs_journals
def test_a_unit_in_a_journal(made):
    """What systemd and the kernel say of one unit; another's is left out."""
    found = ask(made, Query(target=Target(Kind.UNIT, "app.service")))
    assert [type(e) for e in found] == [ProcessExited, SignalSent]
    found = ask(made, Query(target=Target(Kind.UNIT, "python3.service")))
    assert [type(e) for e in found] == [OomKilled]


@needs_journals
def test_a_span_of_time_in_a_journal(made):
    """A report that began before it is whole."""
    kill = next(e for e in ask(made, Query(pid=10418)) if isinstance(e, OomKilled))
    (same,) = ask(made, Query(kinds=(OomKilled,), window=Window(kill.time_ns, kill.time_ns + 10)))
    assert same == kill


@needs_journals
def test_a_journal_of_many_reports(tmp_path):
    """Batches and reports that cross them give each kill once, with its own head."""
    text = ""
    for number in range(400):
        pid, trigger = 20_000 + number, 50_000 + number
        report = (
            "httpd invoked oom-killer: gfp_mask=0xcc0",
            f"CPU: 1 PID: {trigger} Comm: httpd Not tainted 6.1",
            f"Out of memory: Killed process {pid} (php) total-vm:10kB",
        )
        for line, message in enumerate(report):
            at = 1_795_267_000_000_000 + number * 1_000_000 + line
            text += (
                f"__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={at}\n_BOOT_ID={'0' * 31}1\n"
                f"_TRANSPORT=kernel\nMESSAGE={message}\n\n"
            )
    path = tmp_path / "a.journal"
    subprocess.run(
        [REMOTE, f"--output={path}", "-"], input=text.encode(), check=True, capture_output=True
    )
    found = ask(path, Query(kinds=(OomKilled,)))
    assert [e.victim.pid for e in found] == list(range(20_399, 19_999, -1))
    assert all(e.invoker.pid == e.victim.pid + 30_000 for e in found)
    since = Window((1_795_267_000 + 100) * 10**9)
    some = ask(path, Query(kinds=(OomKilled,), window=since))
    assert [e.victim.pid for e in some] == list(range(20_399, 20_099, -1))


def test_broken_journal_file(tmp_path):
    """It says so, and gives nothing."""
    path = tmp_path / "a.journal"
    path.write_bytes(journal.MAGIC + b"\0" * 500)
    opened_ = journal.DESCRIPTOR.open_files([opened.open_piece(path)])
    if opened_.problems:
        assert "journalctl" in opened_.problems[0][1]
        return
    (source,) = opened_.sources
    assert list(source.events(Query())) == []
    assert source.coverage().problems
    assert source.coverage().unread

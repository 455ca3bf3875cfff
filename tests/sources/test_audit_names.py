"""Audit logs asked by name, by sender, by kind and in a window: the same as a plain reader finds."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.files import search
from killtrail.files.opened import open_piece
from killtrail.model import manager_clients
from killtrail.model.clock import NS
from killtrail.model.events import (
    Event,
    HostEvent,
    LoginSeen,
    ManagerAsked,
    OomKilled,
    ProcessExited,
    SignalSent,
)
from killtrail.model.process import Key
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.sources.logs.audit import names
from killtrail.sources.logs.audit.log import AuditLog
from tests.conftest import ROOT
from tests.sources import reference, variants


def written(folder: Path, text: bytes) -> AuditLog:
    path = folder / "audit.log"
    path.write_bytes(text)
    return AuditLog([open_piece(path)])


def plain(event: Event) -> tuple[str, int, str]:
    """An event as the plain reader gives it."""
    stamp = event.origin.where.rpartition("(")[2].rstrip(")")
    if isinstance(event, SignalSent):
        return (stamp, event.target.pid, "kill")
    assert isinstance(event, ProcessExited)
    return (stamp, event.process.pid, "crash" if event.signal else "exit")


def by_name(log: AuditLog, kind: Kind, name: str, newest: int | None = None) -> list[Event]:
    found = list(log.events(Query(target=Target(kind, name), newest=newest)))
    assert [e.time_ns for e in found] == sorted((e.time_ns for e in found), reverse=True)
    return found


@pytest.fixture
def windows(monkeypatch) -> list[int]:
    """The size of each window that is read."""
    read: list[int] = []
    load = search.Window._load

    def counted(self, piece, low, high):
        read.append(high - low)
        load(self, piece, low, high)

    monkeypatch.setattr(search.Window, "_load", counted)
    return read


@pytest.mark.parametrize("form", sorted(variants.ALL))
@pytest.mark.parametrize("size", [4096, 1 << 20])
def test_names_of_the_real_sample(tmp_path, monkeypatch, form, size):
    """Every form of the log gives the deaths under a name that the plain reader finds, newest first."""
    monkeypatch.setattr(search.Window.__init__, "__defaults__", (size,))
    monkeypatch.setattr(names, "_EXECS_MOST", 1 << 20)
    log = written(tmp_path, variants.ALL[form]())
    source = variants.few_pids() if form == "few-pids" else variants.raw()
    text = source.decode("utf-8", "surrogateescape")
    for kind, name in (("comm", "sleep"), ("name", "sh"), ("exe", "dash"), ("name", "python3"), ("name", "nginx")):  # fmt: skip
        found = by_name(log, Kind(kind), name)
        assert sorted(map(plain, found)) == sorted(reference.named(text, kind, name)), (kind, name)
        some = by_name(log, Kind(kind), name, newest=3)
        direct = [e for e in found if isinstance(e, SignalSent) and e.target.comm == name]
        if kind == "comm":
            assert some == found == direct
        elif kind == "name":
            assert [e for e in some if e in direct] == direct


NAMES = [
    "app",
    "Web Content",
    'a"b',
    "caf\u00e9",
    "a-name-of-twenty-chr",
    "a",
    "kworker/0:1",
    "x=y",
]
FOLDERS = ["/bin", "/opt/with blank", "/usr/lib/app"]
STEP = st.tuples(
    st.sampled_from(["exec", "failed", "kill", "refused", "null", "exit", "abend", "other"]),
    st.integers(2, 4),
    st.integers(2, 4),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from(FOLDERS),
    st.sampled_from(NAMES),
    st.sampled_from([0, 0, 3, 2000]),
)
CALL = (
    "type=SYSCALL msg={stamp}: arch=c000003e syscall={nr} success={ok} exit={exit} a0={a0:x} a1={a1:x} a2=0 a3=0"
    " items=0 ppid=1 pid={pid} auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1"
    " comm={comm} exe={exe} key=(null)\n"
)


def kernel(name: str) -> str:
    """As audit_log_untrustedstring writes it."""
    raw = name.encode()
    if any(byte < 0x21 or byte > 0x7E or byte == 0x22 for byte in raw):
        return raw.hex().upper()
    return f'"{name}"'


def short(name: str) -> str:
    return name[:15]


def a_log(steps) -> str:
    lines, at = [], 1_000_000
    for serial, (what, pid, other, comm, word, folder, file, later) in enumerate(steps, 1):
        at += later
        stamp = f"audit({at // 1000}.{at % 1000:03d}:{serial})"
        exe = f"{folder}/{file}"
        values = {
            "stamp": stamp, "pid": pid, "comm": kernel(short(comm)), "exe": kernel(exe), "ok": "yes",
            "exit": 0, "a0": other, "a1": 9, "nr": 62,
        }  # fmt: skip
        if what in ("exec", "failed"):
            values["nr"] = 59
        changes = {
                "failed": {"ok": "no", "exit": -2},
                "refused": {"ok": "no", "exit": -1},
                "null": {"a1": 0},
                "exit": {"nr": 231},
                "other": {"nr": 257},
        }  # fmt: skip
        values.update(changes.get(what, {}))
        if what == "abend":
            lines.append(
                f"type=ANOM_ABEND msg={stamp}: auid=0 uid=0 gid=0 ses=1 pid={pid} comm={kernel(short(comm))}"
                f" exe={kernel(exe)} sig=11 res=1\n"
            )
            continue
        lines.append(CALL.format(**values))
        if what == "exec":
            lines.append(
                f"type=EXECVE msg={stamp}: argc=2 a0={kernel(folder + '/' + word)} a1={kernel(file)}\n"
            )
        if what in ("kill", "refused", "null"):
            lines.append(
                f"type=OBJ_PID msg={stamp}: opid={other} oauid=0 ouid=0 oses=1 ocomm={kernel(short(word))}\n"
            )
        lines.append(f"type=PATH msg={stamp}: item=0 name={kernel(exe)} inode=1\n")
    return "".join(lines)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(STEP, max_size=30),
    st.sampled_from(["comm", "exe", "name"]),
    st.sampled_from([*NAMES, "/bin/app", "/opt/with blank/app"]),
    st.sampled_from([256, 1 << 20]),
)
def test_any_processes(tmp_path_factory, steps, kind, name, size):
    """Whatever processes did under whatever names: neither more nor less than the plain reader finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search.Window.__init__, "__defaults__", (size,))
        text = a_log(steps)
        log = written(tmp_path_factory.mktemp("any"), text.encode())
        try:
            found = [plain(e) for e in by_name(log, Kind(kind), name)]
            assert sorted(found) == sorted(reference.named(text, kind, name))
            assert log.coverage().unread.lines == 0
        finally:
            log.close()


def step(what: str, pid: int, other: int = 2, comm: str = "sh", word: str = "sh", file: str = "sh"):
    return (what, pid, other, comm, word, "/bin", file, 2000)


def test_renamed_since_its_exec(tmp_path):
    """Who calls itself something else is found by its program, and named by it."""
    steps = [
        step("exec", 7, comm="gunicorn", word="python3", file="python3.11"),
        step("kill", 5, 7, word="worker 3"),
        step("kill", 5, 8, word="worker 3"),
    ]
    log = written(tmp_path, a_log(steps).encode())
    for kind, name in ((Kind.NAME, "python3.11"), (Kind.EXE, "python3.11"), (Kind.NAME, "python3")):
        (hit,) = by_name(log, kind, name)
        assert (hit.target.pid, hit.target.comm, hit.target.exe) == (
            7,
            "worker 3",
            "/bin/python3.11",
        )
        assert hit.target.argv.words[0] == "/bin/python3"
    assert by_name(log, Kind.COMM, "gunicorn") == []


def test_a_log_in_pieces(tmp_path):
    """The exec stands in an older file than the kill: one log."""
    steps = [
        step("exec", 7, comm="gunicorn", word="python3", file="python3.11"),
        step("kill", 5, 7, word="worker 3"),
    ]
    before, _, after = a_log(steps).partition("type=SYSCALL msg=audit(1004")
    (tmp_path / "audit.log.1").write_text(before)
    (tmp_path / "audit.log").write_text(f"type=SYSCALL msg=audit(1004{after}")
    log = AuditLog([open_piece(tmp_path / name) for name in ("audit.log", "audit.log.1")])
    (hit,) = by_name(log, Kind.NAME, "python3", newest=1)
    assert (hit.target.pid, hit.target.comm) == (7, "worker 3")


@pytest.mark.parametrize("query", [Query(pid=7), Query()])
def test_gaps_are_known_from_the_first_event_on(tmp_path, query):
    """When auditd was not there is known to who stops reading early, too."""
    end = (
        "type=DAEMON_END msg=audit(1003.000:1): op=terminate auid=0 pid=1 uid=0 ses=1 res=success\n"
    )
    log = written(tmp_path, (end + a_log([step("exec", 7), step("kill", 5, 7)])).encode())
    next(log.events(query))
    assert ["1003.000:1" in gap for gap in log.coverage().gaps] == [True]


def test_a_pid_that_runs_another_program_by_now(tmp_path):
    """A later record of the PID with another program: the exec was an earlier process's."""
    own, others = (step("other", 7, comm=name, file=name) for name in ("gunicorn", "cron"))
    begin, end = step("exec", 7, comm="gunicorn", file="gunicorn"), step("kill", 5, 7, word="cron")
    for since, count in (
        ([], 1),
        ([own], 1),
        ([others], 0),
        ([own, others], 0),
        ([others, own], 0),
    ):
        log = written(tmp_path, a_log([begin, *since, end]).encode())
        assert len(by_name(log, Kind.NAME, "gunicorn")) == count, since


@pytest.mark.parametrize("size", range(64, 600, 7))
def test_lines_across_windows(tmp_path, monkeypatch, size):
    """A record that two windows share counts once."""
    monkeypatch.setattr(search.Window.__init__, "__defaults__", (size,))
    steps = [step("exit", 7 + n, comm="app", file="app") for n in range(20)]
    log = written(tmp_path, a_log(steps).encode())
    assert [e.process.pid for e in by_name(log, Kind.NAME, "app")] == [
        7 + n for n in reversed(range(20))
    ]


def test_forged_names_are_text(tmp_path):
    """A name inside somebody's text, file name or behind a stranger's tag is no victim's."""
    record = 'OBJ_PID msg=audit(2.000:2): opid=7 oauid=0 ouid=0 oses=1 ocomm="nginx"'
    call = CALL.format(stamp="audit(2.000:2)", nr=62, ok="yes", exit=0, a0=7, a1=9, pid=5, comm='"sh"', exe='"/bin/sh"')  # fmt: skip
    text = (
        f"{call}type=USER msg=audit(2.000:2): pid=9 uid=1000 msg='text=\"type={record}\"'\n"
        f"Nov 20 11:00:00 web1 mallory: type={record}\n"
        f'type=PATH msg=audit(2.000:2): name="type={record} " inode=1\n'
        'type=CWD msg=audit(2.000:2): cwd="/nginx"\n'
    )
    log = written(tmp_path, text.encode())
    assert by_name(log, Kind.NAME, "nginx") == []
    assert log.coverage().unread.lines == 0


def test_what_could_not_be_read_counts(tmp_path):
    """A damaged record that was looked at counts, once however often it is asked about."""
    good = a_log([step("exit", 7, comm="app", file="app")])
    bad = good.replace(" auid=0 uid=0", " auid=0 u\0d=0").replace(":1)", ":2)")
    log = written(tmp_path, (good + bad).encode())
    for _ in range(2):
        assert len(by_name(log, Kind.NAME, "app")) == 1
    damaged = next(line for line in bad.splitlines(keepends=True))
    assert (log.coverage().unread.lines, log.coverage().unread.bytes) == (1, len(damaged))


@pytest.mark.parametrize("target", [Target(Kind.UNIT, "a.service"), Target(Kind.HOST, "host"), Target(Kind.CONTAINER, "abc")])  # fmt: skip
def test_names_that_audit_has_not(tmp_path, windows, target):
    """It has no cgroups and nothing about the host: nothing is read for them."""
    log = written(tmp_path, variants.raw())
    assert list(log.events(Query(target=target))) == []
    assert windows == []


@pytest.mark.parametrize(
    "query",
    [
        Query(kinds=(HostEvent, LoginSeen, OomKilled)),
        Query(kinds=(ManagerAsked,), pid=26171),
        Query(parent=1),
        Query(pipe=3),
        Query(window=Window(2, 1)),
    ],
)
def test_kinds_that_audit_has_not(tmp_path, windows, query):
    """Nothing is read for events that no audit record makes."""
    log = written(tmp_path, variants.raw())
    assert list(log.events(query)) == []
    assert windows == []


def test_one_answer_reads_one_window(tmp_path, windows):
    """Who takes one death has paid for one; a window of time costs the window, not the file."""
    log = written(tmp_path, variants.raw() * 8)
    size = 8 * len(variants.raw())
    last = next(log.events(Query()))
    assert sum(windows) <= 2 << 20 < size // 2
    windows.clear()
    assert next(log.events(Query(target=Target(Kind.COMM, last.target.comm), newest=1))) == last
    assert sum(windows) <= 2 << 20
    windows.clear()
    # The end of the log alone: its copies have the same times.
    moment = Window(last.time_ns + 10 * NS, last.time_ns + 20 * NS)
    assert list(log.events(Query(pid=last.target.pid, window=moment, launchers=False))) == []
    assert sum(windows) <= 4 << 20


def test_a_small_window_costs_the_window(tmp_path, windows):
    """By PID or by sender, with the launchers left out."""
    steps = [step("kill", 5, 1000 + n) for n in range(20_000)]
    log = written(tmp_path, a_log(steps).encode())
    at = 1_000 + 2 * 10_000
    window = Window((at - 10) * NS, (at + 10) * NS)
    found = list(log.events(Query(kinds=(SignalSent,), window=window)))
    assert len(found) == 11
    mid = found[5].target.pid
    windows.clear()
    query = Query(pid=mid, kinds=(SignalSent,), window=window, launchers=False)
    assert [e.target.pid for e in log.events(query)] == [mid]
    own = Query(sender=Key(5, None), kinds=(SignalSent,), window=window)
    assert list(log.events(own)) == found
    assert sum(windows) < 200_000


def test_signals_of_a_sender(tmp_path):
    """All that one process sent, to whomever, as the plain reader has it."""
    text = variants.raw()
    log = written(tmp_path, text)
    kills = reference.kills(text.decode("utf-8", "surrogateescape"))
    senders = [sender for _, sender, _, _ in kills]
    for sender in sorted(set(senders), key=senders.count)[-3:]:
        found = [
            e for e in log.events(Query(sender=Key(sender, None))) if isinstance(e, SignalSent)
        ]
        ours = sorted((e.call_id, e.target.pid) for e in found if e.target.comm)
        assert ours == sorted((event, victim) for event, by, victim, _ in kills if by == sender)


def test_the_newest_first_in_a_log_out_of_order(tmp_path, monkeypatch):
    """Records may stand a tenth of a second apart: the stamps have the order, within a tick the serial."""
    monkeypatch.setattr(search.Window.__init__, "__defaults__", (1000,))
    lines = a_log([(*step("kill", 5, 100 + n)[:-1], 10 if n % 3 else 0) for n in range(3000)])
    events = re.findall(r"(?:type=SYSCALL.*\n)(?:type=(?!SYSCALL).*\n)*", lines)
    shuffle = random.Random(20)
    mixed = [e for n in range(0, 3000, 20) for e in shuffle.sample(events[n : n + 20], 20)]
    found = list(written(tmp_path, "".join(mixed).encode()).events(Query()))
    assert [e.target.pid for e in found] == [100 + n for n in reversed(range(3000))]


def test_the_table_of_clients_is_the_recorders():
    """What the recorder in the kernel takes for a request is what logs are searched for."""
    text = (ROOT / "bpf/tasks.h").read_text()

    def literals(name: str, part: str) -> set[str]:
        return {
            "".join(re.findall(r"'(.)'", word))
            for word in re.findall(rf"case {name}\((.*?)\)", part)
        }

    body = text[text.index("asks_a_manager(") :]
    alone, clients = body.split("return true;", 1)
    assert literals("NAME", alone) == manager_clients.ALONE
    assert literals("NAME", clients) == manager_clients.CLIENTS
    assert literals("WORD", text) == {*manager_clients.VERBS, f"{manager_clients.REMOVES}-"}


def client(stamp: str, comm: str, *words: str, pid: int = 9, ppid: int = 8) -> str:
    call = CALL.format(stamp=stamp, nr=59, ok="yes", exit=0, a0=1, a1=2, pid=pid, comm=f'"{comm}"', exe=f'"/usr/bin/{comm}"')  # fmt: skip
    argv = " ".join(f'a{n}="{word}"' for n, word in enumerate(words))
    call = call.replace("ppid=1 ", f"ppid={ppid} ")
    return f"{call}type=EXECVE msg={stamp}: argc={len(words)} {argv}\n"


def test_requests_to_managers(tmp_path):
    """Clients with a verb that ends something, with their launchers, in the window alone."""
    text = (
        client("audit(10.000:1)", "bash", "bash", pid=8, ppid=7)
        + client("audit(11.000:2)", "systemctl", "systemctl", "stop", "early.service", pid=4)
        + client("audit(100.000:3)", "systemctl", "systemctl", "restart", "web.service")
        + client("audit(100.004:4)", "systemctl", "systemctl", "status", "web.service")
        + client("audit(100.008:5)", "reboot", "reboot", pid=10)
        + client("audit(100.012:6)", "docker", "docker", "rm", "-f", "db", pid=11)
        + client("audit(100.016:7)", "docker", "docker", "rm", "db", pid=12)
        + client("audit(100.020:8)", "dockerd", "dockerd", "stop", pid=13)
    )
    log = written(tmp_path, text.encode())
    window = Window(90 * NS, 200 * NS)
    found = list(log.events(Query(kinds=(ManagerAsked,), window=window)))
    assert [e.process.argv.words[:2] for e in found] == [
        ("docker", "rm"), ("reboot",), ("systemctl", "restart"),
    ]  # fmt: skip
    # The shell was started before the window: what lies in front of it is not read for it.
    assert {tuple(p.pid for p in e.lineage) for e in found} <= {(8,), (8, 7)}
    every = list(log.events(Query(kinds=(ManagerAsked,))))
    assert every[-1].lineage[0].argv.words == ("bash",)
    assert [p.pid for p in every[-1].lineage] == [8, 7]
    assert not any(isinstance(e, ManagerAsked) for e in log.events(Query()))

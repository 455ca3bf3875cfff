"""The search of audit logs, against a plain reader; and what hostile logs do to it."""

import bz2
import gzip
import lzma
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.files import search
from killtrail.files.opened import open_piece
from killtrail.model.events import (
    ManagerAsked,
    ProcessExited,
    Sighting,
    SignalRefused,
    SignalSent,
)
from killtrail.model.process import Key
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.sources.logs.audit.log import AuditLog
from tests.conftest import ROOT
from tests.sources import reference, variants

STAMP = "1795170889.842"


def opened(path: Path) -> AuditLog:
    return AuditLog([open_piece(path)])


def written(tmp_path: Path, text: bytes) -> AuditLog:
    path = tmp_path / "audit.log"
    path.write_bytes(text)
    return opened(path)


def event_of(signal: SignalSent) -> str:
    return signal.call_id


@pytest.fixture(params=sorted(variants.ALL))
def variant(request, tmp_path):
    """A log in one of its forms, and the same as plain text."""
    path = tmp_path / "audit.log"
    path.write_bytes(variants.ALL[request.param]())
    plain = variants.few_pids() if request.param == "few-pids" else variants.raw()
    return opened(path), plain.decode("utf-8", "surrogateescape")


def test_all_kills(variant):
    """Every form gives every kill that the plain reader finds, once."""
    log, plain = variant
    found = [e for e in log.events(Query()) if isinstance(e, SignalSent)]
    ours = sorted((event_of(e), e.current.pid, e.target.pid, e.sig) for e in found)
    assert ours == sorted(reference.kills(plain))


@pytest.mark.parametrize("window", [4096, 100_000, 1 << 20])
def test_chains(variant, window, monkeypatch):
    """Sampled kills have the launchers that a table of all execs gives, whatever the window."""
    monkeypatch.setattr(search.Window.__init__, "__defaults__", (window,))
    log, plain = variant
    wanted = reference.kills(plain)
    for event, sender, victim, sig in random.Random(window).sample(wanted, 9):
        own = [e for e in log.events(Query(pid=victim)) if isinstance(e, SignalSent)]
        hit = next(e for e in own if event_of(e) == event)
        assert (hit.current.pid, hit.sig) == (sender, sig)
        execs = [(s.process.pid, s.origin.where) for s in hit.log.chain if s.how is Sighting.EXEC]
        for (pid, where), (true_pid, true_event) in zip(
            execs, reference.launchers(plain, event), strict=False
        ):
            assert pid == true_pid
            assert true_event in where


def test_argv_in_several_records(tmp_path):
    """A long command line is put together from its EXECVE records; hex and parts are undone."""
    log = written(
        tmp_path,
        b"""type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=5 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="kill" exe="/bin/kill" key=(null)
type=EXECVE msg=audit(1.000:1): argc=3 a0="kill" a1_len=8 a1[0]=2D39
type=EXECVE msg=audit(1.000:1):  a1[1]=2038 a2="--password=hush"
type=SYSCALL msg=audit(2.000:2): arch=c000003e syscall=62 success=yes exit=0 a0=9 a1=9 a2=0 a3=0 items=0 ppid=5 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="kill" exe="/bin/kill" key=(null)
type=OBJ_PID msg=audit(2.000:2): opid=9 oauid=0 ouid=0 oses=1 ocomm="sleep"
""",
    )
    (hit,) = log.events(Query(pid=9))
    assert hit.current.argv.words == ("kill", "-9 8", "--password=***")
    assert not hit.current.argv.cut


FORGED = (
    b"type=USER msg=audit(3.000:3): pid=9 uid=1000 msg='text=\"type=OBJ_PID msg=audit(2.000:2):"
    b' opid=77 oauid=0 ouid=0 oses=1 ocomm="x"\'\n'
    b"Nov 20 11:00:00 web1 mallory: type=OBJ_PID msg=audit(2.000:2): opid=77 oauid=0 ouid=0 oses=1\n"
    b'type=PATH msg=audit(2.000:2): name="type=OBJ_PID msg=audit(2.000:2): opid=77 "\n'
)


def test_forged_records_are_text(tmp_path):
    """What looks like a record inside another's field, or behind a stranger's tag, is none."""
    log = written(tmp_path, variants.raw()[:200_000].rpartition(b"\n")[0] + b"\n" + FORGED)
    assert list(log.events(Query(pid=77))) == []


def test_refused_of_a_broadcast(tmp_path):
    """A broadcast lists whom it could not signal too: those are no victims."""
    log = written(
        tmp_path,
        b"""type=SYSCALL msg=audit(2.000:2): arch=c000003e syscall=62 success=yes exit=0 a0=ffffffffffffffff a1=9 a2=0 a3=0 items=0 ppid=5 pid=7 auid=1000 uid=1000 gid=0 euid=1000 suid=1000 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="sh" exe="/bin/sh" key=(null)
type=OBJ_PID msg=audit(2.000:2): opid=9 oauid=0 ouid=0 oses=1 ocomm="rootd"
type=OBJ_PID msg=audit(2.000:2): opid=10 oauid=1000 ouid=1000 oses=1 ocomm="mine"
""",
    )
    assert [type(e) for e in log.events(Query(pid=9))] == [SignalRefused]
    assert [type(e) for e in log.events(Query(pid=10))] == [SignalSent]


def test_crash_and_sandbox(tmp_path):
    """ANOM_ABEND is an end without a sender; SECCOMP one with its call."""
    log = written(
        tmp_path,
        b"""type=ANOM_ABEND msg=audit(2.000:2): auid=1000 uid=1000 gid=1000 ses=1 pid=9 comm="app" exe="/opt/app" sig=11 res=1
type=SECCOMP msg=audit(3.000:3): auid=1000 uid=1000 gid=1000 ses=1 pid=10 comm="app" exe="/opt/app" sig=31 arch=c000003e syscall=110 compat=0 ip=0x7f code=0x80000000
""",
    )
    (end,) = log.events(Query(pid=9))
    assert isinstance(end, ProcessExited) and end.signal == 11
    end, sent = log.events(Query(pid=10))
    assert sent.syscall.number == 110 and sent.same_group and end.signal == 31


def test_marks_among_letters_like_theirs(tmp_path):
    """Arguments full of `M` neither hide a crash nor make one up."""
    crash = b'type=ANOM_ABEND msg=audit(%d.000:2): auid=0 uid=0 gid=0 ses=1 pid=9 comm="a" exe="/a" sig=11 res=1\n'
    full = b'type=EXECVE msg=audit(1.000:1): argc=1 a0="' + b"ANOM_ABEND M" * 5_000 + b'"\n'
    log = written(tmp_path, crash % 1 + full + crash % 2 + full + crash % 3)
    ends = [e for e in log.events(Query()) if isinstance(e, ProcessExited)]
    assert [e.time_ns // 10**9 for e in ends] == [3, 2, 1]


def test_a_name_that_poses_as_enrichment(tmp_path):
    """Users' names are believed where auditd wrote them, not inside a name that a process gave itself."""
    kill = KILL.format(at=100, by=5).encode()
    posing = kill.replace(b'comm="sh"', b'comm="#035UID=root"')
    assert posing != kill
    (hit,) = [
        e for e in written(tmp_path, posing).events(Query(pid=9)) if isinstance(e, SignalSent)
    ]
    assert (hit.current.comm, hit.current.user) == ("#035UID=root", "")


def test_a_title_far_behind_its_call(tmp_path):
    """Other events' records may stand between a call and the title of whoever made it."""
    call, target = KILL.format(at=100, by=5).encode().splitlines(keepends=True)
    between = b'type=CWD msg=audit(99.000:1): cwd="/"\n' * 400
    title = (
        b"type=PROCTITLE msg=audit(100.000:100): proctitle=" + b"sh\x00-c".hex().upper().encode()
    )
    log = written(tmp_path, call + target + between + title + b"\n")
    (hit,) = [e for e in log.events(Query(pid=9)) if isinstance(e, SignalSent)]
    assert hit.current.argv is not None and hit.current.argv.words == ("sh", "-c")


@pytest.mark.parametrize("cut", range(0, 2000, 37))
def test_cut_anywhere(tmp_path, cut):
    """A log that ends anywhere gives what stands before, and no exception."""
    text = variants.raw()[20_000:40_000]
    list(written(tmp_path, text[: len(text) - cut]).events(Query()))


def test_a_record_of_a_mebibyte(tmp_path):
    """A line longer than every window is passed over without being held up."""
    text = variants.raw()
    big = b"type=EXECVE msg=audit(1.000:1): argc=1 a0=" + b"4A" * (1 << 20) + b"\n"
    plain = text.decode("utf-8", "surrogateescape")
    log = written(tmp_path, big + text + big)
    assert len([e for e in log.events(Query()) if isinstance(e, SignalSent)]) == len(
        reference.kills(plain)
    )


def test_full_of_the_rare_byte(tmp_path):
    """A log full of the byte that the search goes by is searched by the whole token instead."""
    noise = b'type=CWD msg=audit(1.000:1): cwd="' + b"J" * 4000 + b'"\n'
    text = variants.raw()
    log = written(tmp_path, noise * 400 + text + noise * 400)
    found = [e for e in log.events(Query()) if isinstance(e, SignalSent)]
    assert len(found) == len(reference.kills(text.decode("utf-8", "surrogateescape")))


def test_two_hosts_in_one_log(killtrail, tmp_path):
    """One number on two machines is two deaths; --node takes one of them."""
    text = variants.raw()
    victim = reference.kills(text.decode("utf-8", "surrogateescape"))[0][2]
    both = b"".join(
        b"node=%s %s\n" % (name, line) for line in text.splitlines() for name in (b"a1", b"b2")
    )
    (tmp_path / "audit.log").write_bytes(both)
    found = killtrail.verdicts("why", str(victim), "--from", str(tmp_path))
    assert sorted({v["host"]["name"] for v in found}) == ["a1", "b2"]
    one = killtrail.verdicts("why", str(victim), "--from", str(tmp_path), "--node", "b2")
    assert {v["host"]["name"] for v in one} == {"b2"}


def test_two_hosts_that_are_not_named(killtrail, tmp_path):
    """Logs of one file name side by side are two machines': nobody's sender or launcher crosses over."""
    text = variants.raw()
    victim = reference.kills(text.decode("utf-8", "surrogateescape"))[0][2]
    lines = text.splitlines(keepends=True)
    for name, part in (("a1", lines), ("b2", [x for x in lines if b"EXECVE" not in x])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "audit.log").write_bytes(b"".join(part))
    alone = killtrail.verdicts("why", str(victim), "--from", str(tmp_path / "b2"))
    both = killtrail.verdicts("why", str(victim), "--from", str(tmp_path))
    first = killtrail.verdicts("why", str(victim), "--from", str(tmp_path / "a1"))
    assert [v["ancestry"] for v in both] == [v["ancestry"] for v in first + alone]


def test_rotated_and_packed(killtrail, tmp_path):
    """A log in pieces, some of them packed, is one log: the chain crosses from piece to piece."""
    text = variants.raw()
    plain = text.decode("utf-8", "surrogateescape")
    third = len(text) // 3
    cuts = [text.index(b"\n", third) + 1, text.index(b"\n", 2 * third) + 1]
    (tmp_path / "audit.log.2.gz").write_bytes(gzip.compress(text[: cuts[0]]))
    (tmp_path / "audit.log.1.xz").write_bytes(lzma.compress(text[cuts[0] : cuts[1]]))
    (tmp_path / "audit.log").write_bytes(text[cuts[1] :])
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", "--rm", tmp_path / "audit.log"], check=True)
    (tmp_path / "notes.bz2").write_bytes(bz2.compress(b"nothing\n"))
    for event, sender, victim, _ in random.Random(7).sample(reference.kills(plain), 5):
        found = killtrail.verdicts("why", str(victim), "--from", str(tmp_path))
        ids = [e["where"] for v in found for e in v["evidence"]]
        assert any(event in place for place in ids)
        assert sender in [
            x["process"]["pid"] for v in found for x in v["links"] if x["role"] == "sender"
        ]


QUERIES = (
    Query(),
    Query(pid=9),
    Query(target=Target(Kind.NAME, "app")),
    Query(target=Target(Kind.EXE, "app"), newest=1),
    Query(sender=Key(9, None)),
    Query(kinds=(ManagerAsked,), window=Window(0, 10**12)),
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    junk=st.one_of(
        st.binary(max_size=2000),
        st.lists(
            st.sampled_from(
                [
                    b"type=SYSCALL msg=audit(", b"1.000:1", b"): ", b"arch=c000003e ", b"syscall=62 ",
                    b"type=OBJ_PID msg=audit(1.000:1): opid=9 ", b" pid=9 auid=", b"J", b"\n",
                    b"\0", b"\x1d", b"'", b'"', b"node=", b"opid=99999999999999999999 ", b"=",
                    b"type=ANOM_ABEND msg=audit(1.000:1): pid=9 sig=x", b"ses=-1 ",
                    b'ocomm="app" ', b' comm="app" exe="/bin/app" ', b"syscall=59 success=yes ",
                    b"type=EXECVE msg=audit(1.000:1): argc=1 a0=", b'"app"', b' comm="systemctl" exe=',
                ]
            ),
            max_size=60,
        ).map(b"".join),
    )
)  # fmt: skip
def test_any_bytes(tmp_path_factory, junk):
    """Whatever the bytes: no exception, no hang."""
    log = written(tmp_path_factory.mktemp("any"), junk)
    for query in QUERIES:
        list(log.events(query))
    log.close()


def test_cut_at_every_byte(tmp_path):
    """The real record of 2010, cut behind each of its bytes."""
    text = (ROOT / "tests/cases/roxen/audit.log").read_bytes()
    for cut in range(len(text)):
        log = written(tmp_path, text[:cut])
        found = [e for e in log.events(Query(pid=26880)) if isinstance(e, SignalSent)]
        assert all(e.current.pid == 4299 for e in found), cut
        log.close()


def test_truncated_while_it_is_read(tmp_path):
    """A log that is emptied under the reader (copytruncate) gives less, not a crash."""
    text = variants.raw()
    path = tmp_path / "audit.log"
    path.write_bytes(text)
    log = opened(path)
    victim = reference.kills(text.decode("utf-8", "surrogateescape"))[0][2]
    path.write_bytes(text[:1000])
    assert list(log.events(Query(pid=victim))) == []
    list(log.events(Query()))


def test_rotated_while_it_is_read(tmp_path):
    """A log that is renamed under the reader is the same log."""
    text = variants.raw()
    path = tmp_path / "audit.log"
    path.write_bytes(text)
    log = opened(path)
    path.rename(tmp_path / "audit.log.1")
    path.write_bytes(b"")
    victim = reference.kills(text.decode("utf-8", "surrogateescape"))[0][2]
    assert [e for e in log.events(Query(pid=victim)) if isinstance(e, SignalSent)]


def test_memory_does_not_grow_with_the_log(tmp_path):
    """A log ten times as large takes no more memory to search."""
    code = (
        "import sys;sys.path.insert(0,sys.argv[1])\n"
        "from killtrail.files.opened import open_piece\n"
        "from killtrail.model.query import Query\n"
        "from killtrail.model.target import Kind, Target\n"
        "from killtrail.sources.logs.audit.log import AuditLog\n"
        "log = AuditLog([open_piece(sys.argv[2])])\n"
        "sleep = Target(Kind.NAME, 'sleep')\n"
        "for query in (Query(pid=26171), Query(target=sleep), Query()):\n"
        "    assert sum(1 for _ in log.events(query))\n"
        # Not ru_maxrss: that counts what the process was before its exec, too.
        "print([x.split()[1] for x in open('/proc/self/status') if x[:5]=='VmHWM'][0],file=sys.stderr)\n"
    )
    peaks = []
    for times in (1, 10):
        path = tmp_path / f"{times}.log"
        path.write_bytes(variants.raw() * times)
        done = subprocess.run(
            [sys.executable, "-c", code, str(ROOT / "src"), str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] - peaks[0] < 16 << 10, peaks
    assert peaks[1] < 64 << 10, peaks


KILL = (
    "type=SYSCALL msg=audit({at}.000:{at}): arch=c000003e syscall=62 success=yes exit=0 a0=9 a1=9 a2=0 a3=0"
    " items=0 ppid=1 pid={by} auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1"
    ' comm="sh" exe="/bin/sh" key=(null)\n'
    'type=OBJ_PID msg=audit({at}.000:{at}): opid=9 oauid=0 ouid=0 oses=1 ocomm="app"\n'
)
EXEC = (
    "type=SYSCALL msg=audit({at}.000:{at}): arch=c000003e syscall=59 success=yes exit=0 a0=9 a1=9 a2=0 a3=0"
    " items=0 ppid=1 pid=9 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1"
    ' comm="app" exe="/bin/app" key=(null)\n'
)


SIGNAL = (
    "type=SYSCALL msg=audit({at}.000:{at}): arch=c000003e syscall=62 success=yes exit=0 a0=9 a1={sig:x} a2=0 a3=0"
    " items=0 ppid=1 pid={by} auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1"
    ' comm="sh" exe="/bin/sh" key=(null)\n'
    'type=OBJ_PID msg=audit({at}.000:{at}): opid={pid} oauid=0 ouid=0 oses=1 ocomm="app"\n'
)


def dense(deaths: int, lively: int) -> str:
    """Deaths, each asked to stop before by the same sender, and behind them processes that only go on."""
    asked = [SIGNAL.format(at=100 + n, sig=15, by=5, pid=1000 + n) for n in range(deaths)]
    killed = [SIGNAL.format(at=300 + n, sig=9, by=6, pid=1000 + n) for n in range(deaths)]
    gone_on = [SIGNAL.format(at=500 + n, sig=18, by=7, pid=5000 + n) for n in range(lively)]
    return "".join(asked + killed + gone_on)


@pytest.mark.parametrize(("deaths", "lively"), [(20, 0), (20, 9), (20, 60), (4, 60), (60, 11)])
def test_the_newest_deaths_of_a_dense_log(killtrail, tmp_path, deaths, lively):
    """However much else is newer, the newest deaths are found, with all that happened to each."""
    path = tmp_path / "audit.log"
    path.write_text(dense(deaths, lively))
    found = killtrail.verdicts("list", "-n", "5", "--from", str(path))
    newest = [1000 + n for n in range(deaths)][-5:]
    assert [v["death"]["process"]["pid"] for v in found] == newest
    assert {x["process"]["pid"] for v in found for x in v["links"] if x["role"] == "sender"} == {6}
    every = killtrail.verdicts("list", "-n", "1000", "--from", str(path))
    same = {v["death"]["process"]["pid"]: v for v in every}
    for verdict in found:
        whole = same[verdict["death"]["process"]["pid"]]
        for part in ("death", "cause", "certainty", "links", "evidence", "attempts"):
            assert verdict[part] == whole[part]


def test_a_second_kill_may_hit_a_zombie(killtrail, tmp_path):
    """A kill of a number whose process was killed before is a death only if the number began anew."""
    path = tmp_path / "audit.log"
    path.write_text(KILL.format(at=100, by=5) + KILL.format(at=110, by=6))
    first, second = killtrail.verdicts("why", "9", "--from", str(path))
    assert (first["certainty"], second["certainty"]) == ("likely", "possible")
    assert "zombie" in str(second["absent"])
    path.write_text(KILL.format(at=100, by=5) + EXEC.format(at=105) + KILL.format(at=110, by=6))
    first, second = killtrail.verdicts("why", "9", "--from", str(path))
    assert (first["certainty"], second["certainty"]) == ("likely", "likely")


@pytest.mark.parametrize("mark", [b"\x1d", b"#035", b"\\035"])
def test_a_name_in_hex_before_the_enrichment(tmp_path, mark):
    """A name with blanks is in hex and the last raw field: what follows is not part of it."""
    log = written(
        tmp_path,
        KILL.format(at=100, by=5)
        .encode()
        .replace(
            b'ocomm="app"',
            b"ocomm=" + b"a b".hex().upper().encode() + mark + b'OAUID="root" OUID="root"',
        ),
    )
    (hit,) = [e for e in log.events(Query(pid=9)) if isinstance(e, SignalSent)]
    assert (hit.target.comm, hit.target.user) == ("a b", "root")

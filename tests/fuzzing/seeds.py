"""The parsers of kept evidence and inputs that each of them knows, for the fuzzer and for hypothesis."""

import os
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from killtrail._slotted import replace
from killtrail.files.opened import Piece
from killtrail.host.audit import check, rules
from killtrail.inquiry import find, kept_files
from killtrail.inquiry.merged import Merged, OnClock
from killtrail.inquiry.question import Question
from killtrail.model.clock import Boot
from killtrail.model.query import Query, Window
from killtrail.model.target import Kind, Target
from killtrail.sources.base import Source
from killtrail.sources.logs import (
    ausearch,
    ftrace,
    journal,
    kernlog,
    lastlog,
    rawtrace,
    searched,
    shell_messages,
    strace,
    tracer_tables,
    wtmp,
)
from killtrail.sources.logs.audit.log import AuditLog
from killtrail.sources.logs.stream import Stream

CASES = Path(__file__).resolve().parent.parent / "cases"


def _pages() -> rawtrace.Pages:
    form = rawtrace.description((CASES / "ftrace-raw/format").read_bytes())
    assert form is not None
    return rawtrace.Pages(form)


STREAMS = {
    "ausearch": ausearch.parse,
    "ftrace": ftrace.parse,
    "lastlog": lastlog.parse,
    "killsnoop": tracer_tables.killsnoop,
    "rawtrace": _pages(),
    "sigmon": tracer_tables.sigmon,
    "strace": strace.parse,
    "testimony": shell_messages.parse,
    "wtmp": wtmp.parse,
}
FORMS = {"journal": journal.JournalText, "kernlog": kernlog.KernelText}
PAGES = (CASES / "ftrace-raw/pages").read_bytes()
SEEDS = {
    "auditlog": ["roxen/audit.log", "agent-sigkill/audit-execve.log"],
    "ftrace": ["agent-sigkill/ftrace.txt"],
    "kernlog": ["stack-corruption/dmesg.txt"],
    "format": ["ftrace-raw/format"],
    "rawtrace": ["ftrace-raw/pages"],
    "rules": ["agent-sigkill/audit.rules"],
    "sigmon": ["rsyslogd/sigmon.txt"],
    "strace": ["agent-sigkill/strace-sigterm.txt", "trojan-ps/strace-trojan-ps.txt"],
    "testimony": ["roxen/cron-mail.txt", "roxen/findpid.txt"],
}
HEAD = b"msg=audit(11/20/26 10:34:49.842:46) : "
TEXTS = {
    "ausearch": b"----\ntype=OBJ_PID "
    + HEAD
    + b"opid=9 oauid=unset ouid=root oses=2 ocomm=sleep \n"
    b"type=SYSCALL "
    + HEAD
    + b"arch=x86_64 syscall=kill success=yes exit=0 a0=0x9 a1=SIGKILL a2=0x0"
    b" a3=0x7 items=0 ppid=1 pid=8 auid=unset uid=root gid=root tty=(none) ses=2 comm=kill"
    b" exe=/usr/bin/kill key=kill \n",
    "auditlog": b'type=ANOM_ABEND msg=audit(2.000:2): auid=0 uid=0 ses=1 pid=9 comm="a" sig=11 res=1\n'
    b'type=SECCOMP msg=audit(3.000:3): auid=0 uid=0 ses=1 pid=9 comm="a" sig=31 arch=c000003e'
    b" syscall=110 compat=0 ip=0x7f code=0x80000000\n",
    "journal": b'{"__REALTIME_TIMESTAMP":"1795267000000000","_TRANSPORT":"journal","_PID":"1",'
    b'"SYSLOG_IDENTIFIER":"systemd","MESSAGE":"app.service: Main process exited, code=killed,'
    b' status=9/KILL","_HOSTNAME":"db1"}\n',
    "kernlog": b"[1.0] httpd invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0\n"
    b"[1.1] CPU: 1 PID: 8 Comm: httpd Not tainted 6.1\n[1.2] memory: usage 1kB, limit 1kB, failcnt 4\n"
    b"[1.3] Memory cgroup out of memory: Killed process 9 (php) total-vm:10kB\n"
    b"Nov 20 11:00:00 db1 systemd[1]: a.service: Killing process 9 (app) with signal SIGKILL.\n",
    "killsnoop": b"TIME      PID    COMM   SIG  TPID   RESULT\n10:00:00  7   a b   9    9   0\n",
    "lastlog": struct.pack("<I32s256s", 1_700_000_000, b"pts/0", b"192.0.2.7") * 2,
    "wtmp": bytes.fromhex("0200") + bytes(338) + (1_700_000_000).to_bytes(4, "little") + bytes(40),
}
NAMES = sorted({*STREAMS, *FORMS, "auditlog", "format", "rules"})


def inputs(name: str) -> Iterator[bytes]:
    """What a parser is begun with: real records, and one of each kind where the cases have none."""
    for seed in SEEDS.get(name, []):
        yield (CASES / seed).read_bytes()
    if name in TEXTS:
        yield TEXTS[name]


def piece(data: bytes) -> Piece:
    """The bytes as a file."""
    fd = os.memfd_create("fuzz")
    os.write(fd, data)
    return Piece("fuzz", fd, len(data))


def one(name: str, data: bytes) -> None:
    """One input, through the parser and the rules."""
    if name == "rules":
        check.holes(rules.parse(data.decode("utf-8", "surrogateescape")))
        return
    if name == "format":
        form = rawtrace.description(data)
        source: Source | None = (
            Stream(name, piece(PAGES), rawtrace.Pages(form), Boot("", 0)) if form else None
        )
    elif name in FORMS:
        text = piece(data)
        source = searched.SearchedLog(name, text, FORMS[name](text), Boot("", 0))
    elif name == "auditlog":
        source = AuditLog([piece(data)])
    else:
        source = Stream(name, piece(data), STREAMS[name], Boot("", 0))
    if source is not None:
        _ask(source)


QUERIES = (
    Query(),
    Query(pid=9),
    Query(target=Target(Kind.NAME, "php")),
    Query(window=Window(1_000_000_000, 2_000_000_000)),
)


MOST = 20
"""So many deaths of one input are judged: the newest, as for a person who asks."""


def _ask(source: Source) -> None:
    try:
        for query in QUERIES:
            for event in source.events(query):
                assert query.wants(type(event))
                assert query.window.covers(event.time_ns)
        _judge(source)
        source.coverage()
    finally:
        source.close()


# The processes that the lines are split into, their cases and verdicts; and the host's.
def _judge(source: Source) -> None:
    offset = source.host.boot.offset_ns or 0
    clock = replace(source.host, boot=Boot("", 0))
    merged = Merged(clock, (), lambda: [OnClock(source, offset)])
    for target in (None, Target(Kind.PID, "9")):
        for draft in islice(find.in_logs(merged, target, Query(newest=MOST), None), MOST):
            draft.finish().to_dict()
    for verdict in islice(kept_files.host(merged, Question()), MOST):
        verdict.to_dict()

"""Answers from blocks that hold what is sought are those of reading everything: every format of one file.

The files are small, so one window holds each: nothing is left out. With windows of some bytes, most are.
"""

import gzip
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from killtrail.files import search
from killtrail.model.events import SignalRefused, SignalSent
from killtrail.model.process import Key
from killtrail.model.query import Query
from killtrail.model.target import Kind, Target
from killtrail.sources.logs.formats import open_paths
from tests.fuzz import EXAMPLES
from tests.sources import variants
from tests.sources.test_kernlog import FORMS, OOM
from tests.sources.test_searched import LINES, PROGRAMS, QUERIES, entry

WINDOWS = (97, 4096)
RECORDS = slice(4200, 5250)
"""With launchers, several hits, and a call that found no process."""


def audit(form: str) -> bytes:
    """Records of the real sample, as syslog or the kernel's log has them."""
    return b"\n".join(variants.ALL[form]().split(b"\n")[RECORDS]) + b"\n"


# Printed by a 6.1 kernel without auditd.
CRASH = b"""\
[  813.004000] audit: type=1701 audit(1763636402.000:90001): auid=0 uid=0 gid=0 ses=1 pid=4242 comm="nginx" exe="/usr/sbin/nginx" sig=11 res=1
[  813.104000] audit: type=1326 audit(1763636402.100:90002): auid=0 uid=0 gid=0 ses=1 pid=4243 comm="my nginx" exe=2F6F70742F6D79206E67696E78 sig=31 arch=c000003e syscall=101 compat=0 ip=0x7f code=0x80000000
[  814.004000] audit: type=1202 audit(1763636403.000:90003): op=terminate auid=0 pid=700 res=failed
"""
PLACED = FORMS["kern.log"](OOM).encode() + "\n".join(PROGRAMS).encode() + b"\n"
FILLER = b"Nov 21 12:00:00 db1 app[1]: request 17 served, 200 OK\n" * 90
FILES = {
    "syslog": audit("syslog") + PLACED + FILLER + PLACED,
    "kernel": audit("kernel") + FORMS["dmesg"](OOM).encode() + CRASH + b"[900.0] x\n" * 400,
    "json": b"".join(entry(n, line) for n, line in enumerate([*LINES, *PROGRAMS[:4], *LINES])),
}
CHANGED = {
    "as it is": lambda data: data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "NUL bytes": lambda data: data.replace(b"\n", b"\n\0\0\0", 30),
    "no last newline": lambda data: data.rstrip(b"\n"),
    "gz": gzip.compress,
}
PIDS = (26828, 26840, 26827, 26854, 999999, 4243)
SENDERS = (26768, 26811, 26823)
ASKED = [
    *QUERIES,
    *(Query(pid=pid) for pid in PIDS),
    *(Query(target=Target(Kind.NAME, name)) for name in ("sleep", "bash", "my nginx", "nowhere")),
    *(Query(target=Target(Kind.EXE, name)) for name in ("sleep", "/usr/sbin/nginx")),
    *(Query(kinds=(SignalSent, SignalRefused), sender=Key(pid, None)) for pid in SENDERS),
]  # fmt: skip


def answers(path, query: Query) -> tuple[Counter, list[object]]:
    """What its sources say, and what they say of themselves."""
    opened = open_paths([str(path)])
    found = Counter(repr(e) for source in opened.sources for e in source.events(query))
    said = [source.coverage() for source in opened.sources]
    opened.close()
    return found, [(frozenset(each.problems), frozenset(each.gaps), each.unread) for each in said]


def small(monkeypatch, size: int) -> None:
    """Lets windows, and so the blocks that are looked at, be so small."""
    monkeypatch.setattr(search.Window.__init__, "__defaults__", (size,))


@pytest.mark.parametrize(
    ("change", "size"), [("as it is", WINDOWS[1]), *((change, WINDOWS[0]) for change in CHANGED)]
)
@pytest.mark.parametrize("name", FILES)
def test_every_question(monkeypatch, tmp_path, name, change, size):
    """PIDs, names, senders and lists, of what is there and of what is not."""
    path = tmp_path / "log"
    path.write_bytes(CHANGED[change](FILES[name]))
    whole = [answers(path, query) for query in ASKED]
    small(monkeypatch, size)
    for query, expected in zip(ASKED, whole, strict=True):
        assert answers(path, query) == expected, query
    assert any(found for found, _ in whole)


def test_the_files_hold_all_sorts():
    """The questions above are not about nothing: each file is read by the formats that it holds."""
    assert b"type=OBJ_PID" in FILES["syslog"] and b"Killed process" in FILES["syslog"]
    assert b"type=1318 audit(" in FILES["kernel"] and b"type=1701 audit(" in FILES["kernel"]


PARTS = st.lists(
    st.one_of(
        st.sampled_from([*audit("kernel").splitlines(keepends=True), *CRASH.splitlines(keepends=True)]),
        st.sampled_from([(line + "\n").encode() for line in LINES]),
        st.sampled_from([b"[1.0] x 26828 nginx\n" * 30, b"\n", b"\0\0", b"pid=26828 "]),
        st.binary(max_size=20),
    ),
    max_size=60,
)  # fmt: skip


@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(PARTS, st.sampled_from(ASKED), st.sampled_from(WINDOWS))
def test_any_mixture(tmp_path_factory, parts, query, size):
    """Records far from their calls, half of them, bytes between."""
    path = tmp_path_factory.mktemp("mixed") / "log"
    path.write_bytes(b"[0.5] Linux version 6.1.0\n" + CRASH + b"".join(parts))
    whole = answers(path, query)
    with pytest.MonkeyPatch.context() as patched:
        small(patched, size)
        assert answers(path, query) == whole

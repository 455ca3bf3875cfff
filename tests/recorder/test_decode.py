"""Records of the box: any bytes give an event or a ValueError."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from killtrail.model.events import LimitSet, OrphanedBy, ProcessExited, SignalSent
from killtrail.model.process import Creator, Key
from killtrail.recorder import layout as L
from killtrail.recorder.decode import Decoder
from killtrail.recorder.fields import path
from killtrail.recorder.symbols import from_rows, parse_kallsyms
from tests.fuzz import EXAMPLES

DECODER = Decoder(from_rows([(0x1000, 0x2000, "isig")]))


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 11), st.binary(max_size=2048))
def test_any_bytes(kind, body):
    """No bytes raise anything but ValueError."""
    try:
        event = DECODER.decode(struct.pack("<H", kind) + body, "kills:0")
    except ValueError:
        return
    assert event.origin.where == "kills:0"


def test_signal_of_zeros_is_an_event():
    """A record of the right size decodes field by field."""
    event = DECODER.decode(struct.pack("<HHIQ", L.REC_SIGNAL, 0, 416, 77) + bytes(416), "kills:1")

    assert isinstance(event, SignalSent)
    assert (event.time_ns, event.kernel.lineage, event.kernel.stack) == (77, (), ())


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ((0, 9, 0, 4), 9),  # killed
        ((0x83, 3, 0, 4), 0x83),  # core dumped, flag in the thread's code only (6.1)
        ((3, 0x83, 0, 4), 0x83),  # core dumped, flag in the group's code (6.18)
        ((0x700, 0x700, 0, 4), 0x700),  # exit_group(7)
        ((0x500, 0, 0x200, 0), 0x200),  # the leader had left with 2
        ((0x500, 19, 0x500, 0), 0x500),  # a stale stop signal in group_exit_code
    ],
)
def test_wait_status(codes, status):
    """The group's code counts once the group is bound to exit, else the leader's."""
    raw = bytearray(struct.pack("<HHIQ", L.REC_DEATH, 0, 224, 1) + bytes(300))
    struct.pack_into("<iiiI", raw, 16, codes[0], codes[1], codes[2], codes[3])

    event = DECODER.decode(bytes(raw), "deaths:0")

    assert isinstance(event, ProcessExited)
    assert event.status == status


def test_kallsyms_ranges_end_at_the_next_function():
    """A suffix of the compiler is not part of the name; an alias does not end a range."""
    lines = [
        b"ffffffff81000000 T _text\n",
        b"ffffffff81000100 t isig.part.0\n",
        b"ffffffff81000180 t other\n",
        b"ffffffff81000180 t alias\n",
        b"ffffffffc0000000 t isig\t[module]\n",
    ]
    symbols = parse_kallsyms(lines)

    assert symbols.find(0xFFFFFFFF81000150) == "isig"
    assert symbols.find(0xFFFFFFFF81000180) is None
    assert symbols.find(0xFFFFFFFF810000FF) is None


def test_hidden_kallsyms_give_nothing():
    """kptr_restrict shows zeros: no range may come of that."""
    assert parse_kallsyms([b"0000000000000000 t isig\n", b"0000000000000000 t x\n"]).names == ()


def test_a_cut_path_says_so():
    """A path whose root end did not fit is not shown as if it were whole."""
    long, wide = b"leaf\0" + b"x" * 80 + b"\0" + b"y" * 80 + b"\0", b"z" * 95 + b"\0"
    flag = L.REC_PATH_CUT

    assert path(b"sleep\0bin\0usr\0", flag) == "/usr/bin/sleep"
    assert [(path(raw, flag) or "")[:2] for raw in (long, wide)] == ["…/", "…/"]
    assert [(path(raw, 0) or "")[:1] for raw in (long, wide)] == ["/", "/"]
    assert path(b"", flag) is None


WHO = L.WHO.pack(500, 0, 70, 70, 1000, 1000, 3, 0, 0, 0, b"prlimit")


def of_process(kind: int, *, limit: bytes = bytes(32), orphan: bytes = bytes(16)) -> bytes:
    """A record of process 70 with one ancestor and an argv for each of them."""
    argv, above = b"prlimit\0--cpu=1\0", b"\x03sh\0"
    lens = L.PROCESS_LENS.pack(1, len(argv), len(argv), len(above))
    ancestor = L.ANCESTOR.pack(400, 60, 0, 0, 0, b"sh")
    return (
        L.RECORD_HEAD.pack(kind, 0, 0, 77) + limit + orphan + WHO + lens + ancestor + argv + above
    )


@pytest.mark.parametrize(("soft", "hard", "found"), [(1, 6, (1, 6)), (1, L.UNLIMITED, (1, None))])
def test_a_limit_set_for_another(soft, hard, found):
    """Whose, which, its values, and who set it, with what started that."""
    raw = of_process(L.REC_LIMIT_SET, limit=L.LIMIT_SET.pack(900, soft, hard, 9, 0))
    event = DECODER.decode(raw, "limits:0")

    assert isinstance(event, LimitSet)
    assert (event.target, event.resource, (event.soft, event.hard)) == (
        Key(9, 900), "RLIMIT_CPU", found,
    )  # fmt: skip
    assert (event.process.key, event.process.argv.words) == (Key(70, 500), ("prlimit", "--cpu=1"))
    assert [(p.pid, p.argv.words) for p in event.lineage] == [(60, ("sh",))]


def test_an_unknown_limit_is_no_event():
    """RLIMIT_NICE ends nobody, and 99 is none."""
    with pytest.raises(ValueError, match="unknown resource 99"):
        DECODER.decode(
            of_process(L.REC_LIMIT_SET, limit=L.LIMIT_SET.pack(900, 1, 1, 9, 99)), "limits:0"
        )


@pytest.mark.parametrize("sibling", [False, True])
def test_who_created_it(sibling):
    """Bit 31 of the index says that the creator lives on as its sibling; so does the record's type."""
    orphan = L.ORPHAN.pack(300, 50, 1 | (L.ORPHAN_SIBLING if sibling else 0))
    kind = L.REC_SIBLING if sibling else L.REC_ORPHANED
    event = DECODER.decode(of_process(kind, orphan=orphan), "orphaned:0")

    assert isinstance(event, OrphanedBy)
    assert event.creator == Creator(1, Key(50, 300), sibling=sibling)
    assert (event.sibling, event.process.pid) == (sibling, 70)


@pytest.mark.parametrize("carried", [True, False])
def test_whose_texts_a_key_s_record_holds(carried):
    """A kernel thread that carried a key has no command line: those in the record are the holder's."""
    holder = L.ANCESTOR.pack(400, 60, 0, 0, 0, b"script")
    extra = holder + struct.pack("<IIII16s", 1, 1, 2, 5, b"pts4")
    argv = b"script\0-q\0"
    raw = bytearray(L.SIGNAL_BUF)
    L.RECORD_HEAD.pack_into(raw, 0, L.REC_SIGNAL, L.REC_OF_HOLDER if carried else 0, 0, 77)
    struct.pack_into("<iiii8B", raw, 16, 2, 0x80, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0)
    lens = (len(argv), len(argv), 0, 0, 0, 0, 0, 0, 0, 4)
    L.SIGNAL_LENS.pack_into(raw, L.SIGNAL_LENGTHS, *lens, 0, L.EXTRA_TERMINAL, len(extra), 0, 0, 0)
    raw += extra + L.ANCESTOR.pack(300, 50, 0, 0, 0, b"sh") + argv + b"\x03sh\0"
    event = DECODER.decode(bytes(raw), "kills:0")

    assert isinstance(event, SignalSent)
    described = event.kernel.terminal.holder if carried else event.current
    other = event.current if carried else event.kernel.terminal.holder
    assert described.argv.words == ("script", "-q")
    assert other.argv is None
    assert event.kernel.terminal.chained is carried
    assert (event.kernel.terminal.name, event.kernel.terminal.sole) == ("pts/4", True)
    assert [(p.pid, p.argv.words) for p in event.kernel.lineage] == [(50, ("sh",))]

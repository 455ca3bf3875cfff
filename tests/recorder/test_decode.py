"""Records of the box: any bytes give an event or a ValueError."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from killtrail.model.events import ProcessExited, SignalSent
from killtrail.recorder import layout as L
from killtrail.recorder.decode import Decoder
from killtrail.recorder.fields import path
from killtrail.recorder.symbols import from_rows, parse_kallsyms
from tests.fuzz import EXAMPLES

DECODER = Decoder(from_rows([(0x1000, 0x2000, "isig")]))


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 9), st.binary(max_size=2048))
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

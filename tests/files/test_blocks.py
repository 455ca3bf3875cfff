"""Which blocks hold a text: what looking at every byte says, by one thread or two, asked once or again."""

import os
import tempfile
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from killtrail.files import blocks, memmem
from killtrail.files.opened import Piece
from tests.fuzz import EXAMPLES

BLOCK = 16
TEXTS = (b"ab", b"abc", b"aaaaaaaaaaaaaaaaaaaaaaaa", b"\0")


def piece_of(data: bytes) -> Piece:
    """Bytes as a file."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return Piece("log", os.dup(file.fileno()), len(data))


def there(data: bytes, texts, number: int) -> frozenset[bytes]:
    """The texts that begin in a block or in one beside it."""
    begin, end = max(0, number - 1) * BLOCK, (number + 2) * BLOCK
    return frozenset(t for t in texts if 0 <= data.find(t, begin) < end)


def expected(data: bytes, texts, low: int, high: int) -> list:
    """By looking at every byte."""
    return [
        (max(low, n * BLOCK), min(high, (n + 1) * BLOCK), found)
        for n in range((high - 1) // BLOCK, low // BLOCK - 1, -1)
        if (found := there(data, texts, n))
    ]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.text("abc\0\n", min_size=1, max_size=3000).map(str.encode),
    st.lists(st.sampled_from(TEXTS), min_size=1, unique=True).map(tuple),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_as_looking_at_every_byte(data, texts, one, other):
    """Texts across a border or longer than a block, any part of the file, asked twice."""
    low, high = sorted((int(one * len(data)), int(other * len(data))))
    piece = piece_of(data)
    again = piece.again()
    for low_, high_ in ((low, max(high, low + 1)), (0, len(data))):
        for each in (piece, again):
            found = list(blocks.holding(each, texts, low_, high_, BLOCK))
            assert found == expected(data, texts, low_, high_)
    piece.close()
    again.close()


DATA = b"x" * BLOCK * 500 + b"abc" + b"x" * BLOCK * 500


@pytest.mark.parametrize("without", ["threads", "memmem", "cores"])
def test_without_a_second_thread(monkeypatch, without):
    """The same where no thread can be started, where the C library has no memmem, and on one core."""

    def refused(*_):
        raise RuntimeError("can't start new thread")

    if without == "threads":
        monkeypatch.setattr(threading.Thread, "start", refused)
    elif without == "memmem":
        monkeypatch.setattr(memmem, "_by_memmem", lambda _buffer: None)
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    piece = piece_of(DATA)
    found = list(blocks.holding(piece, (b"abc",), 0, len(DATA), BLOCK))
    assert found == expected(DATA, (b"abc",), 0, len(DATA)) != []
    piece.close()


def test_a_file_that_is_cut_while_it_is_read():
    """What is gone is not found, and nothing breaks."""
    piece = piece_of(DATA * 2)
    os.ftruncate(piece.fd, len(DATA))
    found = list(blocks.holding(piece, (b"abc",), 0, piece.size, BLOCK))
    assert found == expected(DATA, (b"abc",), 0, len(DATA))
    piece.close()


def test_each_block_is_read_once_and_few_ahead(monkeypatch):
    """A reader that stops at the first has read little; the same text costs no second look."""
    piece = piece_of(DATA + b"abc")
    read = []
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *of: (read.append(of[2]), real(*of))[1])
    next(blocks.holding(piece, (b"abc",), 0, piece.size, BLOCK))
    assert len(read) <= 4
    list(blocks.holding(piece, (b"abc",), 0, piece.size, BLOCK))
    assert len(read) == len(set(read)) == piece.size // BLOCK + 1
    piece.close()

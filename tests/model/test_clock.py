"""Times as text and back, to the nanosecond, in any zone."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.model.clock import NS, Boot, parse_rfc3339, rfc3339

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d|@-?\d+\.\d{9}")


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


MOMENTS = st.one_of(st.integers(-(10**19), 10**20), st.integers(0, 4 * 10**18))


@pytest.mark.usefixtures("zone")
def test_what_is_written_is_read_as_the_same_nanosecond():
    @given(MOMENTS)
    def check(moment: int) -> None:
        text = rfc3339(moment)
        assert STAMP.fullmatch(text)
        assert parse_rfc3339(text) == moment

    check()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", NS // 2),
        ("1970-01-01 00:00:00.000000001-00:00", 1),
        ("1969-12-31T23:59:59.999999999+00:00", -1),
        ("@-5.000000001", -5 * NS + 1),
    ],
)
def test_other_writers_forms(text, moment):
    assert parse_rfc3339(text) == moment


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-20", "2026-13-01T00:00:00Z", "2026-11-20T10:00:00", "@5", "5"],
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_rfc3339(text)


def test_a_boot_without_a_date_has_no_time_in_words():
    assert Boot("", None).rfc3339(5) is None
    assert Boot("", 0).rfc3339(None) is None
    assert parse_rfc3339(Boot("", 7).rfc3339(5) or "") == 12

"""The functions give what the commands print."""

import copy
import gzip
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import killtrail
import killtrail as package
from killtrail import api
from tests.conftest import ROOT

CASES = ROOT / "tests/cases"
ROXEN = str(CASES / "roxen")
LAST = datetime(2010, 9, 23, 12, 37, 7, 433000, tzinfo=UTC)
"""The last kill in the log of roxen: 1285245427.433."""


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    """The zone of the command's own output in tests."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def documents(found):
    return [verdict.to_dict() for verdict in found]


def test_why_is_the_command(killtrail):
    found = package.why(26880, evidence=ROXEN)
    assert documents(found) == killtrail.verdicts("why", "26880", "--from", ROXEN)


@pytest.mark.parametrize("case", ["ftrace-raw", "audit-real"])
def test_deaths_are_those_of_list(killtrail, case):
    path = str(CASES / case)
    listed = killtrail.verdicts("list", "--from", path, "-n", "1000")
    assert documents(package.deaths(evidence=[path])) == listed
    assert documents(package.deaths(evidence=[path], newest=1)) == listed[-1:]


def test_several_targets_and_the_newest():
    found = killtrail.why(["pid:26880", 26880], evidence=[Path(ROXEN)], newest=2)
    assert len(found) == 2
    assert found == killtrail.why(26880, evidence=ROXEN)[-2:]


@pytest.mark.parametrize(
    "moment",
    [
        LAST,
        LAST.replace(tzinfo=None),
        LAST.timestamp(),
        "2010-09-23 12:37:07.433",
        "2010-09-23T14:37:07.433+02:00",
        "@1285245427",
    ],
)
def test_moments(moment):
    def times(**span) -> list[int | None]:
        return [v.death.time_ns for v in killtrail.why(26880, evidence=ROXEN, **span)]

    everything = times()
    assert len(everything) == 6
    assert times(since=moment) == everything[-1:]
    assert times(until=moment)[:5] == everything[:5]


def test_seconds_keep_what_a_float_has():
    assert api._wall_ns(1.5) == 1_500_000_000
    assert api._wall_ns(-0.25) == -250_000_000
    assert api._wall_ns(3) == 3_000_000_000


def test_no_death_is_an_empty_list():
    assert killtrail.why(31999, evidence=ROXEN) == []
    assert list(killtrail.deaths(evidence=ROXEN, until="2001-01-01")) == []


def test_nothing_that_could_be_asked(tmp_path):
    (tmp_path / "notes").write_text("nothing of ours\n")
    for ask in (
        lambda e: killtrail.why(1, evidence=e),
        lambda e: list(killtrail.deaths(evidence=e)),
    ):
        with pytest.raises(killtrail.UnavailableError, match="no file of a known format") as caught:
            ask(tmp_path)
        assert caught.value.exit_code == 5
        assert caught.value.remedy


def test_nothing_found_in_what_is_cut(tmp_path):
    packed = gzip.compress((CASES / "roxen/audit.log").read_bytes() * 40)
    path = tmp_path / "audit.log.1.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found = killtrail.why(26880, evidence=path)
    assert found
    assert {verdict.unread.files for verdict in found} == {(str(path),)}
    with pytest.raises(killtrail.IncompleteError, match="could not be read") as caught:
        killtrail.why(31999, evidence=path)
    assert caught.value.exit_code == 7
    with pytest.raises(killtrail.IncompleteError):
        list(killtrail.deaths(evidence=path, until="2001-01-01"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: killtrail.why("", evidence=ROXEN),
        lambda: killtrail.why(0, evidence=ROXEN),
        lambda: killtrail.why(1, evidence="/no/such/file"),
        lambda: killtrail.why(1, evidence=ROXEN, since="the day before"),
    ],
)
def test_questions_that_make_no_sense(ask):
    with pytest.raises(killtrail.UsageError):
        ask()


def test_a_dump_as_target():
    (found,) = killtrail.why(str(ROOT / "tests/dumps/incident-6.1.192.elf.xz"))
    assert found.cause is killtrail.Cause.HOST_PANICKED
    with pytest.raises(killtrail.UnavailableError):
        killtrail.read_dump(ROOT / "LICENSE")


def test_pages_are_the_screens(killtrail):
    verdict = package.why(26880, evidence=ROXEN, newest=1)[0]
    printed = killtrail("why", "26880", "-n", "1", "--from", ROXEN, env={"COLUMNS": "100"}).stdout
    shown = package.page(verdict).text(width=100)
    # What to do next depends on where one asked.
    assert shown.split("\nnext")[0] == printed.split("\nnext")[0]
    assert all(len(line) <= 60 for line in package.page(verdict).text(width=60).splitlines())


def test_a_verdict_that_was_read_back_shows_the_same():
    verdict = killtrail.why(26880, evidence=ROXEN, newest=1)[0]
    again = killtrail.Verdict.from_dict(verdict.to_dict())
    assert killtrail.page(again).text() == killtrail.page(verdict).text()


@pytest.mark.parametrize(
    ("name", "code"),
    [("KilltrailError", 1), ("UsageError", 2), ("NoSuchDeathError", 4), ("UnavailableError", 5), ("IncompleteError", 7)],
)  # fmt: skip
def test_errors_carry_their_code_and_remedy_through_copies(name, code):
    error = getattr(killtrail, name)("what", "a remedy")
    for again in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), str(again), again.remedy) == (type(error), "what", "a remedy")
        assert again.exit_code == code
        assert isinstance(again, killtrail.KilltrailError)

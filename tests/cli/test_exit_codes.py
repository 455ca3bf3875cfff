"""Exit codes where evidence can't be read: nothing found is not nothing there."""

import gzip

import pytest

from tests.conftest import ROOT

ROXEN = ROOT / "tests/cases/roxen"
LOG = next(path for path in sorted(ROXEN.iterdir()) if path.name.startswith("audit.log"))


@pytest.fixture
def cut(tmp_path):
    """A packed audit log whose end is missing: 26880 died in what is left."""
    packed = gzip.compress(LOG.read_bytes() * 40, mtime=0)
    path = tmp_path / "audit.log.1.gz"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    return path


def test_nothing_found_in_a_cut_file(killtrail, cut):
    done = killtrail("why", "31999", "--from", str(cut))
    assert done.returncode == 7
    assert f"no death of 31999 found, but 1 file ({cut}) could not be read" in done.stderr


def test_found_in_a_cut_file(killtrail, cut):
    """What was found counts, and the document says what is missing."""
    done = killtrail("why", "26880", "--from", str(cut), "--json")
    assert done.returncode == 0
    found = killtrail.verdicts("why", "26880", "--from", str(cut))
    assert {tuple(v["loss"]["unread"]["files"]) for v in found} == {(str(cut),)}


@pytest.mark.parametrize("words", [("list",), ("list", "--json")])
def test_a_list_of_a_cut_file_is_incomplete(killtrail, cut, words):
    done = killtrail(*words, "--from", str(cut))
    assert done.returncode == 7
    assert "26880" in done.stdout
    assert f"1 file ({cut}) could not be read: deaths may be missing" in done.stderr


def test_a_file_that_can_not_be_unpacked_at_all(killtrail, tmp_path):
    """Beside a log that can be read: it may hold what the log does not."""
    broken = tmp_path / "messages.fifo"
    broken.symlink_to("/dev/null")
    done = killtrail("why", "31999", "--from", str(LOG), str(broken))
    assert (done.returncode, "could not be read" in done.stderr) == (7, True)


def test_whole_files_hold_no_such_death(killtrail):
    done = killtrail("why", "31999", "--from", str(ROXEN))
    assert done.returncode == 4
    done = killtrail("list", "--from", str(ROXEN))
    assert done.returncode == 0

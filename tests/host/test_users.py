"""Users are named from one reading of passwd(5), when evidence is read."""

import pytest

from killtrail.host import users
from killtrail.model.process import NO_ID, Key, Process
from tests.attribution import make


@pytest.fixture
def passwd(tmp_path, monkeypatch):
    """A passwd file in place of the machine's, and no name service."""
    path = tmp_path / "passwd"
    path.write_bytes(
        b"root:x:0:0::/:/bin/sh\npostgres:x:26:26::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n"
        b"+nis\nbroken:x\n:x:7:\nev\x1bil:x:666:6::/:\nnum:x:12x:1::/:\n"
    )
    monkeypatch.setattr(users, "PASSWD", path)
    monkeypatch.setattr(users, "_names", {})
    monkeypatch.setattr(users, "_read", [])
    monkeypatch.setattr(users.pwd, "getpwuid", _nobody)
    users._asked.cache_clear()
    yield path
    users._asked.cache_clear()


def _nobody(uid):
    raise KeyError(uid)


def test_names(passwd):
    """The first entry of a number counts; entries that are none are passed over."""
    assert [users.user_name(uid) for uid in (0, 26, 666, 7, 12, 99)] == [
        "root", "postgres", "ev\x1bil", None, None, None,
    ]  # fmt: skip
    assert users.user_name(None) is None and users.user_name(NO_ID) is None


def test_read_once(passwd):
    """The file is read for the first name only; a later change counts after refresh()."""
    assert users.user_name(1000) is None
    passwd.write_text("alice:x:1000:1000::/:/bin/sh\n")
    assert users.user_name(1000) is None and users.user_name(26) == "postgres"
    users.refresh()
    assert users.user_name(1000) == "alice" and users.user_name(26) is None


def test_no_file(passwd):
    """Where there is none, numbers stay without names."""
    passwd.unlink()
    assert users.user_name(0) is None


def test_events_without_names_get_them(passwd):
    """As rows of an older history; names that are there stay, also those known to be unknown."""
    bare = Process(Key(5, 1), uid=26, loginuid=0)
    foreign = Process(Key(6, 1), uid=26, user="")
    sent = make.signal(9, current=bare, target=foreign, lineage=(bare,))
    found = users.named(sent)

    assert (found.current.user, found.current.login_user) == ("postgres", "root")
    assert found.target.user == ""
    assert found.kernel.lineage[0].user == "postgres"
    assert users.named(found) == found

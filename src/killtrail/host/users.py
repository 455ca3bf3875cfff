"""User names beside their numbers, as this host knows them.

Asked when a process is built from evidence of this host, so it must cost next to nothing:
/etc/passwd is read once (passwd(5)), again only if it has changed since. A number that is not in it
is asked of the name service once (nsswitch.conf(5)), which may be another machine.
"""

import pwd
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from killtrail._slotted import fields, is_dataclass, replace
from killtrail.model.process import NO_ID, Process

_T = TypeVar("_T")
PASSWD: Final = Path("/etc/passwd")
_names: dict[int, str] = {}
_read: list[int] = []
"""When the file last changed before it was read; empty before that."""


def user_name(uid: int | None) -> str | None:
    """The account's name; None if no account has this uid."""
    if uid is None or uid == NO_ID:
        return None
    if not _read:
        _load()
    known = _names.get(uid)
    return known if known is not None else _asked(uid)


def named(value: _T) -> _T:
    """The same process, or event with processes in it, with the user names that it lacks."""
    made: Any = value
    if isinstance(value, Process):
        user, login = value.user, value.login_user
        user = user_name(value.uid) if user is None else user
        login = user_name(value.loginuid) if login is None else login
        if (user, login) != (value.user, value.login_user):
            made = replace(value, user=user, login_user=login)
    elif isinstance(value, tuple):
        made = tuple(named(item) for item in value)
    elif is_dataclass(value):
        made = replace(value, **{f.name: named(getattr(value, f.name)) for f in fields(value)})
    return made  # type: ignore[no-any-return]


def refresh() -> None:
    """Forgets what was read if /etc/passwd has changed since: for commands that run for days."""
    if _read and _changed() != _read[0]:
        _read.clear()
        _names.clear()
        _asked.cache_clear()


def _load() -> None:
    _read.append(_changed())
    try:
        lines = PASSWD.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        name, _, number, *_ = (*line.split(b":", 3), b"", b"", b"")
        if name and number.isdigit():
            _names.setdefault(int(number), name.decode("utf-8", "backslashreplace"))


def _changed() -> int:
    try:
        return PASSWD.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1024)
def _asked(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError, OSError):
        return None

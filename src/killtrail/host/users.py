"""User names beside their numbers."""

import pwd
from functools import lru_cache


@lru_cache(maxsize=1024)
def user_name(uid: int) -> str | None:
    """The account's name; None where no account has that number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError, OSError):
        return None


def name_of(uid: int, told: str | None) -> str | None:
    """The name as evidence has it (`Process.user`); only where that may be asked, this host's."""
    return user_name(uid) if told is None else told or None

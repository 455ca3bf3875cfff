"""User names by uid."""

import pwd
from functools import lru_cache


@lru_cache(maxsize=1024)
def user_name(uid: int) -> str | None:
    """The account's name; None if no account has this uid."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError, OSError):
        return None


def name_of(uid: int, told: str | None) -> str | None:
    """The name that the evidence has (`Process.user`), else the account's on this host."""
    return user_name(uid) if told is None else told or None

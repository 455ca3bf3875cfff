"""Paths of the history; separate from the store, so that a host without history needs no sqlite3."""

import os
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/var/lib/killtrail")


def default_path() -> Path:
    """$KILLTRAIL_HISTORY, else /var/lib/killtrail/history.db."""
    return Path(os.environ.get("KILLTRAIL_HISTORY") or FOLDER / "history.db")


def folder() -> Path:
    """The folder of the history and of the findings of `trust`."""
    return default_path().parent


def exists(path: Path) -> bool:
    """Whether there is a file with something in it. Raises PermissionError."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False

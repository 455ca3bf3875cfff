"""The logs that this host keeps by itself, asked without being named."""

import contextlib
import glob
import os
import stat
from typing import Final

from killtrail.errors import UsageError
from killtrail.sources import catalogue
from killtrail.sources.base import Source

JOURNALS: Final = ("/var/log/journal", "/run/log/journal")


def paths(since_s: float = 0) -> list[str]:
    """Logs that may be read and were written to since then; KILLTRAIL_LOGS names others, parted by colons."""
    named = os.environ.get("KILLTRAIL_LOGS")
    patterns = named.split(":") if named else [p for d in catalogue.formats() for p in d.places]
    found = dict.fromkeys(path for pattern in patterns for path in sorted(glob.glob(pattern)))  # noqa: PTH207
    return [path for path in found if os.access(path, os.R_OK) and _worth_it(path, since_s)]


def _worth_it(path: str, since_s: float) -> bool:
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size > 0 and about.st_mtime >= since_s


def open_all(*, all_boots: bool, since_s: float = 0) -> list[Source]:
    """What this host has kept, the kernel's own ring and the journal included."""
    from killtrail.sources.logs import formats, kmsg  # noqa: PLC0415

    ring = kmsg.open_ring()
    found: list[Source] = [ring] if ring else []
    with contextlib.suppress(UsageError):
        found.extend(formats.open_paths(paths(since_s)).sources)
    return found

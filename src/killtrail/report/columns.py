"""How wide the terminal is."""

import os
import sys
from typing import Final

_UNKNOWN: Final = 100


def columns() -> int:
    """COLUMNS, else what standard output's terminal says, else 100.

    As `shutil.get_terminal_size`, which imports every compressor of the standard library along.
    """
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _UNKNOWN  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN

"""How wide the terminal is."""

import os
import sys
from typing import Final, TextIO

_UNKNOWN: Final = 100


def columns() -> int:
    """COLUMNS, else what standard output's terminal says, else 100.

    As `shutil.get_terminal_size`, which imports every compressor of the standard library along.
    """
    return _wished() or _measured(sys.__stdout__) or _UNKNOWN


def screen_columns(stream: TextIO) -> int | None:
    """COLUMNS, else the stream's own terminal; None where it is none: rows are whole then."""
    return _wished() or (_measured(stream) if stream.isatty() else None)


def _wished() -> int | None:
    text = os.environ.get("COLUMNS", "")
    return int(text) or None if text.isdecimal() else None


def _measured(stream: TextIO | None) -> int | None:
    try:
        return os.get_terminal_size(stream.fileno()).columns or None  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return None

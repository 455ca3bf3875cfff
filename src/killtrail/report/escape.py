"""Command lines as one could type them, safe to print."""

import re
from typing import Final

from killtrail.model.text import visible


def shell_words(words: tuple[str, ...]) -> str:
    """A command line as one could type it, controls made visible."""
    return " ".join(_quoted(visible(word)) for word in words)


_PLAIN: Final = re.compile(r"[\w@%+=:,./*-]+", re.ASCII)


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"

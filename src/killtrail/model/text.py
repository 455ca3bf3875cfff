"""Text from processes and logs is hostile: nothing in it may steer a terminal.

A comm or argv may hold escape sequences, newlines, backspaces, or characters that turn the reading
direction round. All of them are shown, none is obeyed.
"""

import re
from typing import Final

# C0, DEL, C1, line and paragraph separators, bidirectional controls (Unicode UAX #9), zero-width
# and other invisible format characters, surrogates.
_HOSTILE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with every such character written as an escape."""
    return _HOSTILE.sub(_escaped, text)


def shell_words(words: tuple[str, ...]) -> str:
    """A command line as one could type it, controls made visible."""
    return " ".join(_quoted(visible(word)) for word in words)


def shortened(text: str, most: int) -> str:
    """The text with its middle left out where it is longer: what is killed often stands last."""
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[-end:]}"


_PLAIN: Final = re.compile(r"[\w@%+=:,./*-]+", re.ASCII)


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    known = {0x0A: "\\n", 0x09: "\\t", 0x0D: "\\r", 0x1B: "\\e"}.get(code)
    if known:
        return known
    if code <= 0xFF:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004

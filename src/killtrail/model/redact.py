"""Removes passwords and tokens from command lines, before any other code sees them.

By the name of the option or variable, by the form of the value (URLs with a password, headers,
JSON, the prefixes of well-known tokens), and for programs whose password has no name by its place.
Scripts in one word (`sh -c`, a command for `ssh`) are read word by word. Replaced text becomes
`***`, so that a reader sees that something was removed. What no rule can know (`echo X`) stays.
"""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from killtrail.model.secret_programs import SecretPlaces, places_of
from killtrail.model.secret_text import (
    MASK,
    is_secret_option,
    is_weak_option,
    masked,
    plain_value,
)

_NO_PLACES: Final = SecretPlaces()
_PAIR: Final = re.compile(r"^(['\"]?[^:%\s]+[:%]).+")
_TOKEN: Final = re.compile(
    r"(?:[^\s'\"|;&()]|'[^']*+(?:'|$)|\"(?:\\.|[^\"\\])*+(?:\\?$|\"))+|[|;&()]+"
)
"""A word of a script with its quotes; an unclosed quote takes the rest (no second look at it)."""
_DEPTH: Final = 3
"""Scripts in scripts that are read: `ssh host "sh -c 'mysql -pX'"`."""
_ENDS_COMMAND: Final = frozenset("|;&()")


class _Expected(Enum):
    """What the next word is."""

    SECRET = auto()
    SECRET_UNLESS_PLAIN = auto()
    PAIR = auto()


_REMEMBERED: Final = 512
"""Command lines: the same few come again and again (a shell's children, a pool's workers)."""


@lru_cache(_REMEMBERED)
def redact(words: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The words with secrets masked, and whether any was."""
    walk = _Walk()
    clean = tuple(map(walk.word, words))
    return clean, clean != words


def redact_text(text: str) -> str:
    """One command line, or other text that a program or a log holds, with secrets masked."""
    return _script(text, 0)


def _script(text: str, depth: int) -> str:
    text = masked(text)
    if depth == _DEPTH:
        return text
    walk = _Walk(depth + 1)
    return _TOKEN.sub(lambda found: walk.token(found[0]), text)


class _Walk:
    """Goes through a command line; knows which program's options it is among."""

    __slots__ = ("_active", "_count", "_depth", "_expected", "_places")

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._start()

    def _start(self) -> None:
        self._places = _NO_PLACES
        self._active = False
        self._expected: _Expected | None = None
        self._count = 0
        """How many plain words on a secret stands, 0 where none does."""

    def token(self, word: str) -> str:
        """One word of a script, still quoted; separators begin a new command."""
        if word[0] in _ENDS_COMMAND:
            self._start()
            return word
        bare = word.strip("'\"")
        clean = self.word(bare)
        return word if clean == bare else clean

    def word(self, word: str) -> str:
        """The word as it may be shown."""
        expected, self._expected = self._expected, None
        if expected:
            return _as_expected(word, expected)
        if not word:
            return word
        if word[0] in "-/" and (clean := self._option(word)) is not None:
            return clean
        if self._counted(word):
            return MASK
        self._enter(word)
        return self._plain(word)

    def _enter(self, word: str) -> None:
        places = places_of(word.rsplit("/", 1)[-1])
        if places:
            self._places = places
            self._active = not places.only_after
        elif word == self._places.only_after:
            self._active = True
        for name, count in self._places.after:
            if word.endswith(name):
                self._count = count

    def _counted(self, word: str) -> bool:
        if not self._count or word == MASK:
            return False
        self._count -= 1
        return self._count == 0

    def _plain(self, word: str) -> str:
        if self._places.value:
            return self._places.value.sub(rf"\1{MASK}\2", word)
        if any(c in word for c in " \t\n|;"):
            return _script(word, self._depth)
        return masked(word)

    def _option(self, word: str) -> str | None:
        """The option as it may be shown, None where it needs no look of its own."""
        clean = self._program_option(word) if self._active else None
        if clean is None and is_secret_option(word):
            weak = is_weak_option(word)
            self._expected = _Expected.SECRET_UNLESS_PLAIN if weak else _Expected.SECRET
            return word
        return clean

    def _program_option(self, word: str) -> str | None:
        places = self._places
        if word in places.next_word:
            self._expected = _Expected.SECRET
            return word
        for option in places.joined:
            if word.startswith(option) and len(word) > len(option) and word[1] != "-":
                return option + MASK
        return self._pair_option(word)

    def _pair_option(self, word: str) -> str | None:
        name, sign, value = word.partition("=")
        if name in self._places.long_pair:
            if sign:
                return f"{name}={_as_expected(value, _Expected.PAIR)}"
            self._expected = _Expected.PAIR
            return word
        if not self._places.pair:
            return None
        found = re.match(rf"^(-[A-Za-z]*[{self._places.pair}])(.*)$", word, re.DOTALL)
        if found is None:
            return None
        if found[2]:
            return found[1] + _as_expected(found[2], _Expected.PAIR)
        self._expected = _Expected.PAIR
        return word


def _as_expected(word: str, expected: _Expected) -> str:
    if not word:
        return word
    if expected is _Expected.PAIR:
        return _PAIR.sub(rf"\1{MASK}", word)
    if expected is _Expected.SECRET_UNLESS_PLAIN and plain_value(word):
        return word
    return MASK

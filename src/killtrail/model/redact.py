"""Removes passwords and tokens from command lines, before any other code sees them.

By name of the option or variable, by form of the value (URLs with a password, well-known token
prefixes), and for a few programs whose password options have no name. Replaced text becomes `***`,
so that a reader sees that something was removed.
"""

import re
from typing import Final

MASK: Final = "***"
_NAME: Final = (
    r"(?:[\w.-]*(?:passwd|password|passphrase|secret|token|api[-_]?key|access[-_]?key|"
    r"private[-_]?key|credentials?|auth[-_]?key)|pwd|pass|pw)"
)
_ASSIGNED: Final = re.compile(rf"(?i)(\b{_NAME}\s*[=:]\s*)([^\s&;,'\"]+|'[^']*'|\"[^\"]*\")")
_OPTION: Final = re.compile(rf"(?i)^--?{_NAME}$")
_OPTION_IN_TEXT: Final = re.compile(rf"(?i)(--?{_NAME}\s+)([^\s'\"-][^\s'\"]*|'[^']*'|\"[^\"]*\")")
_URL: Final = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)([^\s/@]+)(@)")
_HEADER: Final = re.compile(r"(?i)(authorization:\s*(?:bearer|basic|token)?\s*)([^\s'\"]+)")
_KNOWN: Final = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|"
    r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})"
)
_KNOWN_LEAST: Final = 15
"""The shortest that it can match: `xoxb-` and ten more."""
_USER_OPTION: Final = re.compile(r"^([^:\s]+:).+")
_SHORT_PASSWORD: Final = {"mysql": "-p", "mysqldump": "-p", "mysqladmin": "-p", "mariadb": "-p"}
_NEXT_WORD: Final = {"curl": ("-u", "--user"), "sshpass": ("-p",), "smbclient": ("-U",)}


def redact(words: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The words with secrets masked, and whether any was."""
    program = words[0].rsplit("/", 1)[-1] if words else ""
    result: list[str] = []
    mask_next = False
    for word in words:
        if mask_next:
            result.append(MASK)
            mask_next = False
            continue
        result.append(_redact_word(word, program, result[-1] if result else ""))
        mask_next = (word[:1] == "-" and bool(_OPTION.match(word))) or (
            program == "sshpass" and word == "-p"
        )
    masked = tuple(result)
    return masked, masked != words


def _redact_word(word: str, program: str, before: str) -> str:
    short = _SHORT_PASSWORD.get(program)
    if short and word.startswith(short) and len(word) > len(short) and not word.startswith("--"):
        return short + MASK
    if before in _NEXT_WORD.get(program, ()):
        return _USER_OPTION.sub(rf"\1{MASK}", word)
    if ":" in word or "=" in word:
        word = _HEADER.sub(rf"\1{MASK}", word)
        word = _ASSIGNED.sub(rf"\1{MASK}", word)
        word = _URL.sub(rf"\1{MASK}\3", word)
    if " " in word:
        word = _OPTION_IN_TEXT.sub(rf"\1{MASK}", word)
    return _KNOWN.sub(MASK, word) if len(word) >= _KNOWN_LEAST else word

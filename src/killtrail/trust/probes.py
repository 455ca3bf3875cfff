"""Questions to tools with known answers: what people and scripts use to check for processes.

`{dead}` is a PID that no process can have, `{live}` a process of ours, `{name}` its name,
`{nobody}` a name that no process has, `{missing}` a path that does not exist, `{port}` a port with
a listener.
"""

import hashlib
from typing import Final

from killtrail._slotted import dataclass

GIVEN: Final = b"killtrail asks what it knows\n"


@dataclass(frozen=True, slots=True)
class Question:
    """One run of a tool: it must fail, or its output must hold a word."""

    words: tuple[str, ...]
    about: str
    shows: str | None = None
    """A word of its output if it exits with 0; None = it must not exit with 0."""
    given: bytes = b""

    @property
    def of_life(self) -> bool:
        """Whether it asks for a process that does not exist."""
        return self.about in (_NO_PROCESS, _NO_NAME)


_BAD_OPTION: Final = Question(("--killtrail-no-such-option",), "an option that it does not have")
_NO_PROCESS: Final = "PID {dead}, which does not exist"
_NO_NAME: Final = "a name that no process has"
_NO_FILE: Final = "a file that does not exist"
_OUR_PROCESS: Final = "PID {live}, which is alive"
_OUR_PORT: Final = "port {port}, on which something listens"
_MISSING: Final = Question(("{missing}",), _NO_FILE)


def _sum(name: str) -> tuple[Question, ...]:
    digest = hashlib.new(name, GIVEN, usedforsecurity=False).hexdigest()
    return (Question((), "bytes whose digest is known", digest, GIVEN), _MISSING)


QUESTIONS: Final[dict[str, tuple[Question, ...]]] = {
    "ps": (
        Question(("-p", "{dead}"), _NO_PROCESS),
        Question(("-p", "{live}", "-o", "pid="), _OUR_PROCESS, "{live}"),
        _BAD_OPTION,
    ),
    "kill": (Question(("-0", "{dead}"), _NO_PROCESS), Question(("-0", "{live}"), _OUR_PROCESS, "")),
    "pgrep": (
        Question(("-x", "{nobody}"), _NO_NAME),
        Question(("-x", "{name}"), _OUR_PROCESS, "{live}"),
    ),
    "pkill": (Question(("-0", "-x", "{nobody}"), _NO_NAME),),
    "pidof": (Question(("{nobody}",), _NO_NAME),),
    "killall": (Question(("-0", "{nobody}"), _NO_NAME),),
    "lsof": (Question(("-p", "{dead}"), _NO_PROCESS), _BAD_OPTION),
    "fuser": (_MISSING,),
    "top": (Question(("-b", "-n1", "-p", "{live}"), _OUR_PROCESS, "{live}"),),
    "ls": (_MISSING, Question(("/proc",), _OUR_PROCESS, "{live}")),
    "find": (
        _MISSING,
        Question(("/proc", "-maxdepth", "1", "-name", "{live}"), _OUR_PROCESS, "/proc/{live}"),
    ),
    "stat": (_MISSING,),
    "cat": (_MISSING,),
    "grep": (Question(("-q", "no such word"), "text without the word", None, GIVEN),),
    "ss": (Question(("-Hltn",), _OUR_PORT, "0.0.0.0:{port}"), _BAD_OPTION),
    "netstat": (Question(("-ltn",), _OUR_PORT, "0.0.0.0:{port}"), _BAD_OPTION),
    "md5sum": _sum("md5"),
    "sha1sum": _sum("sha1"),
    "sha256sum": _sum("sha256"),
    "sha512sum": _sum("sha512"),
}

"""An event probe on execve that copies the command line, if the kernel has them (5.15+).

The environment follows argv's NULL: what the kernel could not read has length 0 (an empty word
has 1, its NUL), and words count only up to there. The probe belongs to all of tracefs, so it must
be removed after the instance that uses it. A system call tracepoint slows every system call a
little: this is the fallback.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from killtrail.recorder.tracefs.formats import Format

NAME: Final = "execve"
GROUP: Final = "killtrail"
MOST_WORDS: Final = 12


def definition() -> str:
    """What is written to dynamic_events."""
    words = " ".join(f"a{i}=+u0(+u{8 * i}($argv)):ustring" for i in range(MOST_WORDS))
    return f"e:{GROUP}/{NAME} syscalls/sys_enter_execve {words}"


def make(tracefs: Path) -> bool:
    """Defines the probe; False where this kernel refuses it."""
    try:
        _append(tracefs, definition())
    except OSError:
        return False
    return True


def remove(tracefs: Path) -> None:
    """Takes the probe away if it is there."""
    with contextlib.suppress(OSError):
        _append(tracefs, f"-:{GROUP}/{NAME}")


def _append(tracefs: Path, text: str) -> None:
    # Not open("a"): that seeks to the end, which this file refuses.
    fd = os.open(tracefs / "dynamic_events", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode("ascii") + b"\n")
    finally:
        os.close(fd)


def words(form: Format, record: bytes) -> tuple[tuple[str, ...], bool]:
    """The words of a command line, and whether there may be more than were copied."""
    found: list[str] = []
    for i in range(MOST_WORDS):
        word = form.text_of(record, f"a{i}")
        if word is None or not form.text_length(record, f"a{i}"):
            return tuple(found), False
        found.append(word)
    return tuple(found), True

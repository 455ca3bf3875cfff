"""Where nothing can be asked: what was looked at, and what to enable."""

import argparse
import os
import sys
from typing import Final

from killtrail.errors import IncompleteError, NoSuchDeathError, UnavailableError
from killtrail.inquiry.question import Answer
from killtrail.model.text import shell_words, visible
from killtrail.report import text
from killtrail.report.pages.no_source import LogState, no_source_page

_LOGS: Final = (
    ("audit log", ("/var/log/audit/audit.log",), "sudo killtrail rules --install"),
    (
        "kernel log",
        ("/dev/kmsg", "/var/log/kern.log", "/var/log/messages", "/var/log/syslog"),
        None,
    ),
)
"""Names, places, and what makes one where there is none."""


def show(answer: Answer, args: argparse.Namespace) -> int:
    """Prints what was looked at; the exit code of `no usable source`.

    Raises `NoSuchDeathError` where sources could be asked and hold no such death, `IncompleteError`
    where something could not be read that may hold it.
    """
    target = ", ".join(args.targets)
    if args.paths or answer.covered:
        if answer.coverage.unread:
            what = "end of the machine" if target == "host" else f"death of {target}"
            raise IncompleteError(f"no {what} found, but {answer.coverage.unread.says}")
        raise _no_such_death(answer, target, args.paths)
    logs = tuple(
        _looked_at(name, places, remedy, tuple(args.targets)) for name, places, remedy in _LOGS
    )
    page = no_source_page(target, answer.unusable, answer.remedy, logs)
    text.show(page, sys.stderr)
    return UnavailableError.exit_code


def _looked_at(
    name: str, places: tuple[str, ...], remedy: str | None, targets: tuple[str, ...]
) -> LogState:
    readable = tuple(p for p in places if os.access(p, os.R_OK))
    denied = tuple(p for p in places if p not in readable and _denied(p))
    return LogState(
        name, readable, denied, f"sudo killtrail why {shell_words(targets)}" if denied else remedy
    )


# In a folder that this user may not search, a file may be there.
def _denied(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 -- a reason is wanted, not a file
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _no_such_death(answer: Answer, target: str, paths: list[str] | None) -> NoSuchDeathError:
    near = f"; did you mean {' or '.join(map(visible, answer.near))}?" if answer.near else ""
    if paths:
        asked = ", ".join(sorted(set(answer.consulted)))
        what = "end of the machine" if target == "host" else f"death of {target}"
        return NoSuchDeathError(
            f"no {what} in these files (asked: {asked}){near}",
            f"killtrail list --from {' '.join(paths)}",
        )
    return NoSuchDeathError(
        f"no death of {target} is recorded ({'; '.join(answer.covered)}){near}",
        "killtrail list --all",
    )

"""Where nothing can be asked: what was looked at, and what to enable."""

import os
import sys
from typing import Final

from killtrail.errors import UnavailableError
from killtrail.inquiry.open_sources import Choice
from killtrail.report import text
from killtrail.report.pages.no_source import LogState, no_source_page

_LOGS: Final = (
    ("audit log", ("/var/log/audit/audit.log",), "sudo killtrail rules --install"),
    (
        "kernel log",
        ("/dev/kmsg", "/var/log/kern.log", "/var/log/messages", "/var/log/syslog"),
        "sudo killtrail why ...",
    ),
)


def show(choice: Choice, target: str) -> int:
    """Prints it; the exit code of `no usable source`."""
    logs = tuple(
        LogState(name, tuple(p for p in places if os.access(p, os.R_OK)), places, remedy)
        for name, places, remedy in _LOGS
    )
    page = no_source_page(target, tuple(choice.unusable), choice.remedy, logs)
    text.show(page, sys.stderr)
    return UnavailableError.exit_code

"""One structured journal entry per verdict; syslog where there is no journal.

systemd's native protocol: a datagram of FIELD=value lines, a value with newlines length-prefixed
(systemd, JOURNAL_NATIVE_PROTOCOL). Text is escaped first, so none has any.
"""

import json
import os
import socket
from pathlib import Path
from typing import Final

from killtrail.model.causes import Role
from killtrail.model.document import to_document
from killtrail.model.text import visible
from killtrail.model.verdict import Verdict

JOURNAL: Final = Path("/run/systemd/journal/socket")
SYSLOG: Final = Path("/dev/log")
MESSAGE_ID: Final = "6f1cf0ec4b6f4c3c9b9a1d1b7d0f5a2e"
_WARNING, _DAEMON = 4, 3


def send(verdict: Verdict, journal: Path = JOURNAL, syslog: Path = SYSLOG) -> None:
    """Sends one entry. Raises OSError where neither socket takes it."""
    try:
        _datagram(journal, _native(verdict))
    except OSError:
        _datagram(syslog, _bsd(verdict))


def _datagram(path: Path, payload: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(str(path))
        s.send(payload)


def _native(verdict: Verdict) -> bytes:
    rows = [
        ("MESSAGE", visible(verdict.summary)),
        ("MESSAGE_ID", MESSAGE_ID),
        ("PRIORITY", str(_WARNING)),
        ("SYSLOG_IDENTIFIER", "killtrail"),
        ("KILLTRAIL_CAUSE", verdict.cause.value),
        ("KILLTRAIL_CERTAINTY", verdict.certainty.label),
        ("KILLTRAIL_MECHANISM", verdict.mechanism.value if verdict.mechanism else ""),
        ("KILLTRAIL_VICTIM_PID", str(verdict.death.process.pid)),
        ("KILLTRAIL_VICTIM_COMM", visible(verdict.death.process.comm or "")),
        *_sender(verdict),
        ("KILLTRAIL_VERDICT", json.dumps(to_document(verdict), ensure_ascii=True)),
    ]
    return "".join(f"{name}={value}\n" for name, value in rows).encode()


def _sender(verdict: Verdict) -> list[tuple[str, str]]:
    for link in verdict.links:
        if link.role is Role.SENDER and link.process:
            return [
                ("KILLTRAIL_SENDER_PID", str(link.process.pid)),
                ("KILLTRAIL_SENDER_COMM", visible(link.process.comm or "")),
            ]
    return []


def _bsd(verdict: Verdict) -> bytes:
    text = f"{visible(verdict.summary)} [{verdict.cause}, {verdict.certainty.label}]"
    return f"<{_DAEMON * 8 + _WARNING}>killtrail[{os.getpid()}]: {text}".encode()

"""Audit records among the other lines of a syslog or a kernel's log: what has to stand near those that count.

Most of such a file is about something else, and other formats read it too: windows without any of these
texts are left out. A log of auditd's own is records from end to end, where that would save nothing.
"""

from typing import Final

from killtrail.files.opened import Piece
from killtrail.model.target import Target
from killtrail.sources.logs.audit.anomalies import CRASHES, GAPS, texts
from killtrail.sources.logs.audit.names import literals
from killtrail.sources.logs.audit.record import HEAD, head

Texts = tuple[bytes, ...]
_OBJECTS: Final = {b"1318": b"OBJ_PID"}


class Form:
    """How the records of one file are written."""

    def __init__(self, piece: Piece) -> None:
        sample = piece.head()
        self.numeric: bool = _numeric(sample)
        """With numbers in place of the names of types: as the kernel prints them."""
        self._pure = sample.startswith((b"type=", b"node="))

    def of_everything(self) -> Texts:
        """Signals, crashes and gaps."""
        return self._mixed(*self._kinds(_OBJECTS), *self._kinds(CRASHES), *self._kinds(GAPS))

    def of_pid(self, pid: int) -> Texts:
        """What is about a PID, and gaps. PID 0 may stand without its digit."""
        return self._mixed(b"%d" % pid, b" a0=%x a1=" % pid, *self._kinds(GAPS)) if pid else ()

    def of_sender(self, pid: int) -> Texts:
        """Calls of a PID."""
        return self._mixed(b" pid=%d auid=" % pid)

    def of_name(self, target: Target) -> Texts:
        """Records that give a name. Where it is plain, a part that other formats seek as well."""
        words = [word.encode("utf-8", "surrogateescape") for word in target.words()]
        found = (next((w for w in words if w in each), each) for each in literals(target))
        return self._mixed(*dict.fromkeys(found))

    def _kinds(self, kinds: dict[bytes, bytes]) -> Texts:
        return texts(kinds, numeric=self.numeric)

    def _mixed(self, *texts: bytes) -> Texts:
        return () if self._pure else texts


def _numeric(sample: bytes) -> bool:
    for line in sample.split(b"\n")[:200]:
        match = HEAD.match(line)
        if match is not None and head(line) is not None:
            return match["number"] is not None
    return False

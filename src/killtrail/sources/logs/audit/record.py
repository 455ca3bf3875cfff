"""One audit record: its head, its fields, and the text in them.

Formats: include/uapi/linux/audit.h (types), auditd.conf(5) log_format, audit-userspace lib/libaudit.h;
untrusted strings are quoted, or upper-case hex where they hold a blank, a quote or a byte beyond
ASCII (audit_log_untrustedstring, kernel/audit.c).
"""

import re
from typing import Final

from killtrail._slotted import dataclass
from killtrail.model.clock import NS

_ESCAPED: Final = re.compile(rb"[#\\]035")
"""What a syslog daemon makes of the 0x1D that parts a record from its enrichment."""
HEAD: Final = re.compile(
    rb"(?P<wrap>[^'\"=\n]*?)(?:node=(?P<node>\S+) )?"
    rb"(?:type=(?P<type>[A-Z_0-9]+) msg=|type=(?P<number>\d{4}) )"
    rb"audit\((?P<sec>\d{1,12})\.(?P<ms>\d{3}):(?P<serial>\d{1,20})\) ?: ?"
)
_WRAP: Final = re.compile(
    rb"(?:.*[\s:\]])?(?:(?:audispd|audisp-syslog|auditd|audit|kernel)(?:\[\d+\])?: )?"
    rb"(?:\[ *\d+\.\d+\] )?(?:audit: )?$"
)
_SPOKEN: Final = re.compile(rb"(?:audispd|audisp-syslog|auditd|audit|kernel|\])")
_FIELD: Final = re.compile(rb"([A-Za-z_][\w\[\]-]*)=(\"[^\"]*\"|'[^']*'|[^\s\"']*)")
NUMBERS: Final = {
    b"1006": b"LOGIN", b"1105": b"USER_START", b"1112": b"USER_LOGIN", b"1200": b"DAEMON_START",
    b"1201": b"DAEMON_END", b"1202": b"DAEMON_ABORT", b"1300": b"SYSCALL", b"1302": b"PATH",
    b"1307": b"CWD", b"1309": b"EXECVE", b"1318": b"OBJ_PID", b"1326": b"SECCOMP",
    b"1327": b"PROCTITLE", b"1701": b"ANOM_ABEND", b"1127": b"SYSTEM_BOOT",
    b"1128": b"SYSTEM_SHUTDOWN",
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Head:
    """The event that a record belongs to. A serial alone is not a key: auditd reuses its own."""

    kind: bytes
    node: bytes | None
    seconds: int
    millis: int
    serial: int
    wrapped: bool
    end: int
    """Where its fields begin."""

    @property
    def time_ns(self) -> int:
        """Wall-clock time; the kernel writes milliseconds of a clock that ticks every few."""
        return self.seconds * NS + self.millis * 1_000_000

    @property
    def event(self) -> tuple[bytes | None, int, int, int]:
        """What records of one event share."""
        return (self.node, self.seconds, self.millis, self.serial)

    @property
    def sibling(self) -> bytes:
        """How the SYSCALL record of the same event begins in a log that nothing wrapped."""
        node = b"node=%s " % self.node if self.node else b""
        stamp = (self.seconds, self.millis, self.serial)
        return node + b"type=SYSCALL msg=audit(%d.%03d:%d):" % stamp

    @property
    def id(self) -> str:
        """`1285245427.433:22`, as ausearch(8) prints it."""
        return f"{self.seconds}.{self.millis:03d}:{self.serial}"


def head(line: bytes | bytearray, start: int = 0) -> Head | None:
    """The head of a record that begins at `start`; None for anything else, forged ones too.

    Only the start of a line counts, at most after a node name, or a syslog or kernel prefix of
    audit's own programs: `type=OBJ_PID` within a field is text of a user.
    """
    match = HEAD.match(line, start)
    if match is None:
        return None
    wrap = match["wrap"]
    if wrap and not (_WRAP.match(wrap) and _SPOKEN.search(wrap)):
        return None
    kind = match["type"] or NUMBERS.get(match["number"], match["number"])
    return Head(
        kind, match["node"], int(match["sec"]), int(match["ms"]), int(match["serial"]),
        bool(wrap), match.end(),
    )  # fmt: skip


def fields(line: bytes, start: int) -> dict[str, bytes]:
    """The fields from `start` on; of several of one name the first, so enrichment changes none."""
    if b"035" in line:
        line = _ESCAPED.sub(b" ", line)
    found = _FIELD.findall(line.replace(b"\x1d", b" "), start)
    return {name.decode("ascii"): value for name, value in reversed(found)}


def enrichment(line: bytes, start: int) -> dict[str, bytes]:
    """The names that auditd appended to a record's ids (UID=, AUID=, ...); none in a raw log."""
    at = line.find(b"\x1d", start)
    if at >= 0:
        return fields(line, at)
    # An escaped mark may be text of a user: quoted text is recognised from the start of the line.
    return fields(line, start) if b"035" in line else {}


def text(raw: bytes | None) -> str | None:
    """An untrusted string: quoted, or in hex; None where there is none."""
    if raw is None or raw in (b"(null)", b"?", b"(none)", b""):
        return None
    if raw[:1] == b'"':
        return raw.strip(b'"').decode("utf-8", "surrogateescape")
    try:
        plain = bytes.fromhex(raw.decode("ascii"))
    except ValueError:
        plain = raw
    return plain.decode("utf-8", "surrogateescape")


def number(raw: bytes | None, base: int = 10) -> int | None:
    """An integer field; None for anything else."""
    try:
        return int(raw, base) if raw else None
    except ValueError:
        return None

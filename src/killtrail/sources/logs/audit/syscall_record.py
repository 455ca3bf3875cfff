"""SYSCALL records: caller, call, arguments and success."""

import re
from typing import Final

from killtrail._slotted import dataclass
from killtrail.files.opened import Piece
from killtrail.model import syscalls
from killtrail.model.circumstances import SystemCall
from killtrail.model.events import Provenance
from killtrail.model.process import NO_ID, Argv, Key, Process
from killtrail.sources.logs.audit.record import Head, enrichment, head, number, text

ID: Final = "auditlog"
# The order of the fields is fixed (audit_log_exit, kernel/auditsc.c); `per=` appears there under a
# personality only, success and exit are left out where the call never returned.
_SYSCALL: Final = re.compile(
    rb"arch=(\w+) syscall=(\d{1,18})(?: per=\w+)?(?: success=(\w+) exit=(-?\w+))? a0=([0-9a-f]{1,16}) a1=([0-9a-f]{1,16})"
    rb" a2=([0-9a-f]{1,16}) a3=([0-9a-f]{1,16}) items=\d+ ppid=(\d{1,18}) pid=(\d{1,18}) auid=(-?\d{1,18}) uid=(\d{1,18}) gid=\d+"
    rb" euid=(\d{1,18}) .*?tty=(\S+) ses=(-?\d{1,18}) comm=(\"[^\"]*\"|\w+|\(null\)|\?)"
    rb" exe=(\"[^\"]*\"|\w+|\(null\)|\?)"
)
_ARCHES: Final = {
    b"c000003e": "x86_64", b"40000003": "i386", b"c00000b7": "aarch64", b"40000028": "arm",
    b"x86_64": "x86_64", b"i386": "i386", b"aarch64": "aarch64",
}  # fmt: skip
"""AUDIT_ARCH_* (include/uapi/linux/audit.h), as numbers or by name."""
SIGNAL_CALLS: Final = frozenset(
    {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}
)
EXEC_CALLS: Final = frozenset({"execve", "execveat"})
_THREAD_CALLS: Final = frozenset({"tgkill", "rt_tgsigqueueinfo"})
_MOST_IDS: Final = 1 << 32


@dataclass(slots=True, eq=False)
class Call:
    """One SYSCALL record. Not frozen: a log has them by the hundred thousand, and that doubles the cost."""

    head: Head
    piece: Piece
    offset: int
    abi: str
    number: int
    name: str | None
    success: bool
    result: int
    args: tuple[int, int, int, int]
    ppid: int
    pid: int
    loginuid: int
    uid: int
    euid: int
    terminal: str | None
    session: int
    comm: str | None
    exe: str | None
    line: bytes

    @property
    def signal(self) -> int:
        """The signal of a signal call."""
        return self.args[2 if self.name in _THREAD_CALLS else 1] & 0xFFFFFFFF

    @property
    def place(self) -> Provenance:
        """The place of the record, with the event's id as in ausearch."""
        return place(self.piece, self.offset, self.head)

    def process(self, argv: Argv | None = None) -> Process:
        """The caller."""
        names = enrichment(self.line, self.head.end)
        return Process(
            Key(self.pid, None),
            comm=self.comm,
            exe=self.exe,
            argv=argv,
            uid=self.uid,
            user=text(names.get("UID")) or "",
            loginuid=self.loginuid,
            login_user=text(names.get("AUID")) or "",
            session=self.session,
            ppid=self.ppid,
        )

    def system_call(self) -> SystemCall:
        """The call itself."""
        return SystemCall(self.number, self.abi, self.name, self.args)


def place(piece: Piece, offset: int, of: Head) -> Provenance:
    """Provenance of a record."""
    node = of.node.decode("utf-8", "surrogateescape") if of.node else None
    return Provenance(ID, f"{piece.place(offset)} ({of.id})", node)


def parse(piece: Piece, offset: int, line: bytes) -> Call | None:
    """The SYSCALL record on a line; None where it is none, or not to be read."""
    of = head(line)
    if of is None or of.kind != b"SYSCALL":
        return None
    return of_head(piece, offset, line, of)


def of_head(piece: Piece, offset: int, line: bytes, of: Head) -> Call | None:
    """The same where the head was read already."""
    match = _SYSCALL.match(line, of.end)
    if match is None:
        return None
    abi, nr = abi_of(match[1], int(match[2]))
    return Call(
        head=of,
        piece=piece,
        offset=offset,
        abi=abi,
        number=nr,
        name=syscalls.name(nr, abi),
        success=match[3] == b"yes",
        result=number(match[4]) or 0,
        args=(int(match[5], 16), int(match[6], 16), int(match[7], 16), int(match[8], 16)),
        ppid=int(match[9]),
        pid=int(match[10]),
        loginuid=unsigned(match[11]),
        uid=int(match[12]),
        euid=int(match[13]),
        terminal=None if match[14] == b"(none)" else match[14].decode("ascii", "replace"),
        session=unsigned(match[15]),
        comm=text(match[16]),
        exe=text(match[17]),
        line=line,
    )


def abi_of(arch: bytes, number: int) -> tuple[str, int]:
    """ABI and call number; x32 has the arch of x86-64 and a bit in the call number."""
    abi = _ARCHES.get(arch) or arch.decode("ascii", "replace")
    if abi == "x86_64" and number & syscalls.X32_BIT:
        return "x32", number & ~syscalls.X32_BIT
    return abi, number


def unsigned(raw: bytes | None) -> int:
    """A user or session id; old kernels print the unset one as -1."""
    value = number(raw)
    return NO_ID if value is None else value % _MOST_IDS

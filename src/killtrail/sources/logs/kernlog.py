"""The kernel's log as evidence: OOM kills, faults, broken memory, panics and what leads to them."""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

from killtrail._slotted import replace
from killtrail.files.opened import Piece
from killtrail.model import signals as sg
from killtrail.model.clock import NS, Boot
from killtrail.model.events import (
    Event,
    HostEvent,
    HostEventKind,
    ParseProblem,
    Provenance,
    SignalSent,
)
from killtrail.model.process import Key, Process
from killtrail.model.signal_context import Basis, KernelContext
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.base import Descriptor, Match, Opened
from killtrail.sources.logs import kernel_lines, kernel_reports, oom, syslog_services
from killtrail.sources.logs.kernel_lines import Line, lines, wall_time
from killtrail.sources.logs.kernel_reports import CARRIERS, LITERALS
from killtrail.sources.logs.searched import SearchedLog
from killtrail.sources.logs.stream import SINCE_BOOT, UNTIMED, WALL

ID: Final = "kernlog"
# arch/x86/mm/fault.c show_signal_msg(), arch/x86/kernel/traps.c: printed for unhandled signals.
_FAULT: Final = re.compile(
    r"(?P<comm>.{1,16})\[(?P<pid>\d{1,18})\]: segfault at (?P<at>[0-9a-f]+) ip (?P<ip>[0-9a-f]+)"
    r" sp (?P<sp>[0-9a-f]+) error (?P<error>[0-9a-f]+)"
)
_TRAP: Final = re.compile(
    r"traps: (?P<comm>.{1,16})\[(?P<pid>\d{1,18})\] (?:trap )?(?P<what>invalid opcode|general protection"
    r"(?: fault)?|divide error|int3|stack segment|alignment check|bounds|overflow)"
    r"(?: ip:(?P<ip>[0-9a-f]+) sp:(?P<sp>[0-9a-f]+))?"
)
_POISON: Final = re.compile(
    r"(?:Memory failure|MCE)[: ]+0x[0-9a-f]+: Killing (?P<comm>.{1,16}):(?P<pid>\d{1,18}) due to hardware"
    r" memory corruption"
)
_TRAPS: Final = {
    "invalid opcode": (sg.SIGILL, 2), "general protection": (sg.SIGSEGV, sg.SI_KERNEL),
    "general protection fault": (sg.SIGSEGV, sg.SI_KERNEL), "divide error": (sg.SIGFPE, 1),
    "int3": (sg.SIGTRAP, sg.SI_KERNEL), "stack segment": (sg.SIGBUS, sg.SI_KERNEL),
    "alignment check": (sg.SIGBUS, 1), "bounds": (sg.SIGSEGV, sg.SI_KERNEL),
    "overflow": (sg.SIGSEGV, sg.SI_KERNEL),
}  # fmt: skip
_MCEERR_AR: Final = 4
_MINUTE: Final = 60 * NS
_ZONED: Final = re.compile(rb"^(?:<\d+>)?\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d)", re.MULTILINE)
_HOST: Final[tuple[tuple[HostEventKind, re.Pattern[str]], ...]] = (
    (HostEventKind.PANIC, re.compile(r"Kernel panic - not syncing: (?P<text>.*)")),
    (HostEventKind.OOPS, re.compile(r"(?P<text>(?:BUG: |Oops: |kernel BUG at |Unable to handle kernel |Internal error: ).*)")),
    (HostEventKind.LOCKUP, re.compile(r"(?P<text>(?:watchdog: )?(?:BUG: )?(?:soft lockup|.*hard LOCKUP).*)")),
    (HostEventKind.HUNG_TASK, re.compile(r"INFO: task (?P<comm>.{1,16}):(?P<pid>\d{1,18}) (?P<text>blocked for more than .*)")),
    (HostEventKind.MACHINE_CHECK, re.compile(r"(?P<text>(?:mce: )?\[Hardware Error\]: .*)")),
    (HostEventKind.SYSRQ, re.compile(r"sysrq: (?P<text>.*)")),
    (HostEventKind.POWER_OFF, re.compile(r"reboot: (?P<text>Power down|System halted)")),
    (HostEventKind.REBOOT, re.compile(r"reboot: (?P<text>Restarting system.*|machine restart)")),
    (HostEventKind.WATCHDOG, re.compile(r"watchdog: (?P<text>watchdog\d+: watchdog did not stop!)")),
    (HostEventKind.BOOT, re.compile(r"(?P<text>Linux version \S+ .*)")),
)  # fmt: skip
_ADDRESS: Final = re.compile(r"(?:corrupted in|address|at): (?:0x)?(?P<address>[0-9a-f]{8,16})\b")
_EXIT_CODE: Final = re.compile(r"Attempted to kill init! exitcode=0x(?P<code>[0-9a-f]+)")
_TASK: Final = re.compile(
    r"CPU: \d+ (?:UID: \d+ )?PID: (?P<pid>\d{1,18}) Comm: (?P<comm>.{1,16}?) (?:Not tainted|Tainted|Kdump)"
)
_TAG: Final = re.compile(
    rb"^(?:<\d+>)?\[ *\d+\.\d+\]|^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}\] | kernel: ",
    re.MULTILINE,
)


def looks(sample: bytes) -> bool:
    """Whether a file holds lines of the kernel's log."""
    head = sample[:16384].decode("utf-8", "replace")
    if any(pattern.search(head) for _, pattern in _HOST[:1]) or oom.KILLED.search(head):
        return True
    told = _TAG.search(sample, 0, 16384) or syslog_services.WRITTEN.search(sample, 0, 16384)
    return told is not None and b"type=" not in sample[:16]


def dated(sample: bytes) -> bool | None:
    """Whether its lines have dates; False = seconds since boot, None = no times."""
    found: bool | None = None
    for raw in sample.split(b"\n")[:200]:
        if re.match(
            rb"(?:<\d+>)?(?:\d{4}-\d\d-\d\d[T ]|[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d |\[[A-Z][a-z]{2} )",
            raw,
        ):
            return True
        if re.match(rb"(?:<\d+>)?\[ *\d+\.\d+\]", raw):
            found = False
    return found


class KernelText:
    """One file of kernel lines as a form that is searched: parsed from any line on."""

    literals = LITERALS
    carriers: tuple[bytes, ...] = CARRIERS
    near = oom.CUT_REACH

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._newest = datetime.fromtimestamp(os.fstat(piece.fd).st_mtime, UTC).astimezone()
        self._dated = dated(piece.head())
        # Seconds since boot begin anew with each boot: the order of lines is all there is.
        self.slack_ns: int | None = _slack(piece.head()) if self._dated else None

    def parse(self, low: int, high: int) -> Iterator[tuple[int, Event | ParseProblem]]:
        """(offset, event) of the lines in [low, high)."""
        read = lines(self._piece, self._newest, low, high)
        return told(self._piece, ((_time(line, self._dated), line) for line in read), ID)

    def begins(self, offset: int) -> int:
        """Where the report begins whose kill stands at an offset."""
        return kernel_reports.begins(
            self._piece, offset, lambda at, raw: _kernel_text(at, raw, self._newest)
        )

    def time(self, raw: bytes) -> int | None:
        """The date of a line."""
        return wall_time(raw, self._newest)


def _kernel_text(at: int, raw: bytes, newest: datetime) -> str:
    line = kernel_lines.read(at, raw, newest)
    return line.text if line is not None and line.by_kernel else ""


# Local time has two hours of one name in autumn.
def _slack(sample: bytes) -> int:
    return _MINUTE if _ZONED.search(sample) else 61 * _MINUTE


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """All its events, on the wall clock, else the boot clock, else by the order of lines."""
    return (event for _, event in KernelText(piece).parse(0, piece.size))


class Places(Protocol):
    """What knows where in a log a line stands."""

    @property
    def name(self) -> str:
        """The log's name."""
        ...

    def place(self, offset: int) -> str:
        """How the line at an offset is looked up."""
        ...


def told(
    piece: Places, timed: Iterable[tuple[int | None, Line]], source: str, scale: int = 1
) -> Iterator[tuple[int, Event | ParseProblem]]:
    """(offset, event) for what lines say, wherever they were kept.

    `scale`: how many times longer entries are than a line of text; no event looks further than so
    many bytes for what completes it.
    """
    report = oom.Report()
    waiting = _Waiting(kernel_reports.TASK_REACH * scale)
    before: tuple[int, Line] | None = None
    for time_ns, line in timed:
        if time_ns is None:
            continue
        origin = Provenance(source, piece.place(line.offset), line.host)
        if line.by_kernel:
            kill = report.line(line.text, time_ns, origin, line.offset // scale)
            found: Iterable[Event] = [kill] if kill else _process(line, time_ns, origin)
            event = _host(line, time_ns, origin)
            if event is not None and event.kind is HostEventKind.BOOT and before is not None:
                yield line.offset, _ran(*before, piece, source)
            yield from waiting.line(line, event)
        else:
            found = syslog_services.events(line, time_ns, origin)
        for each in found:
            yield line.offset, each
        before = (time_ns, line)
    yield from waiting.rest()


class _Waiting:
    """A host event until the line that names its task, which follows soon or never."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._last: tuple[int, HostEvent] | None = None

    def line(self, line: Line, event: HostEvent | None) -> Iterator[tuple[int, HostEvent]]:
        """What is complete by now, given the next kernel line and what it says."""
        if self._last is not None and (
            event is not None or line.offset - self._last[0] > self._reach
        ):
            yield from self.rest()
        if event is not None:
            self._last = (line.offset, event)
        elif self._last is not None and self._last[1].process is None:
            match = _TASK.search(line.text)
            if match is not None:
                task = Process(Key(int(match["pid"]), None), comm=match["comm"], user="")
                self._last = (self._last[0], replace(self._last[1], process=task))
                yield from self.rest()

    def rest(self) -> Iterator[tuple[int, HostEvent]]:
        """The one that still waits."""
        if self._last is not None:
            yield self._last
        self._last = None


# The last line before a boot says until when the machine was up.
def _ran(time_ns: int, line: Line, piece: Places, source: str) -> HostEvent:
    origin = Provenance(source, f"{piece.name}@{line.offset}", line.host)
    return HostEvent(time_ns, origin, HostEventKind.RAN, line.text[:200])


def _time(line: Line, clock: bool | None) -> int | None:  # noqa: FBT001
    if clock:
        return line.wall_ns
    return line.offset + 1 if clock is None else line.boot_ns


def _process(line: Line, time_ns: int, origin: Provenance) -> Iterator[SignalSent]:
    if match := _FAULT.search(line.text):
        error = int(match["error"], 16)
        yield _own(match, sg.SIGSEGV, 2 if error & 1 else 1, time_ns, origin, int(match["at"], 16))
    elif match := _TRAP.search(line.text):
        sig, code = _TRAPS[match["what"]]
        yield _own(match, sig, code, time_ns, origin)
    elif match := _POISON.search(line.text):
        yield _own(match, sg.SIGBUS, _MCEERR_AR, time_ns, origin)


def _own(
    match: re.Match[str],
    sig: int,
    code: int,
    time_ns: int,
    origin: Provenance,
    address: int | None = None,
) -> SignalSent:
    process = Process(Key(int(match["pid"]), None), comm=match["comm"].strip(), user="")
    groups = match.groupdict()
    return SignalSent(
        time_ns=time_ns,
        origin=origin,
        sig=sig,
        code=code,
        result=0,
        group=False,
        target=process,
        current=process,
        basis=Basis.USER if address is not None else Basis.KERNEL,
        si_pid=None if address is None else address & 0xFFFFFFFF,
        si_uid=None if address is None else address >> 32,
        same_task=True,
        same_group=True,
        kernel=KernelContext(
            doomed=True,
            ip=int(groups["ip"], 16) if groups.get("ip") else None,
            sp=int(groups["sp"], 16) if groups.get("sp") else None,
        ),
    )


def _host(line: Line, time_ns: int, origin: Provenance) -> HostEvent | None:
    for kind, pattern in _HOST:
        match = pattern.search(line.text)
        if match is None:
            continue
        address = _ADDRESS.search(line.text)
        code = _EXIT_CODE.search(line.text)
        groups = match.groupdict()
        process = None
        if groups.get("pid"):
            process = Process(Key(int(match["pid"]), None), comm=match["comm"], user="")
        return HostEvent(
            time_ns, origin, kind, match["text"], process,
            int(address["address"], 16) if address else None,
            WaitStatus(int(code["code"], 16)) if code else None,
        )  # fmt: skip
    return None


def _clock(sample: bytes) -> Boot:
    return {True: WALL, False: SINCE_BOOT, None: UNTIMED}[dated(sample)]


def _opened(pieces: list[Piece]) -> Opened:
    return Opened(tuple(SearchedLog(ID, p, KernelText(p), _clock(p.head())) for p in pieces))


DESCRIPTOR: Final = Descriptor(
    id=ID,
    what="the kernel's log: dmesg, `dmesg -T`, console, kern.log, messages, syslog, /dev/kmsg",
    yields="OOM kills with trigger, limit and candidates, faults and traps, broken memory, panics and what"
    " came before them; what systemd, cron, sshd and sudo wrote beside it",
    silent_about="signals that processes sent",
    needs="the file; no root, nothing installed",
    clock="seconds since boot, or the date that syslog put before it",
    completeness="text: what is missing does not show",
    places=(
        "/var/log/kern.log*",
        "/var/log/messages*",
        "/var/log/syslog*",
        "/var/log/auth.log*",
        "/var/log/secure*",
    ),
    looks=lambda _piece, sample: Match.WHOLE if looks(sample) else Match.NO,
    open_files=_opened,
)

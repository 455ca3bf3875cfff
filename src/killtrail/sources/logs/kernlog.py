"""The kernel's log as evidence: OOM kills, faults, broken memory, panics and what leads to them."""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from killtrail._slotted import replace
from killtrail.files.opened import Piece
from killtrail.model import signals as sg
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
from killtrail.sources.logs import journal, oom, syslog_services
from killtrail.sources.logs.kernel_lines import Line, lines

ID: Final = "kernlog"
# arch/x86/mm/fault.c show_signal_msg(), arch/x86/kernel/traps.c: printed for signals nobody handles.
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
_AT_ONCE: Final = 100_000
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
    """Whether its lines have dates; False = seconds since boot, None = no times at all."""
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


def parse(piece: Piece) -> Iterator[Event | ParseProblem]:
    """Its events, on the wall clock, else the boot clock, else by the order of lines."""
    newest = datetime.fromtimestamp(os.fstat(piece.fd).st_mtime, UTC).astimezone()
    clock = dated(piece.head())
    timed = ((_time(line, clock, n), line) for n, line in enumerate(lines(piece, newest), 1))
    yield from told(piece, timed, ID)


def parse_journal(piece: Piece) -> Iterator[Event | ParseProblem]:
    """The same from journalctl's JSON."""
    bad = 0
    found: list[tuple[int | None, Line]] = []
    for line in journal.lines(piece):
        if line is None:
            bad += 1
        else:
            found.append((line.wall_ns, line))
            if len(found) >= _AT_ONCE:
                yield from told(piece, found, journal.ID)
                found = []
    yield from told(piece, found, journal.ID)
    if bad:
        yield ParseProblem(
            journal.ID, piece.name, f"{bad} entries that are no JSON of journalctl's"
        )


def told(
    piece: Piece, timed: Iterable[tuple[int | None, Line]], source: str
) -> Iterator[Event | ParseProblem]:
    """What lines tell, wherever they were kept."""
    report = oom.Report()
    last: HostEvent | None = None
    before: HostEvent | None = None
    for time_ns, line in timed:
        if time_ns is None:
            continue
        place = piece.place(line.offset)
        if not line.by_kernel:
            yield from syslog_services.events(line, time_ns, Provenance(source, place, line.host))
            before = _ran(line, time_ns, piece)
            continue
        origin = Provenance(source, place, line.host)
        kill = report.line(line.text, time_ns, origin)
        if kill is not None:
            yield kill
        yield from _process(line, time_ns, origin)
        event = _host(line, time_ns, origin)
        if event is not None and event.kind is HostEventKind.BOOT and before is not None:
            yield before
        before = _ran(line, time_ns, piece)
        if event is not None:
            if last is not None:
                yield last
            last = event
        elif last is not None and last.process is None and (match := _TASK.search(line.text)):
            task = Process(Key(int(match["pid"]), None), comm=match["comm"], user="")
            yield replace(last, process=task)
            last = None
    if last is not None:
        yield last


# The last line before a boot tells until when the machine was there.
def _ran(line: Line, time_ns: int, piece: Piece) -> HostEvent:
    return HostEvent(
        time_ns,
        Provenance(ID, f"{piece.name}@{line.offset}", line.host),
        HostEventKind.RAN,
        line.text[:200],
    )


def _time(line: Line, clock: bool | None, number: int) -> int | None:  # noqa: FBT001
    if clock:
        return line.wall_ns
    return number if clock is None else line.boot_ns


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

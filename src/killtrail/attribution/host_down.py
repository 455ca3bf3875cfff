"""Why a machine went down: orderly or not, the requester, the panic message, or missing entries."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from killtrail._slotted import dataclass
from killtrail.attribution import wording
from killtrail.attribution.draft import Conclusion, VerdictDraft
from killtrail.model.absence import Why
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import NS
from killtrail.model.coverage import Coverage
from killtrail.model.events import HostEvent, HostEventKind
from killtrail.model.process import MACHINE
from killtrail.model.text import visible
from killtrail.model.verdict import Death, DeathKind, Host, Subject, SubjectKind, Verdict

_LED_UP: Final = frozenset(
    {
        HostEventKind.OOPS,
        HostEventKind.LOCKUP,
        HostEventKind.HUNG_TASK,
        HostEventKind.MACHINE_CHECK,
        HostEventKind.SYSRQ,
    }
)
_BEFORE_NS: Final = 3600 * NS
_ONE_BOOT_NS: Final = 120 * NS
_ORDERLY: Final = frozenset(
    {HostEventKind.SHUTDOWN, HostEventKind.REBOOT, HostEventKind.POWER_OFF, HostEventKind.ASKED}
)
_MODULES_FROM, _MODULES_TO = 0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000
"""Where x86-64 keeps modules (Documentation/arch/x86/x86_64/mm.rst)."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of panic: the start of its text and its meaning."""

    pattern: str
    says: str


_KINDS: Final = (
    _Kind(r"stack-protector: ", "a function found its stack overwritten when it returned"),
    _Kind(r"sysrq triggered crash", "a crash was requested (sysrq c)"),
    _Kind(r"Attempted to kill init!", "init (PID 1) exited"),
    _Kind(r"softlockup: ", "a processor was stuck in the kernel, and the policy was to panic"),
    _Kind(r"Hard LOCKUP|hard lockup", "a processor took no interrupts any more, and the policy was to panic"),
    _Kind(r"hung_task: ", "tasks were blocked for too long, and the policy was to panic"),
    _Kind(r"[Oo]ut of memory", "memory ran out, and the policy was to panic, or no task was left to kill"),
    _Kind(r"Fatal [Mm]achine check|Machine check", "the hardware reported an uncorrectable error"),
    _Kind(r"Fatal exception|fatal exception", "the kernel hit a bug (an oops), and the policy was to panic"),
    _Kind(r"VFS: Unable to mount root", "the root file system could not be mounted"),
    _Kind(r"NMI: ", "the hardware raised an unexplained interrupt"),
)  # fmt: skip


def judge(events: Sequence[HostEvent], host: Host, coverage: Coverage) -> list[Verdict]:
    """One verdict for each time that the machine went down, oldest first. Pure."""
    verdicts = (_judge(boot, following, host, coverage) for boot, following in boots(events))
    return [verdict for verdict in verdicts if verdict is not None]


def boots(events: Sequence[HostEvent]) -> Iterator[tuple[list[HostEvent], HostEvent | None]]:
    """Events by boot, oldest first, each with the first event of the next boot."""
    boot: list[HostEvent] = []
    for event in sorted(events, key=lambda e: e.time_ns):
        if event.kind is HostEventKind.BOOT and boot:
            if _same_boot(boot, event):
                continue
            yield boot, event
            boot = []
        boot.append(event)
    if boot:
        yield boot, None


# wtmp and the kernel log both record one boot, some seconds apart.
def _same_boot(boot: list[HostEvent], event: HostEvent) -> bool:
    begun = boot[0]
    return (
        begun.kind is HostEventKind.BOOT
        and event.time_ns - begun.time_ns < _ONE_BOOT_NS
        and (event.origin.source != begun.origin.source)
    )


def _judge(
    boot: list[HostEvent], following: HostEvent | None, host: Host, coverage: Coverage
) -> Verdict | None:
    draft = VerdictDraft(host, coverage=coverage)
    panic = next((e for e in boot if e.kind is HostEventKind.PANIC), None)
    orderly = [e for e in boot if e.kind in _ORDERLY]
    if panic is not None:
        conclusion, ended, last = _panicked(panic, boot, draft), Ended.PANIC, panic
    elif orderly:
        conclusion, last = _orderly(orderly, draft), orderly[-1]
        ended = Ended.SHUTDOWN if last.kind is HostEventKind.POWER_OFF else Ended.REBOOT
    elif following is not None:
        last = boot[-1]
        conclusion, ended = _vanished(last, following, draft), Ended.POWER_LOSS
    else:
        return None
    return draft.conclude(
        Death(MACHINE, ended, last.time_ns, kind=DeathKind.HOST), conclusion
    ).finish()


def _panicked(panic: HostEvent, boot: list[HostEvent], draft: VerdictDraft) -> Conclusion:
    cited = draft.cite(panic, f"Kernel panic - not syncing: {visible(panic.text)}")
    kind = next((k for k in _KINDS if re.search(k.pattern, panic.text)), None)
    words = visible(panic.text)
    meaning = f" because {kind.says}" if kind else ""
    trigger = _led_up(panic, boot, draft)
    if panic.process is not None:
        trigger = draft.link(
            Role.TRIGGER, "was running", Certainty.LIKELY, process=panic.process,
            time_ns=panic.time_ns, caused_by=trigger, evidence=(cited,),
        )  # fmt: skip
    draft.link(
        Role.SENDER, "panicked", Certainty.LIKELY, subject=Subject(SubjectKind.KERNEL, words),
        time_ns=panic.time_ns, caused_by=trigger, evidence=(cited,),
    )  # fmt: skip
    draft.miss(
        "root cause (only the panic message is available)",
        Why.NOT_RECORDED,
        "killtrail autopsy DUMP",
    )
    draft.rule_out(Cause.HOST_REBOOTED, "the kernel logged a panic")
    summary = f"the kernel panicked{meaning}: {words}{_address(panic)}{_init(panic)}"
    return Conclusion(Cause.HOST_PANICKED, Certainty.LIKELY, summary, Mechanism.PANIC)


def _led_up(panic: HostEvent, boot: list[HostEvent], draft: VerdictDraft) -> int | None:
    before = [e for e in boot if e.kind in _LED_UP and 0 <= panic.time_ns - e.time_ns <= _BEFORE_NS]
    link = None
    for event in before[:1]:
        cited = draft.cite(event, f"{event.kind}: {visible(event.text)}")
        link = draft.link(
            Role.TRIGGER, event.kind.value, Certainty.LIKELY, process=event.process,
            subject=None if event.process else Subject(SubjectKind.KERNEL, visible(event.text)),
            time_ns=event.time_ns, evidence=(cited,),
        )  # fmt: skip
    return link


def _address(panic: HostEvent) -> str:
    if panic.address is None:
        return ""
    where = f"; the address is {panic.address:#x}"
    if _MODULES_FROM <= panic.address < _MODULES_TO:
        return (
            f"{where}, in module space: code of a module, or of no module; a crash dump would "
            "show which"
        )
    return f"{where}; a crash dump would show what is there"


def _init(panic: HostEvent) -> str:
    if panic.code is None:
        return ""
    return f"; init exited: {wording.status(panic.code)}"


def _orderly(orderly: list[HostEvent], draft: VerdictDraft) -> Conclusion:
    cited = [draft.cite(event, visible(event.text)) for event in orderly[-4:]]
    last = orderly[-1]
    asked = [
        e
        for e in orderly
        if e.kind is HostEventKind.ASKED
        and e.process is not None
        and last.time_ns - e.time_ns <= _BEFORE_NS
    ]
    above = None
    # The first one made the request that the later ones passed on.
    for event in asked[:1]:
        above = draft.link(
            Role.REQUESTER, "requested it", Certainty.LIKELY, process=event.process,
            time_ns=event.time_ns, evidence=draft.cited(event),
        )  # fmt: skip
    draft.link(
        Role.SENDER, last.kind.value, Certainty.LIKELY,
        subject=Subject(SubjectKind.KERNEL, "reboot(2)"), time_ns=last.time_ns, caused_by=above, evidence=tuple(cited[-1:]),
    )  # fmt: skip
    client = asked[0].process if asked else None
    who = f" at the request of {wording.name(client)} ({visible(asked[0].text)})" if client else ""
    if not asked:
        draft.miss("who requested it", Why.NOT_RECORDED, "sudo killtrail rules --install")
    verb = (
        "was powered off" if last.kind is HostEventKind.POWER_OFF else "was shut down or restarted"
    )
    certainty = Certainty.LIKELY if asked else Certainty.POSSIBLE
    draft.rule_out(Cause.HOST_LOST_POWER, "an orderly shutdown was logged")
    return Conclusion(
        Cause.HOST_REBOOTED, certainty, f'the machine {verb} in order{who}; its log says "{visible(last.text)}"',
        Mechanism.REBOOT,
    )  # fmt: skip


def _vanished(last: HostEvent, following: HostEvent, draft: VerdictDraft) -> Conclusion:
    cited = (
        draft.cite(last, f"last log entry: {visible(last.text)}"),
        draft.cite(following, "the next boot, without a logged shutdown before it"),
    )
    draft.link(
        Role.SENDER, "logged nothing", Certainty.POSSIBLE,
        subject=Subject(SubjectKind.HARDWARE, "power, reset or a hang"), time_ns=last.time_ns, evidence=cited,
    )  # fmt: skip
    draft.miss("what happened in between", Why.NOT_RECORDED, "kdump, pstore or a serial console")
    draft.rule_out(Cause.HOST_REBOOTED, "no shutdown was logged")
    return Conclusion(
        Cause.HOST_LOST_POWER, Certainty.POSSIBLE,
        "the machine went down without logging a shutdown or a panic (power loss, reset, "
        "watchdog or hang)",
        Mechanism.POWER,
    )  # fmt: skip

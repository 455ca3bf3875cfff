"""Why a machine went down: orderly or not, who asked, its last words, or their absence."""

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
from killtrail.model.events import HostEvent, HostEventKind, Loss
from killtrail.model.process import Key, Process
from killtrail.model.text import visible
from killtrail.model.verdict import Death, DeathKind, Host, Subject, SubjectKind, Verdict
from killtrail.model.wait_status import WaitStatus

MACHINE: Final = Process(Key(0, None), user="")
"""Stands where a verdict on a process has its process."""
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
    """A sort of panic: what its text begins with, what that means, what would tell more."""

    pattern: str
    says: str


_KINDS: Final = (
    _Kind(r"stack-protector: ", "a function found its stack overwritten when it returned"),
    _Kind(r"sysrq triggered crash", "somebody asked for it (sysrq c)"),
    _Kind(r"Attempted to kill init!", "init, process 1, ended"),
    _Kind(r"softlockup: ", "a processor did not get out of the kernel any more, and policy was to panic"),
    _Kind(r"Hard LOCKUP|hard lockup", "a processor took no interrupts any more, and policy was to panic"),
    _Kind(r"hung_task: ", "tasks were blocked for too long, and policy was to panic"),
    _Kind(r"[Oo]ut of memory", "memory ran out and policy was to panic, or nobody was left to kill"),
    _Kind(r"Fatal [Mm]achine check|Machine check", "the hardware reported an error it can't go on with"),
    _Kind(r"Fatal exception|fatal exception", "the kernel ran into a bug (an oops) and policy was to panic"),
    _Kind(r"VFS: Unable to mount root", "the root file system could not be mounted"),
    _Kind(r"NMI: ", "the hardware raised an interrupt that can't be explained"),
)  # fmt: skip


def judge(events: Sequence[HostEvent], host: Host, loss: Loss) -> list[Verdict]:
    """One verdict for each end of the machine that the events show, oldest first. Pure."""
    verdicts = (_judge(boot, following, host, loss) for boot, following in boots(events))
    return [verdict for verdict in verdicts if verdict is not None]


def boots(events: Sequence[HostEvent]) -> Iterator[tuple[list[HostEvent], HostEvent | None]]:
    """Events by boot, oldest first, each with the event that begins the next."""
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


# wtmp and the kernel's log both tell of one boot, some seconds apart.
def _same_boot(boot: list[HostEvent], event: HostEvent) -> bool:
    begun = boot[0]
    return (
        begun.kind is HostEventKind.BOOT
        and event.time_ns - begun.time_ns < _ONE_BOOT_NS
        and (event.origin.source != begun.origin.source)
    )


def _judge(
    boot: list[HostEvent], following: HostEvent | None, host: Host, loss: Loss
) -> Verdict | None:
    draft = VerdictDraft()
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
    return Verdict(
        death=Death(MACHINE, ended, last.time_ns, kind=DeathKind.HOST),
        cause=conclusion.cause,
        certainty=conclusion.certainty,
        summary=conclusion.summary,
        host=host,
        mechanism=conclusion.mechanism,
        links=tuple(draft.links),
        evidence=tuple(draft.evidence),
        ruled_out=tuple(draft.ruled_out),
        absent=tuple(draft.absent),
        events_lost=loss.events,
        problems=len(loss.problems),
    )


def _panicked(panic: HostEvent, boot: list[HostEvent], draft: VerdictDraft) -> Conclusion:
    cited = draft.cite(panic, f"Kernel panic - not syncing: {visible(panic.text)}")
    kind = next((k for k in _KINDS if re.search(k.pattern, panic.text)), None)
    words = visible(panic.text)
    meaning = f": {kind.says}" if kind else ""
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
        "who or what led to it, beyond its last words", Why.NOT_RECORDED, "killtrail autopsy DUMP"
    )
    draft.rule_out(Cause.HOST_REBOOTED, "the kernel said that it could not go on")
    summary = f"the kernel panicked{meaning} ({words}){_address(panic)}{_init(panic)}"
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
            f"{where}, where modules lie: a module's code, or code that no module owns; a crash dump"
            " would tell which"
        )
    return f"{where}; a crash dump would tell what is there"


def _init(panic: HostEvent) -> str:
    if panic.code is None:
        return ""
    sig = panic.code.signal
    # Init's core goes down with the machine.
    status = WaitStatus.of_signal(sig) if sig else panic.code
    return f"; init went with {wording.status(status)}"


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
    # Whoever comes first asked those who come later.
    for event in asked[:1]:
        above = draft.link(
            Role.REQUESTER, "asked for it", Certainty.LIKELY, process=event.process,
            time_ns=event.time_ns, evidence=draft.cited(event),
        )  # fmt: skip
    draft.link(
        Role.SENDER, last.kind.value, Certainty.LIKELY,
        subject=Subject(SubjectKind.KERNEL, "reboot(2)"), time_ns=last.time_ns, caused_by=above, evidence=tuple(cited[-1:]),
    )  # fmt: skip
    client = asked[0].process if asked else None
    who = f" at the request of {wording.name(client)} ({visible(asked[0].text)})" if client else ""
    if not asked:
        draft.miss("who asked for it", Why.NOT_RECORDED, "sudo killtrail rules --install")
    verb = (
        "was powered off" if last.kind is HostEventKind.POWER_OFF else "was shut down or restarted"
    )
    certainty = Certainty.LIKELY if asked else Certainty.POSSIBLE
    draft.rule_out(Cause.HOST_LOST_POWER, "it went down in order, with its own words about it")
    return Conclusion(
        Cause.HOST_REBOOTED, certainty, f"the machine {verb}{who}: {visible(last.text)}",
        Mechanism.REBOOT,
    )  # fmt: skip


def _vanished(last: HostEvent, following: HostEvent, draft: VerdictDraft) -> Conclusion:
    cited = (
        draft.cite(last, f"the last that was written: {visible(last.text)}"),
        draft.cite(following, "the next boot, with no word of a shutdown before it"),
    )
    draft.link(
        Role.SENDER, "is silent", Certainty.POSSIBLE,
        subject=Subject(SubjectKind.HARDWARE, "power, reset or a hang"), time_ns=last.time_ns,
        evidence=cited,
    )  # fmt: skip
    draft.miss("what happened in between", Why.NOT_RECORDED, "kdump, pstore or a serial console")
    draft.rule_out(Cause.HOST_REBOOTED, "an orderly shutdown leaves its words; there are none")
    return Conclusion(
        Cause.HOST_LOST_POWER, Certainty.POSSIBLE,
        "the machine stopped without a word: power loss, a reset, a watchdog or a hang; the log just"
        " ends and the next boot begins",
        Mechanism.POWER,
    )  # fmt: skip

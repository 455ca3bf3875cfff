"""Why a sender sent its signal: a service manager's client, or a signal that it passed on."""

from typing import Final

from killtrail._slotted import dataclass
from killtrail.attribution import fatal_signal, wording
from killtrail.attribution.context import RuleContext
from killtrail.attribution.generation.base import Actor
from killtrail.attribution.generation.explain import explain
from killtrail.model import signals as sg
from killtrail.model.absence import Why
from killtrail.model.causes import Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.cgroup_path import unit_of
from killtrail.model.clock import NS
from killtrail.model.events import ManagerAsked, SignalSent
from killtrail.model.process import Process
from killtrail.model.signal_context import Disposition
from killtrail.model.verdict import Subject, SubjectKind

_AT_ONCE_NS: Final = 2 * NS
"""A process passes a signal on within its handler."""
_SOON_NS: Final = 10 * NS
_WHOLE_SYSTEM: Final = frozenset(
    {"reboot", "poweroff", "halt", "shutdown", "telinit", "isolate", "kexec", "rescue", "emergency"}
)


_SENDING: Final = frozenset({"kill", "kill-session", "kill-user"})
"""Verbs of a client that sends a signal, where the others stop something."""


@dataclass(frozen=True, slots=True)
class Request:
    """Why a sender sent its signal: the link's id, wording for the summary, the mechanism if known."""

    link: int | None
    says: str
    mechanism: Mechanism | None = None


def find(a: RuleContext, send: SignalSent) -> Request | None:
    """What prompted this signal, with its links; None if the sender acted by itself."""
    if _is_systemd(send.current):
        return _managed(a, send)
    return _passed_on(a, send)


def _is_systemd(process: Process) -> bool:
    if process.comm != "systemd":
        return False
    words = process.argv.words if process.argv else ()
    return process.pid == 1 or process.ns_pid == 1 or "--user" in words


def _managed(a: RuleContext, send: SignalSent) -> Request | None:
    unit = unit_of(send.target.cgroup)
    if unit is None:
        return None
    before = [
        s
        for s in a.facts.signals
        if s.current.key == send.current.key and s.sig in sg.ASKS and s.time_ns < send.time_ns
    ]
    first = before[0] if before else send
    clients = _clients(a, unit, first)
    direct = [c for c in _clients(a, unit, send) if _sends(c)]
    if direct:
        # What systemd sent before was another act.
        clients, first, before = direct, send, []
    asked = clients[-1] if clients else None
    mechanism, says = _policy(unit, send, before, sends=bool(direct))
    alone = len(clients) == 1
    above = _requester(a, asked, first, alone=alone) if asked else None
    evidence = tuple(a.draft.cite(s, wording.sending(s, explain(s))) for s in (*before[:1], send))
    sure = Certainty.ESTABLISHED if before else Certainty.LIKELY
    link = a.draft.link(
        Role.POLICY_OWNER, says, sure, subject=Subject(SubjectKind.UNIT, unit), target=a.victim,
        caused_by=above, evidence=evidence,
    )  # fmt: skip
    likely = sure < Certainty.ESTABLISHED and mechanism is not None
    by = _at_whose_request(a, asked, above, likely=likely)
    if mechanism is None:
        return Request(link, by, None)
    if asked is None:
        _miss_reason(a, unit, mechanism)
    return Request(link, f", {'likely ' if likely else ''}because {unit} {says}{by}", mechanism)


# The sentence may claim no more than its weakest part: each that is not established says so itself.
# One word of doubt serves the reason and the request that follows it.
def _at_whose_request(
    a: RuleContext, asked: ManagerAsked | None, above: int | None, *, likely: bool
) -> str:
    if asked is None or above is None:
        return ""
    sure = a.draft.links[above - 1].certainty >= Certainty.LIKELY
    doubt = "" if sure and likely else ", likely" if sure else ", possibly"
    return f"{doubt} at the request of {wording.name(asked.process)}{wording.ran(asked.process)}"


# A watchdog acts by itself; a stop may also be systemd's own: OOMPolicy=, RuntimeMaxSec=, Conflicts=.
def _miss_reason(a: RuleContext, unit: str, mechanism: Mechanism) -> None:
    what = f"why systemd stopped {unit}: a request, or a setting of its own"
    if mechanism is Mechanism.UNIT_WATCHDOG:
        what = f"what {unit} was doing when its watchdog expired"
    a.draft.miss(what, Why.NOT_RECORDED, f"journalctl -u {unit}")


# None: a client had systemd send this very signal, nothing was stopped.
def _policy(
    unit: str, send: SignalSent, before: list[SignalSent], *, sends: bool
) -> tuple[Mechanism | None, str]:
    if sends:
        return None, f"was sent {sg.name(send.sig)}"
    if send.sig == sg.SIGKILL and before:
        waited = (send.time_ns - before[-1].time_ns) / NS
        name = sg.name(before[-1].sig)
        return Mechanism.UNIT_TIMEOUT, f"had not stopped {waited:.1f} s after {name}"
    if send.sig == sg.SIGABRT and unit.endswith(".service"):
        return Mechanism.UNIT_WATCHDOG, "did not notify its watchdog in time"
    return Mechanism.UNIT_STOP, "was being stopped"


# A request from before the victim's start can't be about it; a request to send a signal is carried
# out at once and with this signal; a request to stop never sends the watchdog's.
def _clients(a: RuleContext, unit: str, first: SignalSent) -> list[ManagerAsked]:
    born = a.victim.key.start_ns or 0
    return [
        n
        for n in a.case.notes
        if isinstance(n, ManagerAsked)
        and born <= n.time_ns <= first.time_ns
        and _means(n.process, unit)
        and _fits(n, first)
    ]


def _words(client: Process) -> tuple[str, ...]:
    return client.argv.words if client.argv else ()


def _means(client: Process, unit: str) -> bool:
    words = _words(client)
    if client.comm in _WHOLE_SYSTEM or _WHOLE_SYSTEM & set(words[1:]):
        return True
    if unit.startswith("session-"):
        return client.comm == "loginctl"
    return unit in words or unit.rpartition(".")[0] in words


def _fits(asked: ManagerAsked, first: SignalSent) -> bool:
    if _sends(asked):
        return first.time_ns - asked.time_ns <= _AT_ONCE_NS and first.sig == _asked_signal(asked)
    return first.sig != sg.SIGABRT


def _sends(asked: ManagerAsked) -> bool:
    return bool(_SENDING & set(_words(asked.process)[1:]))


def _asked_signal(asked: ManagerAsked) -> int:
    words = _words(asked.process)
    for number, word in enumerate(words):
        value = ""
        if word in ("-s", "--signal") and number + 1 < len(words):
            value = words[number + 1]
        elif word.startswith("--signal="):
            value = word.partition("=")[2]
        elif word.startswith("-s"):
            value = word[2:]
        if value:
            return sg.number(value) or 0
    return sg.SIGTERM


def _requester(a: RuleContext, asked: ManagerAsked, first: SignalSent, *, alone: bool) -> int:
    # systemd's sockets and the bus do not show the origin of a request: recorded are a client that
    # was started with this unit's name, and that systemd acted right after.
    soon = alone and first.time_ns - asked.time_ns <= _SOON_NS
    cited = a.draft.cite(
        asked, f"{wording.name(asked.process)} was started{wording.ran(asked.process)}"
    )
    # The launch chain of a client that may be unrelated is not shown.
    launcher = a.launch_noted(asked) if soon else None
    return a.draft.link(
        Role.REQUESTER, "made a request to systemd", Certainty.LIKELY if soon else Certainty.POSSIBLE,
        process=asked.process, time_ns=asked.time_ns, caused_by=launcher, evidence=(cited,),
    )  # fmt: skip


def _passed_on(a: RuleContext, send: SignalSent) -> Request | None:
    received = _received(a, send)
    if received is None:
        return None
    how = explain(received)
    cited = a.draft.cite(received, wording.sending(received, how))
    name = sg.name(received.sig)
    certainty = min(how.certainty, Certainty.LIKELY)
    if how.actor is Actor.BYSTANDER:
        what = how.mechanism.value if how.mechanism else "the kernel"
        key = how.mechanism is Mechanism.TTY_SIGNAL
        link = a.draft.link(
            Role.TRIGGER, "signalled the sender", certainty,
            subject=Subject(SubjectKind.TERMINAL if key else SubjectKind.KERNEL, what),
            signal=received.sig, target=send.current, time_ns=received.time_ns, evidence=(cited,),
        )  # fmt: skip
        return Request(link, f", which passed on {name} ({what})")
    by = received.current
    verb = "exited" if by.exiting else (how.mechanism.value if how.mechanism else "signal")
    link = a.draft.link(
        Role.TRIGGER if how.actor is Actor.TRIGGER else Role.REQUESTER, verb, certainty,
        process=by, signal=received.sig, target=send.current, time_ns=received.time_ns,
        caused_by=a.launch(by, received), evidence=(cited,),
    )  # fmt: skip
    return Request(link, f", which passed on {name} from {wording.name(by)}")


# The same signal, handled (or waited for) by the sender a moment before, and sent to its own child
# or a group: shells, timeout, sudo and container inits pass signals on like this.
def _received(a: RuleContext, send: SignalSent) -> SignalSent | None:
    facts = a.case.related.get(send.current.key)
    if facts is None or send.sig not in sg.ASKS or not _downwards(a, send):
        return None
    found = [
        s
        for s in facts.signals
        if s.sig == send.sig
        and fatal_signal.deliverable(s)
        and (s.kernel.disposition is Disposition.HANDLED or s.kernel.blocked or a.case.kept)
        and not s.same_group
        and 0 <= send.time_ns - s.time_ns <= _AT_ONCE_NS
        and s.current.key != send.target.key
    ]
    return found[-1] if found else None


# In a log a sender that acts after it got a signal has handled it, and a child shows by its parent's PID.
def _downwards(a: RuleContext, send: SignalSent) -> bool:
    if send.kernel.target_is_child or (a.case.kept and a.victim.ppid == send.current.pid):
        return True
    call = send.syscall
    return bool(call and call.name == "kill" and (not call.args[0] or call.args[0] >> 31 & 1))

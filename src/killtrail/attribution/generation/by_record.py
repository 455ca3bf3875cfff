"""How a signal was generated, from logs and traces without kernel stacks."""

from killtrail.attribution.generation.base import SENDING_CALLS, Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.causes import Mechanism
from killtrail.model.certainty import Certainty
from killtrail.model.events import SignalSent
from killtrail.model.signal_context import Basis


def call_on_record(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    """The record is the call itself, as audit and system call tracers write it."""
    # The caller is the sender; the effect is not recorded. `number`: the target is known only as a
    # PID in the caller's namespace.
    if signal.basis not in (Basis.CALL, Basis.CALLER_PID) or signal.syscall is None:
        return None
    mechanism = SENDING_CALLS.get(signal.syscall.name or "")
    if mechanism is None:
        return None
    actor = Actor.SELF if signal.same_group else Actor.SENDER
    abi = f" ({signal.syscall.abi})" if signal.syscall.foreign else ""
    sure = Certainty.LIKELY if signal.basis is Basis.CALL else Certainty.POSSIBLE
    return Generation(mechanism, actor, sure, f"its {mechanism.value}(){abi} is recorded")


def siginfo(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    """The record is the siginfo that the victim received (sigaction(2))."""
    # Codes of kill and tkill can't be forged by rt_sigqueueinfo; its own can hold any PID.
    if signal.basis is not Basis.SIGINFO or not signal.si_pid or signal.same_task:
        return None
    ways = {sg.SI_USER: Mechanism.KILL, sg.SI_TKILL: Mechanism.TGKILL}
    mechanism = ways.get(signal.code)
    code = sg.code_name(signal.sig, signal.code)
    if mechanism is None:
        if signal.code != sg.SI_QUEUE:
            return None
        return Generation(
            Mechanism.RT_SIGQUEUEINFO, Actor.SENDER, Certainty.POSSIBLE,
            f"claimed by its siginfo ({code}, which the sender fills in)",
        )  # fmt: skip
    return Generation(mechanism, Actor.SENDER, Certainty.LIKELY, f"shown by its siginfo ({code})")


def traced_send(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    """The record is a line of a tracing tool's table: sender and receiver, no mechanism."""
    if signal.basis not in (Basis.TRACER, Basis.CALLER_PID) or signal.syscall is not None:
        return None
    actor = Actor.SELF if signal.same_group else Actor.SENDER
    sure = Certainty.LIKELY if signal.basis is Basis.TRACER else Certainty.POSSIBLE
    return Generation(Mechanism.KILL, actor, sure, "reported by the tracer; mechanism not recorded")

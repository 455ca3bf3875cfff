"""How a signal came about, from logs and traces that hold no kernel stack but the call or its trace."""

from killtrail.attribution.generation.base import SENDING_CALLS, Actor, Generation
from killtrail.model import signals as sg
from killtrail.model.causes import Mechanism
from killtrail.model.certainty import Certainty
from killtrail.model.events import SignalSent
from killtrail.model.signal_context import Basis


def call_on_record(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    """The record is the call itself, as audit and syscall tracers write it."""
    # Whoever made it is the sender; what became of it is not told. CALLER_PID: for whom is known
    # only as the caller counts.
    if signal.basis not in (Basis.CALL, Basis.CALLER_PID) or signal.syscall is None:
        return None
    mechanism = SENDING_CALLS.get(signal.syscall.name or "")
    if mechanism is None:
        return None
    actor = Actor.SELF if signal.same_group else Actor.SENDER
    abi = f" ({signal.syscall.abi})" if signal.syscall.foreign else ""
    sure = Certainty.LIKELY if signal.basis is Basis.CALL else Certainty.POSSIBLE
    return Generation(mechanism, actor, sure, f"its {mechanism.value}(){abi} is on record")


def siginfo(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    """The record is what the victim was told (sigaction(2))."""
    # Codes of kill and tkill can't be claimed by rt_sigqueueinfo; its own can carry any number.
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
            f"its siginfo claims so ({code}, which a sender fills in itself)",
        )  # fmt: skip
    return Generation(mechanism, Actor.SENDER, Certainty.LIKELY, f"its siginfo says so ({code})")


def traced_send(signal: SignalSent, _: frozenset[str]) -> Generation | None:
    """The record is a line of a tracing tool's table: sender and receiver, nothing of how."""
    if signal.basis not in (Basis.TRACER, Basis.CALLER_PID) or signal.syscall is not None:
        return None
    actor = Actor.SELF if signal.same_group else Actor.SENDER
    sure = Certainty.LIKELY if signal.basis is Basis.TRACER else Certainty.POSSIBLE
    return Generation(Mechanism.KILL, actor, sure, "the line says so, and no more")

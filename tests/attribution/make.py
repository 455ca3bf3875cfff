"""Events made by hand, for rules that are pure functions."""

from killtrail._slotted import fields
from killtrail.attribution.case import Case, Facts
from killtrail.model.clock import Boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import ProcessExited, Provenance, SignalSent
from killtrail.model.process import Argv, Key, Process
from killtrail.model.signal_context import Disposition, KernelContext
from killtrail.model.verdict import Host
from killtrail.model.wait_status import WaitStatus

HOST = Host(Boot("b", 0), "host", "6.18")
NOW = 1_000_000_000_000
_KERNEL = {each.name for each in fields(KernelContext)}
KILL_STACK = ("kill_pid_info", "kill_something_info", "__x64_sys_kill")


def process(pid: int, **more) -> Process:
    """A process that started a second before now."""
    kw = {"comm": f"p{pid}", "argv": Argv((f"p{pid}",)), "uid": 0, **more}
    return Process(Key(pid, NOW - 1_000_000_000), **kw)


def signal(sig: int = 9, **more) -> SignalSent:
    """A signal from process 5 to process 9, out of kill(2) unless told otherwise.

    Fields of the kernel's context may be given beside those of the signal.
    """
    seen = {
        "stack": KILL_STACK,
        "disposition": Disposition.DEFAULT,
        "blocked": False,
        "doomed": False,
        **{name: more.pop(name) for name in _KERNEL & more.keys()},
    }
    kw = {
        "time_ns": NOW,
        "origin": Provenance("bpf", f"kills:{sig}:{more.get('time_ns', NOW)}"),
        "code": 0,
        "result": 0,
        "group": True,
        "target": process(9),
        "current": process(5),
        **more,
    }
    return SignalSent(sig=sig, kernel=KernelContext(**seen), **kw)


def exited(status: int | None, pid: int = 9, **more) -> ProcessExited:
    """The end of a process, a millisecond after now."""
    kw = {"time_ns": NOW + 1_000_000, "asked": 0, "seccomp_mode": 0, "parent": process(2), **more}
    return ProcessExited(
        origin=Provenance("bpf", f"deaths:{pid}"),
        process=process(pid),
        status=None if status is None else WaitStatus(status),
        **kw,
    )


def case(end: ProcessExited | None, *signals: SignalSent, **more) -> Case:
    """The case about process 9."""
    kw = {"host": HOST, **more}
    ooms = kw.pop("ooms", ())
    covered = Coverage(lost=kw.pop("lost", 0), creators_from_ns=kw.pop("armed_ns", 0))
    kw.setdefault("coverage", covered)
    return Case(facts=Facts(process(9), end, tuple(signals), ooms), **kw)

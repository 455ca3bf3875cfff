"""One verdict of each cause, judged by attribution over events as the sources give them."""

from killtrail._slotted import replace
from killtrail.attribution import host_down, threads
from killtrail.attribution.alive import alive
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.model.circumstances import MemoryLimit, SystemCall
from killtrail.model.clock import NS, Boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import (
    Creator,
    HostEvent,
    HostEventKind,
    ImageReplaced,
    OomKilled,
    OomScope,
    OrphanedBy,
    ProcessExited,
    Provenance,
    SignalSent,
)
from killtrail.model.process import Argv, Key, Process
from killtrail.model.signal_context import Basis, Disposition
from killtrail.model.verdict import Host, Incident, Verdict
from killtrail.model.wait_status import WaitStatus
from tests.attribution import make

HOST = Host(Boot("3b1c", 1_795_000_000 * NS), "db1", "6.12.9")
LOG_HOST = Host(Boot("", 0), "db1")
NOW = make.NOW


def process(pid: int, words: str, **more) -> Process:
    """A process of user postgres or root that started five seconds before now."""
    argv = tuple(words.split())
    comm = argv[0].rsplit("/", 1)[-1]
    kw = {
        "comm": comm, "argv": Argv(argv), "exe": f"/usr/bin/{comm}", "uid": 0, "user": "root", **more,
    }  # fmt: skip
    return Process(Key(pid, NOW - 5 * NS), **kw)


VICTIM = process(
    4242, "postgres -D /srv/pg", uid=26, user="postgres", cgroup="/system.slice/pg-main.service"
)
KILLER = process(6672, "sh /usr/local/bin/stop-old.sh 4242", loginuid=1000, login_user="alice")
SHELL = process(6670, "bash /usr/local/bin/nightly.sh")
CRON = process(900, "cron -f", reaper=False)
OWN = {"current": VICTIM, "same_task": True, "same_group": True}


def sent(sig: int = 9, **more) -> SignalSent:
    """A signal from the killer to the victim, by kill(2) unless told otherwise."""
    kw = {"target": VICTIM, "current": KILLER, "doomed": True, "lineage": (SHELL, CRON), **more}
    return make.signal(sig, **kw)


def end(status: int | None, **more) -> ProcessExited:
    """The victim's exit."""
    return replace(make.exited(status, 4242, **more), process=VICTIM)


def judged(exit_: ProcessExited | None, *signals: SignalSent, **more) -> Verdict:
    """The verdict on the victim."""
    kw = {"host": HOST, "coverage": Coverage(lost=0, creators_from_ns=0), **more}
    return judge(Case(facts=Facts(VICTIM, exit_, signals), **kw))


def _oom() -> Verdict:
    stack = ("__oom_kill_process", "mem_cgroup_out_of_memory")
    memory = MemoryLimit("/system.slice/pg-main.service", 120 << 20, 120 << 20)
    worker = process(4250, "postgres: autovacuum", uid=26, user="postgres")
    return judged(end(9), sent(9, code=0x80, stack=stack, memory=memory, current=worker))


def _asked() -> Verdict:
    ask = sent(15, disposition=Disposition.HANDLED, doomed=False, time_ns=NOW - NS // 2)
    return judged(end(0, asked=15), ask)


def _host(*events: tuple[int, str, str]) -> Verdict:
    told = [
        HostEvent(t * NS, Provenance("kernlog", f"kern.log:{n}"), HostEventKind(kind), text)
        for n, (t, kind, text) in enumerate(events, 1)
    ]
    return host_down.judge(told, LOG_HOST, Coverage(lost=0))[0]


def _replaced() -> Verdict:
    event = ImageReplaced(NOW, Provenance("bpf", "threads:4"), VICTIM, 4299, VICTIM.argv)
    return threads.replaced(Case(Facts(VICTIM), HOST, Coverage(lost=0)), event, VICTIM).finish()


def _living(*, reused: bool = False) -> Verdict:
    return alive(Case(Facts(VICTIM), HOST, Coverage(lost=0)), None, reused=reused).finish()


T = 1_795_000_000
CAUSES: dict[str, Verdict] = {
    "exited": judged(end(3 << 8)),
    "killed-by-process": judged(end(9), sent()),
    "killed-by-self": judged(end(9), sent(**OWN)),
    "asked-to-stop": _asked(),
    "crashed": judged(
        end(0x8B), sent(11, code=1, group=False, stack=("force_sig_fault",), basis=Basis.USER, si_pid=8, **OWN)
    ),
    "aborted": judged(
        end(0x86), sent(6, code=-6, group=False, stack=("do_tkill", "__x64_sys_tgkill"), **OWN)
    ),
    "oom-killed": _oom(),
    "cgroup-killed": judged(end(9), sent(stack=("cgroup_kill_write",))),
    "seccomp-killed": judged(
        end(0x9F), sent(31, code=1, group=False, stack=("force_sig_seccomp",), **OWN)
    ),
    "limit-exceeded": judged(end(24), sent(24, stack=("posix_cpu_timers_work",), **OWN)),
    "timer-expired": judged(end(14), sent(14, stack=("it_real_fn",), code=0x80)),
    "broken-pipe": judged(
        end(13), sent(13, group=False, stack=("anon_pipe_write",), basis=Basis.NONE, **OWN)
    ),
    "terminal": judged(end(1), sent(1, stack=("tty_release",), code=0x80)),
    "parent-died": judged(
        end(15),
        sent(15, stack=("do_exit",), current=replace(SHELL, exiting=True), target_is_child=True, pdeath_match=True),
    ),
    "namespace-ended": judged(end(9), sent(stack=("zap_pid_ns_processes",), current=replace(SHELL, exiting=True))),
    "traced": judged(end(9), sent(stack=("ptrace_request",), current=process(77, "gdb -p 4242"))),
    "bpf-killed": judged(end(9), sent(stack=("bpf_send_signal_common",), **OWN)),
    "requested-notification": judged(end(29), sent(29, stack=("send_sigio",))),
    "hardware-error": judged(end(7), sent(7, code=4, group=False, stack=("force_sig_mceerr",), **OWN)),
    "kernel-bug": judged(end(9, stack=("oops_end", "make_task_dead"))),
    "kernel-killed": judged(end(9), sent(stack=("send_sig_all", "write_sysrq_trigger"))),
    "exec-failed": judged(replace(end(127 << 8), process=replace(VICTIM, argv=Argv(("sh",), inherited=True)))),
    "replaced-by-exec": _replaced(),
    "alive": _living(),
    "pid-reused": _living(reused=True),
    "host-panicked": _host((T, "panic", "sysrq triggered crash")),
    "host-rebooted": _host((T, "reboot", "The system will reboot now!")),
    "host-lost-power": _host((T, "ran", "eth0: link up"), (T + 900, "boot", "Linux version 6.12.9")),
    "not-established": judged(end(9)),
}  # fmt: skip


def _logged(sig: int = 9) -> Verdict:
    victim = replace(VICTIM, key=Key(4242, None), user="", uid=26)
    signal = SignalSent(
        time_ns=T * NS, origin=Provenance("auditlog", "audit.log:120 (1795000000.000:88)"), sig=sig,
        code=0, result=0, group=True, target=victim, basis=Basis.CALL,
        current=replace(KILLER, key=Key(6672, None), user="", login_user=""),
        syscall=SystemCall(62, "x86_64", "kill", (4242, sig, 0)),
    )  # fmt: skip
    return judge(Case(Facts(victim, None, (signal,)), LOG_HOST, Coverage(), watched=False, kept=True))  # fmt: skip


def _died_in_a_log() -> Verdict:
    victim = Process(Key(4242, None), comm="postgres", user="")
    where = Provenance("shell", "build.log:7")
    exit_ = ProcessExited(T * NS, where, victim, WaitStatus(9), second_hand=True)
    return judge(Case(Facts(victim, exit_), LOG_HOST, Coverage(), watched=False, kept=True))


def _oom_in_a_log() -> Verdict:
    victim = replace(VICTIM, key=Key(4242, None), user="", argv=None)
    report = OomKilled(
        T * NS, Provenance("kernlog", "kern.log:80"), victim, scope=OomScope.UNKNOWN,
        details="total-vm:8412kB, anon-rss:120000kB",
    )  # fmt: skip
    facts = Facts(victim, None, reports=(report,))
    return judge(Case(facts, LOG_HOST, Coverage(), watched=False, kept=True))


def _orphans() -> Verdict:
    killer = replace(KILLER, key=Key(6672, NOW - NS))
    creator, init = process(6669, "sh /etc/cron.daily/rotate"), process(1, "systemd", reaper=True)
    will = OrphanedBy(NOW - NS, Provenance("bpf", "orphaned:3"), creator, (CRON,), None)
    hit = sent(current=killer, lineage=(init,), creator=Creator(0, creator.key))
    return judged(end(9), hit, orphaned_by={creator.key: will})


def _many(victims: int) -> Verdict:
    others = tuple(process(5000 + n, f"worker --shard {n}") for n in range(5))
    return replace(CAUSES["killed-by-process"], incident=Incident("88-6672", victims, others))


def _contradicted() -> Verdict:
    other = SignalSent(
        time_ns=NOW, origin=Provenance("auditlog", "audit.log:7 (1795001000.000:1)"),
        sig=9, code=0, result=0, group=True, target=Process(Key(4242, None)),
        current=Process(Key(99, None), comm="monit"), basis=Basis.CALL,
        syscall=SystemCall(62, "x86_64", "kill", (4242, 9, 0, 0)),
    )  # fmt: skip
    return judged(end(9), sent(), second_hand=(other,))


HOSTILE = "ev\x1b[31mil\n\u202e\x07\u200b"


def _hostile() -> Verdict:
    words = Argv(("sh", "-c", f"kill {HOSTILE}", *("x" * 400,)), cut=True)
    evil = replace(KILLER, comm=HOSTILE, argv=words, exe=f"/tmp/{HOSTILE}", user=HOSTILE)
    group = f"/system.slice/{HOSTILE}.service"
    victim = replace(VICTIM, comm=HOSTILE, cgroup=group)
    hit = sent(current=evil, target=victim, lineage=(evil, evil))
    exit_ = replace(end(9), process=victim)
    return judge(Case(Facts(victim, exit_, (hit,)), replace(HOST, name=HOSTILE), Coverage(lost=0)))


OTHERS: dict[str, Verdict] = {
    "logs-alone": _logged(),
    "logs-status-only": _died_in_a_log(),
    "logs-oom": _oom_in_a_log(),
    "orphans": _orphans(),
    "incident-2000": _many(2000),
    "conflicts": _contradicted(),
    "attempts": judged(end(15), *(sent(15, time_ns=NOW + n, doomed=not n) for n in range(6))),
    "lost": replace(CAUSES["killed-by-process"], events_lost=1200, problems=3),
    "trust-caveats": replace(
        CAUSES["killed-by-process"],
        lowered_by=tuple(f"trust: /bin/tool{n} is not its package's" for n in range(5)),
    ),
    "hostile": _hostile(),
}
EVERY = {**CAUSES, **OTHERS}

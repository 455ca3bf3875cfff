"""One verdict of each cause, judged by attribution over events as the sources give them."""

from killtrail._slotted import replace
from killtrail.attribution import host_down, threads
from killtrail.attribution.alive import alive
from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.model.circumstances import Filters, MemoryLimit, SystemCall, Terminal
from killtrail.model.clock import NS, Boot
from killtrail.model.coverage import Coverage
from killtrail.model.events import (
    Creator,
    HostEvent,
    HostEventKind,
    ImageReplaced,
    ManagerAsked,
    OomKilled,
    OomScope,
    OomVictimMarked,
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


def _oom(*, marked: bool = True) -> Verdict:
    stack = ("__oom_kill_process", "mem_cgroup_out_of_memory")
    memory = MemoryLimit("/system.slice/pg-main.service", 120 << 20, 120 << 20)
    worker = process(4250, "postgres: autovacuum", uid=26, user="postgres")
    hit = sent(9, code=0x80, stack=stack, memory=memory, current=worker)
    mark = OomVictimMarked(NOW + 1, Provenance("bpf", "deaths:7"), VICTIM.key, worker)
    facts = Facts(VICTIM, end(9), (hit,), (mark,) if marked else ())
    return judge(Case(facts, HOST, Coverage(lost=0, creators_from_ns=0)))


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


def _living() -> Verdict:
    return alive(Case(Facts(VICTIM), HOST, Coverage(lost=0)), None, None).finish()


def _reused() -> Verdict:
    """Another process has the PID of the one that was killed."""
    new = Process(Key(4242, NOW + NS), comm="nginx", argv=Argv(("nginx", "-g", "daemon off;")), uid=33, user="www-data")  # fmt: skip
    return alive(Case(Facts(new), HOST, Coverage(lost=0)), None, judged(end(9), sent())).finish()


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
    "pid-reused": _reused(),
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


def _by_systemd(verb: str | None, sig: int) -> Verdict:
    """Sent by systemd, with or without a client that was started right before."""
    init = process(1, "/sbin/init", reaper=True)
    init = replace(init, comm="systemd")
    client = process(6680, f"systemctl {verb} pg-main.service")
    asked = ManagerAsked(NOW - NS // 5, Provenance("bpf", "requests:4"), client, (SHELL, CRON))
    notes = (asked,) if verb else ()
    return judged(end(sig), sent(sig, current=init, lineage=()), notes=notes)


def _parent_killed() -> Verdict:
    parent = replace(SHELL, exiting=True)
    hit = sent(15, stack=("do_exit",), current=parent, target_is_child=True, pdeath_match=True)
    ended = replace(make.exited(9, SHELL.pid), process=SHELL)
    facts = Facts(SHELL, ended, (sent(9, target=SHELL, time_ns=NOW - 1000),))
    return judged(end(15), hit, related={SHELL.key: facts})


def _pipe_reader() -> Verdict:
    reader = replace(
        make.exited(0, 6690, time_ns=NOW + 4_000_000), process=process(6690, "head -c 3")
    )
    hit = sent(
        13, group=False, stack=("anon_pipe_write",), basis=Basis.NONE, pipe=12277, **OWN
    )  # fmt: skip
    return judged(end(13), hit, reader=reader)


# From a 6.1 kernel's log.
OOPS = HostEvent(
    NOW, Provenance("kernlog", "kmsg:612"), HostEventKind.OOPS,
    "BUG: unable to handle page fault for address: 0000000000001234", Process(Key(4242, None)),
)  # fmt: skip


def _seccomp() -> Verdict:
    hit = sent(
        31, code=1, group=False, stack=("force_sig_seccomp",), filters=Filters(1, 1, 1, 0),
        syscall=SystemCall(110, "x86_64", None, ()), **OWN,
    )  # fmt: skip
    return judged(end(0x9F), hit)


def _key() -> Verdict:
    kworker = replace(process(44, "kworker"), comm="kworker/u4:3", kthread=True, argv=None)
    holder = process(6700, "python3 expect.py")
    terminal = Terminal("pts/0", True, holder, sole=True, known=True)
    return judged(end(2), sent(2, code=0x80, stack=("isig",), current=kworker, terminal=terminal))


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
    "kernel-bug-logged": judged(end(11, stack=("oops_end", "make_task_dead")), second_hand=(OOPS,)),
    "oom-shared": _oom(marked=False),
    "systemd-stop": _by_systemd("stop", 15),
    "systemd-kill": _by_systemd("kill", 15),
    "systemd-watchdog": _by_systemd(None, 6),
    "parent-killed": _parent_killed(),
    "pipe-reader": _pipe_reader(),
    "seccomp-installed": _seccomp(),
    "key": _key(),
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

"""The deaths, by their numbers in the matrix of ways to die; a letter marks a variant."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.gallery.lab import PYTHON, Lab, NotHere, Truth, sent_by, wait_for

ROWS: dict[str, Callable[[Lab], Truth]] = {}
KILL, TERM = signal.SIGKILL, signal.SIGTERM
CGROUP2 = Path("/sys/fs/cgroup/unified")
MEMORY_V1 = Path("/sys/fs/cgroup/memory")


def row(number: str) -> Callable[[Callable[[Lab], Truth]], Callable[[Lab], Truth]]:
    """Enters a death into the gallery."""

    def enter(recipe: Callable[[Lab], Truth]) -> Callable[[Lab], Truth]:
        ROWS[number] = recipe
        return recipe

    return enter


def by_action(lab: Lab, *words: object) -> Truth:
    """A waiting victim and an action that kills it; `VICTIM` stands for its pid."""
    victim = lab.victim()
    killer = lab.run(*(victim.pid if w == "VICTIM" else w for w in words))
    victim.wait(10)
    return sent_by(victim.pid, killer)


def own_doing(pid: int, cause: str, role: str = "sender", **more: object) -> Truth:
    """Nobody else had a part in it."""
    return Truth(pid, (cause,), pid, {pid: (role, "policy-owner")}, **more)


# -- a process sends it on purpose ---------------------------------------------------------------


@row("1")
def kill_from_shell(lab: Lab) -> Truth:
    victim = lab.victim()
    killer = lab.shell(f"kill -9 {victim.pid}")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid, mechanism="kill")


@row("2")
def term_default(lab: Lab) -> Truth:
    victim = lab.victim()
    killer = lab.shell(f"kill {victim.pid}")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid)


@row("3")
def tkill(lab: Lab) -> Truth:
    return by_action(lab, "tkill", "VICTIM", 9)


@row("4")
def tgkill(lab: Lab) -> Truth:
    return by_action(lab, "tgkill", "VICTIM", 9)


@row("5")
def sigqueue(lab: Lab) -> Truth:
    return by_action(lab, "sigqueue", "VICTIM", 9, os.getpid(), 0)


@row("5f")
def sigqueue_forged(lab: Lab) -> Truth:
    return by_action(lab, "sigqueue", "VICTIM", 15, 1, 4242)


@row("6")
def tgsigqueue(lab: Lab) -> Truth:
    return by_action(lab, "tgsigqueue", "VICTIM", 9)


@row("7")
def pidfd(lab: Lab) -> Truth:
    return by_action(lab, "pidfd", "VICTIM", 9)


@row("9")
def group_kill(lab: Lab) -> Truth:
    victim = lab.victim(process_group=0)
    killer = lab.shell(f"kill -9 -- -{victim.pid}", "bash")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid)


@row("10")
def own_group_child(lab: Lab) -> Truth:
    script = lab.action("own_group", start_new_session=True)
    said = lab.facts(script, 2)
    script.wait(10)
    return sent_by(said["victim"], script.pid, launchers=frozenset({script.pid}))


@row("10s")
def own_group_itself(lab: Lab) -> Truth:
    script = lab.action("own_group", start_new_session=True)
    lab.facts(script, 2)
    script.wait(10)
    return own_doing(script.pid, "killed-by-self")


def in_namespace(
    lab: Lab, action: str, lines: int, **kw: object
) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """An action as init of a new pid namespace, with the facts it told."""
    process = lab.action(action, prefix=("unshare", "--pid", "--fork"), **kw)
    return process, lab.facts(process, lines)


@row("11")
def broadcast(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "broadcast", 2)
    process.wait(10)
    init = children_now(process.pid)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *init, *range_between(process.pid, said["victim"])}),
    )


def children_now(pid: int) -> set[int]:
    """Living children of a process."""
    try:
        return {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def range_between(low: int, high: int) -> range:
    """Pids given out between two of ours: the namespace's init is one of them."""
    return range(low, high) if low <= high else range(0)


@row("12")
def broadcast_by_buggy_kill(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "broadcast_by_kill", 2)
    process.wait(10)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *range_between(process.pid, said["victim"])}),
    )


@row("13")
def kill_i386(lab: Lab) -> Truth:
    return by_action(lab, "kill_i386", "VICTIM", 9)


@row("15")
def from_outside_the_namespace(lab: Lab) -> Truth:
    _, said = in_namespace(lab, "ns_init_waits", 2)
    killer = lab.run("kill", said["victim"], 9)
    wait_for(lambda: state(said["victim"]) in ("Z", None))
    return sent_by(said["victim"], killer)


@row("16")
def inside_the_namespace(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "ns_kill_two", 2)
    process.wait(10)
    return sent_by(
        said["victim"],
        said["killer"],
        launchers=frozenset({process.pid, *range_between(process.pid, said["victim"])}),
    )


def state(pid: int) -> str | None:
    """The state letter of a process; None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


@row("17")
def double_forked_orphan(lab: Lab) -> Truth:
    victim = lab.victim()
    note = lab.folder / "pids"
    inner = f"echo $$ >> {note}; sleep 0.3; kill -9 {victim.pid}; :"
    outer = f"echo $$ >> {note}; (sh -c '{inner}' nightly-killer &) ; exit 0"
    launcher = lab.start("sh", "-c", outer, "the-real-creator")
    launcher.wait(10)
    victim.wait(10)
    outer_pid, killer = (int(x) for x in note.read_text().split())
    return sent_by(
        victim.pid, killer, launchers=frozenset({outer_pid, *range_between(outer_pid, killer)}),
        argv=("the-real-creator",),
    )  # fmt: skip


@row("18")
def at_job(lab: Lab) -> Truth:
    if not shutil.which("atd"):
        raise NotHere("no atd")
    victim = lab.victim()
    note = lab.folder / "pid"
    daemon = lab.start("atd", "-f", "-b", "1")
    time.sleep(0.3)
    job = f"echo $$ > {note}; kill -9 {victim.pid}; sleep 0.3\n"
    subprocess.run(["at", "now"], input=job, text=True, check=True, capture_output=True)
    victim.wait(90)
    killer = int(wait_for(lambda: note.exists() and note.read_text().strip()))
    launchers = frozenset({daemon.pid, *range_between(daemon.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, origin="at")


@row("18c")
def cron_job(lab: Lab) -> Truth:
    if not shutil.which("cron"):
        raise NotHere("no cron")
    victim = lab.victim()
    note, table = lab.folder / "pid", Path(f"/etc/cron.d/killtrail-gallery-{os.getpid()}")
    job = f"echo $$ > {note}; kill -9 {victim.pid}; sleep 0.3"
    lab._stack.callback(table.unlink)
    table.write_text(f"SHELL=/bin/sh\n* * * * * root {job}\n")
    daemon = lab.start("cron", "-f")
    victim.wait(90)
    killer = int(wait_for(lambda: note.exists() and note.read_text().strip()))
    launchers = frozenset({daemon.pid, *range_between(daemon.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, origin="cron")


@row("19")
def timeout_wrapper(lab: Lab) -> Truth:
    wrapper = lab.start(
        "timeout",
        "1.5",
        PYTHON,
        "-c",
        "import os,signal;print('victim',os.getpid(),flush=True);signal.pause()",
    )
    said = lab.facts(wrapper, 1)
    wrapper.wait(10)
    return sent_by(said["victim"], wrapper.pid, launchers=frozenset({wrapper.pid}))


@row("20")
def suicide(lab: Lab) -> Truth:
    victim = lab.start("sh", "-c", "kill -9 $$")
    victim.wait(10)
    return own_doing(victim.pid, "killed-by-self")


@row("21")
def first_of_three(lab: Lab) -> Truth:
    return by_action(lab, "kill_many", "VICTIM", 15, 9, 6)


@row("22")
def handled_and_143(lab: Lab) -> Truth:
    victim = lab.start(
        "bash", "-c", 'trap "exit 143" TERM; echo ready 1; while :; do sleep 0.05; done'
    )
    lab.facts(victim, 1)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return sent_by(victim.pid, killer, causes=("asked-to-stop",))


@row("23")
def handled_and_late(lab: Lab) -> Truth:
    script = (
        'trap "stop=1" TERM; echo ready 1; until [ "$stop" ]; do sleep 0.05; done; sleep 1; exit 0'
    )
    victim = lab.start("bash", "-c", script)
    lab.facts(victim, 1)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return sent_by(victim.pid, killer, causes=("asked-to-stop",))


@row("23r")
def handled_and_reraised(lab: Lab) -> Truth:
    script = (
        'trap "trap - TERM; kill -TERM \\$\\$" TERM; echo ready 1; while :; do sleep 0.05; done'
    )
    victim = lab.start("bash", "-c", script)
    lab.facts(victim, 1)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    actors = {killer: ("sender",), victim.pid: ("sender",)}
    return sent_by(victim.pid, killer, causes=("asked-to-stop",), actors=actors)


@row("24")
def reused_pid(lab: Lab) -> Truth:
    first = lab.start("sh", "-c", "exit 0")
    first.wait(10)
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
        victim = lab.victim()
        if victim.pid == first.pid:
            break
        victim.kill()
        victim.wait()
    else:
        raise NotHere("the number could not be had again")
    killer = lab.shell(f"sleep 0.1; kill -9 {first.pid}")
    victim.wait(10)
    return sent_by(victim.pid, killer.pid)


@row("25")
def refused_then_killed(lab: Lab) -> Truth:
    victim = lab.victim()
    lab.run("kill_as", 65534, victim.pid, 9)
    killer = lab.run("kill", victim.pid, 9)
    victim.wait(10)
    return sent_by(victim.pid, killer)


@row("25e")
def refused_then_exit(lab: Lab) -> Truth:
    victim = lab.victim("wait_ignoring", 15)
    lab.run("kill_as", 65534, victim.pid, 9)
    lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return own_doing(victim.pid, "exited")


@row("26")
def signal_to_a_zombie(lab: Lab) -> Truth:
    parent = lab.action("zombie")
    said = lab.facts(parent, 2)
    parent.wait(10)
    return own_doing(said["victim"], "exited", launchers=frozenset({parent.pid}))


@row("27")
def usr1(lab: Lab) -> Truth:
    return by_action(lab, "kill", "VICTIM", 10)


@row("27r")
def real_time(lab: Lab) -> Truth:
    return by_action(lab, "kill", "VICTIM", 40)


@row("27b")
def blocked_then_let_in(lab: Lab) -> Truth:
    victim = lab.victim("wait_blocked", 15)
    killer = lab.run("kill", victim.pid, 15)
    victim.wait(10)
    return sent_by(victim.pid, killer)


# -- the kernel on somebody's behalf ---------------------------------------------------------------


@row("28")
def cgroup_kill(lab: Lab) -> Truth:
    root = CGROUP2 if CGROUP2.is_dir() else Path("/sys/fs/cgroup")
    group = root / f"kt-{os.getpid()}"
    if not (root / "cgroup.procs").exists():
        raise NotHere("no cgroup v2")
    group.mkdir()
    lab._stack.callback(group.rmdir)
    victim = lab.victim()
    (group / "cgroup.procs").write_text(str(victim.pid))
    killer = lab.run("cgroup_kill", group / "cgroup.kill")
    victim.wait(10)
    return sent_by(
        victim.pid, killer, causes=("cgroup-killed",), subject="cgroup", mechanism="cgroup.kill"
    )


def memory_group(lab: Lab, megabytes: int) -> Path:
    """A memory cgroup with a limit."""
    if (MEMORY_V1 / "memory.limit_in_bytes").exists():
        group, limit = (
            MEMORY_V1 / f"kt-{os.getpid()}-{time.monotonic_ns()}",
            "memory.limit_in_bytes",
        )
    elif "memory" in Path("/sys/fs/cgroup/cgroup.subtree_control").read_text():
        group, limit = Path(f"/sys/fs/cgroup/kt-{os.getpid()}-{time.monotonic_ns()}"), "memory.max"
    else:
        raise NotHere("no memory cgroup")
    group.mkdir()
    lab._stack.callback(lambda: wait_for(lambda: _removed(group)))
    (group / limit).write_text(str(megabytes << 20))
    return group


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


@row("31")
def memory_limit(lab: Lab) -> Truth:
    group = memory_group(lab, 48)
    victim = lab.action("eat", group / "cgroup.procs", 200, "exit")
    victim.wait(30)
    return own_doing(victim.pid, "oom-killed", "trigger", subject="cgroup")


@row("32")
def memory_limit_neighbour(lab: Lab) -> Truth:
    group = memory_group(lab, 120)
    victim = lab.action("eat", group / "cgroup.procs", 70, "wait")
    lab.facts(victim, 2)
    trigger = lab.action("eat", group / "cgroup.procs", 50, "wait")
    lab.facts(trigger, 1)
    victim.wait(30)
    return Truth(
        victim.pid, ("oom-killed",), trigger.pid, {trigger.pid: ("trigger",)}, subject="cgroup"
    )


@row("47")
def interrupt_key(lab: Lab) -> Truth:
    owner = lab.action("terminal", "key")
    said = lab.facts(owner, 2)
    owner.wait(10)
    return Truth(
        said["victim"],
        ("terminal",),
        subject="terminal",
        actors={owner.pid: ("requester", "trigger")},
    )


@row("47h")
def interrupt_key_handled(lab: Lab) -> Truth:
    owner = lab.action("terminal", "handled")
    said = lab.facts(owner, 2)
    owner.wait(10)
    victim = said["victim"]
    return Truth(victim, ("asked-to-stop",), None, {victim: ("sender",)}, subject="terminal")


@row("48")
def hang_up(lab: Lab) -> Truth:
    owner = lab.action("terminal", "close")
    said = lab.facts(owner, 2)
    owner.wait(10)
    return Truth(said["victim"], ("terminal",), owner.pid, {owner.pid: ("trigger",)})


@row("50")
def session_leader_exits(lab: Lab) -> Truth:
    owner = lab.action("session_leader")
    said = lab.facts(owner, 3)
    owner.wait(10)
    leader = said["leader"]
    return Truth(
        said["victim"],
        ("terminal",),
        leader,
        {leader: ("trigger",)},
        launchers=frozenset({owner.pid}),
    )


@row("51")
def orphaned_stopped_group(lab: Lab) -> Truth:
    owner = lab.action("orphaned_group")
    said = lab.facts(owner, 3)
    owner.wait(10)
    parent = said["parent"]
    launchers = frozenset({owner.pid, *range_between(owner.pid, parent)})
    return Truth(said["victim"], ("terminal",), parent, {parent: ("trigger",)}, launchers=launchers)


@row("53")
def parent_death_signal(lab: Lab) -> Truth:
    parent = lab.action("pdeath", "exit")
    said = lab.facts(parent, 2)
    parent.wait(10)
    return Truth(said["victim"], ("parent-died",), parent.pid, {parent.pid: ("trigger",)})


@row("53t")
def parent_thread_exits(lab: Lab) -> Truth:
    parent = lab.action("pdeath_thread")
    said = lab.facts(parent, 2)
    parent.wait(10)
    return Truth(said["victim"], ("parent-died",), parent.pid, {parent.pid: ("trigger",)})


@row("55")
def parent_killed(lab: Lab) -> Truth:
    parent = lab.action("pdeath", "wait")
    said = lab.facts(parent, 2)
    killer = lab.run("kill", parent.pid, 9)
    parent.wait(10)
    actors = {parent.pid: ("trigger",), killer: ("sender",)}
    return Truth(said["victim"], ("parent-died",), killer, actors)


@row("56")
def namespace_init_exits(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "ns_init_exits", 2)
    process.wait(10)
    init = said["init"]
    return Truth(
        said["victim"],
        ("namespace-ended",),
        init,
        {init: ("trigger",)},
        launchers=frozenset({process.pid}),
    )


@row("56k")
def namespace_init_killed(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "ns_init_waits", 2)
    init = said["init"]
    killer = lab.run("kill", init, 9)
    process.wait(10)
    actors = {init: ("trigger",), killer: ("sender",)}
    return Truth(
        said["victim"], ("namespace-ended",), killer, actors, launchers=frozenset({process.pid})
    )


@row("59")
def tracer_exits(lab: Lab) -> Truth:
    victim = lab.victim()
    tracer = lab.run("trace", victim.pid, "exitkill")
    victim.wait(10)
    return Truth(victim.pid, ("traced",), tracer, {tracer: ("trigger",)})


@row("60")
def ptrace_kill(lab: Lab) -> Truth:
    victim = lab.victim()
    tracer = lab.run("trace", victim.pid, "kill")
    victim.wait(10)
    return Truth(victim.pid, ("traced",), tracer, {tracer: ("sender",)})


@row("61")
def ptrace_injected(lab: Lab) -> Truth:
    victim = lab.victim()
    tracer = lab.run("trace", victim.pid, "inject")
    victim.wait(10)
    return Truth(victim.pid, ("traced",), tracer, {tracer: ("sender",)})


@row("64")
def descriptor_ready(lab: Lab) -> Truth:
    victim = lab.action("sigio", 10)
    said = lab.facts(victim, 2)
    victim.wait(10)
    poster = said["poster"]
    return Truth(
        victim.pid,
        ("requested-notification",),
        poster,
        {poster: ("trigger",)},
        launchers=frozenset({victim.pid}),
    )


@row("65")
def message_queue(lab: Lab) -> Truth:
    victim = lab.action("mq_notify")
    said = lab.facts(victim, 2)
    victim.wait(10)
    poster = said["poster"]
    return Truth(
        victim.pid,
        ("requested-notification",),
        poster,
        {poster: ("trigger",)},
        launchers=frozenset({victim.pid}),
    )


def alone(lab: Lab, cause: str, *words: object, **more: object) -> Truth:
    """An action that dies of itself."""
    victim = lab.action(*words)
    victim.wait(20)
    return own_doing(victim.pid, cause, **more)


@row("66")
def posix_timer(lab: Lab) -> Truth:
    return alone(lab, "timer-expired", "posix_timer", subject="timer")


@row("67")
def alarm(lab: Lab) -> Truth:
    return alone(lab, "timer-expired", "alarm", subject="timer")


@row("69")
def cpu_limit_soft(lab: Lab) -> Truth:
    truth = alone(lab, "limit-exceeded", "rlimit_cpu", 1, 5, 0, subject="limit")
    return Truth(truth.victim, truth.causes, None, truth.actors, "limit")


@row("70")
def cpu_limit_hard(lab: Lab) -> Truth:
    truth = alone(lab, "limit-exceeded", "rlimit_cpu", 1, 2, 1, subject="limit")
    return Truth(truth.victim, truth.causes, None, truth.actors, "limit")


@row("71")
def file_size_limit(lab: Lab) -> Truth:
    truth = alone(lab, "limit-exceeded", "rlimit_fsize", lab.folder / "big")
    return Truth(truth.victim, truth.causes, None, truth.actors, "limit")


@row("73")
def broken_pipe(lab: Lab) -> Truth:
    truth = alone(lab, "broken-pipe", "sigpipe")
    return Truth(truth.victim, truth.causes, None, truth.actors, "pipe")


# -- faults ----------------------------------------------------------------------------------------


@row("75")
def null_dereference(lab: Lab) -> Truth:
    return alone(lab, "crashed", "segv")


@row("76")
def sent_segv(lab: Lab) -> Truth:
    return by_action(lab, "kill", "VICTIM", 11)


@row("78")
def truncated_mapping(lab: Lab) -> Truth:
    return alone(lab, "crashed", "sigbus", lab.folder / "map")


@row("80")
def illegal_instruction(lab: Lab) -> Truth:
    return alone(lab, "crashed", "code", "0f0b")


@row("80t")
def breakpoint_trap(lab: Lab) -> Truth:
    return alone(lab, "crashed", "code", "cc")


@row("80d")
def divide_by_zero(lab: Lab) -> Truth:
    return alone(lab, "crashed", "code", "31c931d2b801000000f7f1c3")


@row("81")
def abort(lab: Lab) -> Truth:
    return alone(lab, "aborted", "abort")


@row("85")
def seccomp_strict(lab: Lab) -> Truth:
    truth = alone(lab, "seccomp-killed", "seccomp_strict")
    return Truth(truth.victim, truth.causes, None, {}, "filter")


@row("86")
def seccomp_filter(lab: Lab) -> Truth:
    truth = alone(lab, "seccomp-killed", "seccomp_filter")
    return Truth(truth.victim, truth.causes, None, {}, "filter")


# -- no signal -------------------------------------------------------------------------------------


@row("92")
def plain_exit(lab: Lab) -> Truth:
    return alone(lab, "exited", "exit", 7)


@row("93")
def exit_137(lab: Lab) -> Truth:
    return alone(lab, "exited", "exit", 137)


@row("94")
def exit_by_thread(lab: Lab) -> Truth:
    return alone(lab, "exited", "thread_exit", 3)


@row("97")
def fault_in_thread(lab: Lab) -> Truth:
    return alone(lab, "crashed", "thread_segv")

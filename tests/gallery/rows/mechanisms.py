"""The kernel on somebody's behalf: cgroups, memory, parents, namespaces, tracers (rows 28 to 65)."""

import os
import time
from pathlib import Path

from tests.gallery.lab import Lab, NotHere, Truth, sent_by, wait_for
from tests.gallery.rows.recipes import CGROUP2, MEMORY_V1, in_namespace, own_doing, row


def cgroup_root() -> Path:
    """Where cgroup v2 is mounted."""
    root = CGROUP2 if CGROUP2.is_dir() else Path("/sys/fs/cgroup")
    if not (root / "cgroup.procs").exists():
        raise NotHere("no cgroup v2")
    return root


def by_cgroup_kill(lab: Lab, how: str) -> Truth:
    """A victim in a cgroup of its own, and who writes to that one's cgroup.kill."""
    group = cgroup_root() / f"kt-{os.getpid()}"
    group.mkdir()
    lab._stack.callback(lambda: wait_for(lambda: _removed(group)))
    victim = lab.victim()
    (group / "cgroup.procs").write_text(str(victim.pid))
    killer = lab.run(how, group / "cgroup.kill")
    victim.wait(10)
    return sent_by(
        victim.pid, killer, causes=("cgroup-killed",), subject="cgroup", mechanism="cgroup.kill"
    )


@row("28")
def cgroup_kill(lab: Lab) -> Truth:
    return by_cgroup_kill(lab, "cgroup_kill")


@row("28i")
def cgroup_kill_by_io_uring(lab: Lab) -> Truth:
    return by_cgroup_kill(lab, "cgroup_kill_uring")


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
    if (group / "memory.swap.max").exists():
        # With swap a full group is slow, but kills nothing.
        (group / "memory.swap.max").write_text("0")
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


@row("36")
def memory_shared_with_the_victim(lab: Lab) -> Truth:
    group = memory_group(lab, 60)
    eater = lab.action("eat_shared", group / "cgroup.procs", 200)
    said = lab.facts(eater, 2)
    eater.wait(30)
    return Truth(
        said["victim"],
        ("oom-killed",),
        None,
        {eater.pid: ("trigger",), said["victim"]: ("trigger",)},
        subject="cgroup",
        launchers=frozenset({eater.pid}),
    )


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


@row("53r")
def reaper_exits(lab: Lab) -> Truth:
    reaper = lab.action("pdeath_adopted")
    said = lab.facts(reaper, 2)
    reaper.wait(10)
    return Truth(said["victim"], ("parent-died",), reaper.pid, {reaper.pid: ("trigger",)})


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


@row("58")
def reboot_in_a_namespace(lab: Lab) -> Truth:
    process, said = in_namespace(lab, "reboot", 1)
    process.wait(10)
    return own_doing(
        said["victim"], "killed-by-self", launchers=frozenset({process.pid}), mechanism="reboot"
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


@row("61d")
def injected_on_leaving(lab: Lab) -> Truth:
    victim = lab.victim()
    tracer = lab.run("trace", victim.pid, "detach")
    victim.wait(10)
    return Truth(victim.pid, ("traced",), tracer, {tracer: ("sender",)})


@row("62")
def made_to_exit(lab: Lab) -> Truth:
    victim = lab.victim()
    tracer = lab.run("trace", victim.pid, "exit")
    victim.wait(10)
    return Truth(victim.pid, ("traced",), tracer, {tracer: ("sender",)})


@row("63")
def bpf_program(lab: Lab) -> Truth:
    victim = lab.victim("stir")
    loader = lab.run("bpf_kill", victim.pid)
    victim.wait(10)
    return Truth(victim.pid, ("bpf-killed",), None, {loader: ("policy-owner", "requester")})


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

"""Deaths that need a machine of their own: they would hit more than the gallery's processes."""

from tests.gallery.lab import Lab, NotHere, Truth
from tests.gallery.rows.mechanisms import memory_group
from tests.gallery.rows.recipes import row


@row("33", guest=True)
def whole_group_out_of_memory(lab: Lab) -> Truth:
    group = memory_group(lab, 60)
    if not (group / "memory.oom.group").exists():
        raise NotHere("memory.oom.group is cgroup v2's")
    (group / "memory.oom.group").write_text("1")
    victim = lab.victim()
    (group / "cgroup.procs").write_text(str(victim.pid))
    eater = lab.action("eat", group / "cgroup.procs", 200, "exit")
    victim.wait(30)
    eater.wait(30)
    return Truth(
        victim.pid, ("oom-killed",), eater.pid, {eater.pid: ("trigger",)}, "cgroup",
        mechanism="oom-group",
    )  # fmt: skip


@row("34", guest=True)
def whole_machine_out_of_memory(lab: Lab) -> Truth:
    victim = lab.action("devour")
    victim.wait(120)
    return Truth(
        victim.pid,
        ("oom-killed",),
        None,
        {victim.pid: ("trigger",)},
        "kernel",
        mechanism="oom-host",
    )


@row("35", guest=True)
def forced_out_of_memory(lab: Lab) -> Truth:
    victim = lab.victim("wait_unloved")
    writer = lab.run("sysrq", "f")
    victim.wait(20)
    return Truth(
        victim.pid, ("oom-killed",), writer, {writer: ("requester",)}, mechanism="oom-sysrq"
    )


@row("39", guest=True)
def everybody_told_to_go(lab: Lab) -> Truth:
    victims = [lab.victim("wait_mortal") for _ in range(12)]
    writer = lab.run("sysrq", "e", env={"GALLERY": "1"})
    victims[0].wait(20)
    return Truth(
        victims[0].pid, ("kernel-killed",), writer, {writer: ("requester",)}, mechanism="sysrq",
        victims=12,
    )  # fmt: skip


@row("90", guest=True)
def kernel_bug(lab: Lab) -> Truth:
    # The machine's keeper breaks the code of getpriority() from outside, through the emulator.
    lab.ask_outside("BREAK __x64_sys_getpriority")
    victim = lab.action("call", 140)
    victim.wait(30)
    return Truth(victim.pid, ("kernel-bug",), None, {}, "kernel", mechanism="oops")

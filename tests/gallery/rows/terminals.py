"""Terminals: keys, hang-ups, orphaned jobs (rows 47 to 52)."""

import shutil
import subprocess

from tests.gallery.lab import PYTHON, Lab, NotHere, Truth, exists, wait_for
from tests.gallery.rows.recipes import children_now, range_between, row


@row("47")
def interrupt_key(lab: Lab) -> Truth:
    owner = lab.action("terminal", "key")
    said = lab.facts(owner, 2)
    owner.wait(10)
    actors = {owner.pid: ("requester", "trigger")}
    return Truth(said["victim"], ("terminal",), owner.pid, actors, subject="terminal")


@row("47w")
def interrupt_key_from_one_who_waits_in_poll(lab: Lab) -> Truth:
    owner = lab.action("terminal", "polled")
    said = lab.facts(owner, 2)
    owner.wait(10)
    actors = {owner.pid: ("requester", "trigger")}
    return Truth(said["victim"], ("terminal",), owner.pid, actors, subject="terminal")


@row("47h")
def interrupt_key_handled(lab: Lab) -> Truth:
    owner = lab.action("terminal", "handled")
    said = lab.facts(owner, 2)
    owner.wait(10)
    victim = said["victim"]
    actors = {victim: ("sender",), owner.pid: ("requester", "trigger")}
    return Truth(victim, ("asked-to-stop",), owner.pid, actors, subject="terminal")


@row("47f")
def key_from_one_of_two_holders(lab: Lab) -> Truth:
    owner = lab.action("terminal", "helper")
    said = lab.facts(owner, 3)
    owner.wait(10)
    actors = {said["helper"]: ("requester", "trigger")}
    return Truth(said["victim"], ("terminal",), None, actors, subject="terminal")


@row("47t")
def key_put_into_the_input(lab: Lab) -> Truth:
    owner = lab.action("type_ahead")
    said = lab.facts(owner, 3)
    owner.wait(10)
    typist = said["typist"]
    actors = {typist: ("requester", "trigger", "sender")}
    launchers = frozenset({owner.pid, said["victim"]})
    return Truth(said["victim"], ("terminal",), typist, actors, "terminal", launchers)


@row("47i")
def signalled_by_the_other_end(lab: Lab) -> Truth:
    owner = lab.action("terminal", "ioctl")
    said = lab.facts(owner, 2)
    owner.wait(10)
    actors = {owner.pid: ("sender",)}
    return Truth(
        said["victim"], ("terminal",), owner.pid, actors, "terminal", mechanism="tty-signal"
    )


@row("47s")
def key_to_a_holder_that_a_shell_started(lab: Lab) -> Truth:
    if not shutil.which("script"):
        raise NotHere("no script(1)")
    inner = f"exec {PYTHON} -S {lab.actions} wait_default 2"
    shell = lab.start("sh", "-c", f"script -qc '{inner}' /dev/null; exit 0", stdin=subprocess.PIPE)
    victim = lab.facts(shell, 1)["ready"]
    (holder,) = children_now(shell.pid)
    shell.stdin.write("\x03")
    shell.stdin.flush()
    wait_for(lambda: not exists(victim))
    shell.stdin.close()
    shell.wait(10)
    actors = {holder: ("requester", "trigger")}
    launchers = frozenset({shell.pid})
    return Truth(victim, ("terminal",), holder, actors, "terminal", launchers, ("script -qc",))


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


@row("52")
def shell_hands_the_hang_up_down(lab: Lab) -> Truth:
    owner = lab.action("shell_with_jobs")
    said = lab.facts(owner, 3)
    owner.wait(20)
    shell = said["shell"]
    actors = {shell: ("sender",), owner.pid: ("trigger", "requester")}
    launchers = frozenset({owner.pid, shell})
    return Truth(
        said["victim"], ("killed-by-process", "terminal"), shell, actors, launchers=launchers
    )

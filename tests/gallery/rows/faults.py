"""Faults and sandboxes (rows 75 to 89)."""

import subprocess

from tests.gallery.lab import Lab, NotHere, Truth, exists, wait_for
from tests.gallery.rows.recipes import alone, by_action, row


@row("75")
def null_dereference(lab: Lab) -> Truth:
    return alone(lab, "crashed", "segv")


@row("76")
def sent_segv(lab: Lab) -> Truth:
    return by_action(lab, "kill", "VICTIM", 11)


@row("77")
def stack_overflow(lab: Lab) -> Truth:
    return alone(lab, "crashed", "code", "e8fbffffff")


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


@row("79")
def full_file_system(lab: Lab) -> Truth:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(lab.folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        raise NotHere("no tmpfs can be mounted")
    lab._stack.callback(lambda: subprocess.run(["umount", "-l", str(lab.folder)], check=False))
    return alone(lab, "crashed", "full_tmpfs", lab.folder)


@row("83")
def time_stamp_counter_forbidden(lab: Lab) -> Truth:
    return alone(lab, "crashed", "no_tsc")


@row("84")
def broken_program(lab: Lab) -> Truth:
    return alone(lab, "exec-failed", "exec_broken", lab.folder / "broken")


@row("85")
def seccomp_strict(lab: Lab) -> Truth:
    truth = alone(lab, "seccomp-killed", "seccomp_strict")
    return Truth(truth.victim, truth.causes, None, truth.actors, "filter")


@row("86")
def seccomp_filter(lab: Lab) -> Truth:
    truth = alone(lab, "seccomp-killed", "seccomp_filter")
    return Truth(truth.victim, truth.causes, truth.victim, truth.actors, "filter")


@row("86p")
def seccomp_filter_of_the_parent(lab: Lab) -> Truth:
    parent = lab.action("seccomp_inherited")
    said = lab.facts(parent, 2)
    parent.wait(10)
    actors = {parent.pid: ("policy-owner",)}
    launchers = frozenset({parent.pid})
    return Truth(said["victim"], ("seccomp-killed",), parent.pid, actors, "filter", launchers)


@row("86o")
def seccomp_filters_of_both(lab: Lab) -> Truth:
    parent = lab.action("seccomp_both")
    said = lab.facts(parent, 2)
    parent.wait(10)
    victim = said["victim"]
    launchers = frozenset({parent.pid})
    return Truth(
        victim, ("seccomp-killed",), None, {victim: ("policy-owner",)}, "filter", launchers
    )


@row("86d")
def seccomp_filter_of_a_parent_that_left(lab: Lab) -> Truth:
    parent = lab.action("seccomp_daemon")
    victim = lab.facts(parent, 2)["victim"]
    parent.wait(10)
    wait_for(lambda: not exists(victim))
    actors = {parent.pid: ("policy-owner",)}
    launchers = frozenset({parent.pid})
    return Truth(victim, ("seccomp-killed",), None, actors, "filter", launchers)


@row("88")
def call_handed_back(lab: Lab) -> Truth:
    return alone(lab, "crashed", "user_dispatch", 1, mechanism="user-dispatch")


@row("88b")
def call_handed_back_by_a_bad_selector(lab: Lab) -> Truth:
    return alone(lab, "crashed", "user_dispatch", 2, mechanism="user-dispatch")


@row("89", guest=True)
def broken_memory(lab: Lab) -> Truth:
    victim = lab.action("hwpoison")
    lab.facts(victim, 1)
    victim.wait(10)
    return Truth(victim.pid, ("hardware-error",), None, {}, "hardware")

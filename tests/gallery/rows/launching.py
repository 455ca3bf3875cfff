"""Senders whose parent did not create them (rows 17s and 17r)."""

from tests.gallery.lab import PYTHON, Lab, Truth, sent_by
from tests.gallery.rows.recipes import range_between, row


@row("17s")
def created_as_a_sibling(lab: Lab) -> Truth:
    return _by_sibling(lab, "sleep 1")


@row("17r")
def created_as_a_sibling_then_orphaned(lab: Lab) -> Truth:
    return _by_sibling(lab, "exit 0")


def _by_sibling(lab: Lab, afterwards: str) -> Truth:
    victim = lab.victim()
    words = f"create_sibling {victim.pid}"
    shell = lab.start("sh", "-c", f"{PYTHON} -S {lab.actions} {words}; {afterwards}")
    killer = lab.facts(shell, 1)["sibling"]
    victim.wait(10)
    shell.wait(10)
    launchers = frozenset({shell.pid, *range_between(shell.pid, killer)})
    return sent_by(victim.pid, killer, launchers=launchers, argv=(f"actions {words}",))

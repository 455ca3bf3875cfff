"""All checks on one tree of files and, where it is this host's own, on what runs."""

import os
from collections.abc import Iterator

from killtrail._slotted import dataclass
from killtrail.host import procfs
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result, TrustReport
from killtrail.trust import (
    behaviour,
    indicators,
    kernel,
    kthread_lookalikes,
    packages,
    preload,
    processes,
    sockets,
)
from killtrail.trust.files import Files
from killtrail.trust.packages import rpm
from killtrail.trust.root import Root


@dataclass(frozen=True, slots=True)
class Scope:
    """What to examine: which tree, how much of it, and whether its programs may be run."""

    root: Root
    deep: bool = False
    may_run: bool = True
    reference: tuple[str, ...] = ()
    yara: tuple[str, ...] = ()


def examine(wish: Scope) -> TrustReport:
    """The report. Programs are run only where the tree is the running system's own."""
    running = wish.root.is_host
    told = running and procfs.read_stat(os.getpid()) is not None
    may_run = told and wish.may_run
    found: list[Check] = []
    if may_run:
        found += _tools(wish.root)
    elif running and not told:
        found.append(_not_run("there is no /proc here: mount -t proc proc /proc"))
    elif running:
        found.append(_not_run("--no-exec: no tool was run"))
    else:
        found.append(_not_run("nothing is executed from a tree that is not the running system's"))
    found += _files(wish, {check.subject for check in found if check.off})
    if told:
        found += processes.checks(processes.scene(deep=wish.deep))
        found += sockets.checks(wish.root, may_run=may_run)
        found += kthread_lookalikes.checks()
        found += kernel.checks()
    return TrustReport(tuple(found), wish.root.top)


def _tools(root: Root) -> Iterator[Check]:
    with behaviour.known() as facts:
        if facts is None:
            yield _not_run("no process could be made here that a tool would certainly see")
            return
        yield from behaviour.checks(root, facts)
    yield from processes.by_tools(root)


def _files(wish: Scope, suspects: set[str]) -> Iterator[Check]:
    index = packages.index(wish.root, everything=wish.deep)
    named = set(suspects)
    if index is None:
        old = rpm.older(wish.root)
        says = f"{visible(old)} has a format that is not supported" if old else "there is none"
        yield Check(
            CheckId.PACKAGE_DIGEST, "packaged files", Result.NOT_CHECKABLE,
            "the package database", says, layer=Layer.TOOLS,
        )  # fmt: skip
    else:
        found = Files(wish.root, index, deep=wish.deep).checks(suspects)
        yield from found
        named |= {check.subject for check in found if check.off}
    if wish.reference:
        from killtrail.trust import reference  # noqa: PLC0415 -- few give one

        found = list(reference.checks(wish.root, wish.reference, deep=wish.deep))
        yield from found
        named |= {check.subject for check in found if check.off}
    yield from preload.checks(wish.root, index)
    yield from indicators.checks(wish.root, index, named)
    if wish.yara:
        from killtrail.trust import yara_rules  # noqa: PLC0415 -- an extra

        yield from yara_rules.checks(wish.root, wish.yara, named)


def _not_run(why: str) -> Check:
    return Check(CheckId.TOOL_BEHAVIOUR, "tools", Result.NOT_CHECKABLE, "", why, layer=Layer.TOOLS)

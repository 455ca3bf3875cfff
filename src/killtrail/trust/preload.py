"""Libraries that are loaded before all others: ld.so.preload, LD_PRELOAD, LD_AUDIT, our own maps.

A preloaded library is in this process as well. If root runs the command and /etc/ld.so.preload
names one, the command runs itself again in its own mount namespace with an empty file there
(ld.so(8)).
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from killtrail.host import procfs
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.trust import packages
from killtrail.trust.packages.index import Index
from killtrail.trust.root import Root

FILE: Final = "/etc/ld.so.preload"
STAGE: Final = "KILLTRAIL_STAGE"
_VARIABLES: Final = ("LD_PRELOAD", "LD_AUDIT")
_CLONE_NEWNS: Final = 0x00020000
_MS_BIND, _MS_REC_PRIVATE = 0x1000, 0x44000
_MOST: Final = 1 << 16


def around(environ: Mapping[str, str] = os.environ) -> None:
    """Runs this command again without what ld.so.preload names, if it names anything; else returns."""
    named = _named(Root()) if os.geteuid() == 0 and STAGE not in environ else []
    if not named:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None):
        return
    if libc.mount(b"/dev/null", FILE.encode(), None, _MS_BIND, None):
        return
    kept = {k: v for k, v in environ.items() if k not in _VARIABLES}
    # From a checkout, an installation or a single file: as it was started.
    argv = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, argv, {**kept, STAGE: " ".join(named)})  # noqa: S606


def _named(root: Root) -> list[str]:
    raw = root.read(FILE, _MOST) or b""
    lines = (line.split(b"#", 1)[0] for line in raw.splitlines())
    words = (word for line in lines for word in line.replace(b":", b" ").split())
    return [word.decode("utf-8", "surrogateescape") for word in words]


def checks(root: Root, index: Index | None) -> Iterator[Check]:
    """What is preloaded into every program, into this one, and into init."""
    second = os.environ.get(STAGE) if root.is_host else None
    named = second.split() if second else _named(root)
    how = "; this answer comes from a second run without it" if second else ""
    yield from _file(root, index, named, how)
    if root.is_host:
        yield from _variables(root, index)
        yield from _mapped(root, index)


def _file(root: Root, index: Index | None, named: list[str], how: str) -> Iterator[Check]:
    owners = packages.owners(root, index, set(named))
    for path in named:
        owner = owners.get(path)
        if owner is not None:
            says = f"{visible(path)} of package {visible(owner)} is loaded into every program{how}"
            yield _check(Result.CONSISTENT, FILE, FILE, says)
            continue
        yield _check(
            Result.CONTRADICTED, visible(path), FILE,
            f"{FILE} loads {visible(path)}, which no package owns, into every program{how}",
            "what programs on this host print passes through it first",
        )  # fmt: skip
    if not named:
        yield _check(Result.CONSISTENT, FILE, FILE, "it names no library")


def _variables(root: Root, index: Index | None) -> Iterator[Check]:
    environments = {"this command": "self", "init": "1"}
    for whose, number in environments.items():
        raw = procfs.read_bytes(procfs.PROC / number / "environ", 1 << 20) or b""
        for entry in raw.decode("utf-8", "surrogateescape").split("\0"):
            name, _, value = entry.partition("=")
            if name in _VARIABLES and value:
                yield from _variable(root, index, name, value, whose)


def _variable(
    root: Root, index: Index | None, name: str, value: str, whose: str
) -> Iterator[Check]:
    named = set(value.replace(":", " ").split())
    for path in sorted(named - packages.owners(root, index, named).keys()):
        yield _check(
            Result.CONTRADICTED, name, f"the environment of {whose}",
            f"{name} loads {visible(path[:200])}, which no package owns, into {whose}",
            "what it prints passes through that library first",
        )  # fmt: skip


# Python's own modules are below its prefix, however it was installed.
def _mapped(root: Root, index: Index | None) -> Iterator[Check]:
    own = tuple(os.path.realpath(p) for p in (sys.prefix, sys.base_prefix, sys.exec_prefix))
    raw = procfs.read_bytes(procfs.PROC / "self/maps", 1 << 22) or b""
    fields = (
        line.split(maxsplit=5) for line in raw.decode("utf-8", "surrogateescape").splitlines()
    )
    paths = {f[5] for f in fields if len(f) > 5 and f[5].startswith("/") and ".so" in f[5]}  # noqa: PLR2004
    asked = {p for p in paths if not p.startswith(tuple(f"{o}/" for o in own if o != "/usr"))}
    if index is None:
        says = f"{len(asked)} libraries; no package database knows their owners"
        yield _check(Result.NOT_CHECKABLE, "libraries of this process", "/proc/self/maps", says)
        return
    owners = packages.owners(root, index, asked)
    strange = sorted(asked - owners.keys())
    for path in strange:
        yield _check(
            Result.CONTRADICTED, visible(path), "/proc/self/maps",
            f"{visible(path)}, which no package owns, is loaded into this command",
            "what this command reads passes through it first",
        )  # fmt: skip
    if not strange:
        says = f"{len(asked)} libraries in this process, each owned by a package"
        yield _check(Result.CONSISTENT, "libraries of this process", "/proc/self/maps", says)


def _check(result: Result, subject: str, by: str, says: str, follows: str | None = None) -> Check:
    return Check(CheckId.PRELOAD, subject, result, by, says, follows, layer=Layer.LIBC)

"""Debian roots to examine: one fresh, and ten in which four tools were replaced by harmless stand-ins.

The base is made once by debootstrap and kept (KILLTRAIL_ROOTS, else build/roots); each disguise lives in
an overlay above it, mounted in a mount namespace that ends with the command.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, cannot

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("KILLTRAIL_ROOTS", ROOT / "build/roots"))
PACKAGES = "procps,iproute2,net-tools,lsof,psmisc,python3-minimal,libpython3-stdlib"
TOOLS = ("ps", "ss", "netstat", "lsof")
WORD = "kt-demo-word"
M32 = ("-m32", "-static")
MARKED = ("-DMARKS",)
SCRIPT = '#!/bin/sh\n/usr/bin/dpkgd/${0##*/} "$@"\nexit 0\n'


@dataclass(frozen=True)
class Disguise:
    """How a stand-in was made, and what else the intruder did."""

    flags: tuple[str, ...] | None
    """Of the compiler; None = a shell script."""
    stripped: bool = False
    sums_edited: bool = False
    times_copied: bool = False


DISGUISES = {
    "F1": Disguise((*M32, *MARKED, f'-DDROP="{WORD}"')),
    "F2": Disguise((*M32, *MARKED)),
    "F3": Disguise((), stripped=True),
    "F4": Disguise((*M32, *MARKED), sums_edited=True),
    "F5": Disguise(M32, stripped=True),
    "F6": Disguise(None),
    "F7": Disguise((*M32, *MARKED)),
    "F7d": Disguise((*M32, *MARKED)),
    "F7e": Disguise((*M32, *MARKED), sums_edited=True),
    "F8": Disguise((), stripped=True, sums_edited=True, times_copied=True),
}
"""The ten disguises that were measured; F7 and its like differ in when scanners took their baseline."""


def base() -> Path:
    """A fresh Debian with the tools in it."""
    if os.geteuid() or shutil.which("debootstrap") is None:
        cannot("needs root and debootstrap")
    root = CACHE / "bookworm"
    if not (root / "done").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            cannot(f"debootstrap: {done.stdout[-300:]}")
        (root / "done").write_text("")
    return root


def plant(upper: Path, lower: Path, disguise: Disguise, built: Path) -> None:
    """Puts the stand-ins into the layer above a root, and the originals beside."""
    moved = upper / "usr/bin/dpkgd"
    moved.mkdir(parents=True)
    for tool in TOOLS:
        original = lower / "usr/bin" / tool
        shutil.copy2(original, moved / tool)
        target = upper / "usr/bin" / tool
        shutil.copy(built, target)
        target.chmod(0o755)
        if disguise.times_copied:
            shutil.copystat(original, target)
    if disguise.sums_edited:
        _edit_sums(upper, lower)


def _edit_sums(upper: Path, lower: Path) -> None:
    info = upper / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for sums in (lower / "var/lib/dpkg/info").glob("*.md5sums"):
        text = sums.read_text()
        for tool in TOOLS:
            for path in (f"bin/{tool}", f"usr/bin/{tool}"):
                text = "\n".join(_line(line, path, upper, tool) for line in text.split("\n"))
        if text != sums.read_text():
            (info / sums.name).write_text(text)
            shutil.copystat(sums, info / sums.name)


def _line(line: str, path: str, upper: Path, tool: str) -> str:
    if not line.endswith(f"  {path}"):
        return line
    digest = hashlib.md5((upper / "usr/bin" / tool).read_bytes()).hexdigest()  # dpkg's own
    return f"{digest}  {path}"


def build(folder: Path, disguise: Disguise) -> Path:
    """Compiles a stand-in."""
    out = folder / "stand-in"
    if disguise.flags is None:
        out.write_text(SCRIPT)
        return out
    words = ["gcc", "-O1", "-w", *disguise.flags, "-o", str(out), str(HERE / "stand_in.c")]
    if disguise.stripped:
        words.insert(1, "-s")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        cannot(f"gcc {' '.join(disguise.flags)} (gcc-multilib): {done.stderr[-200:]}")
    return out


def inside(
    lower: Path, upper: Path | None, command: str, work: Path
) -> subprocess.CompletedProcess:
    """Runs a shell line in a chroot made of both, with our source at /kt; nothing stays mounted.

    `{root}` in it is that root as seen from outside.
    """
    root = work / "root"
    root.mkdir(exist_ok=True)
    (work / "work").mkdir(exist_ok=True)
    above = upper or work / "nothing"
    above.mkdir(exist_ok=True)
    script = f"""
set -e
mount -t overlay overlay -o lowerdir={lower},upperdir={above},workdir={work}/work {root}
mount -t proc proc {root}/proc
mkdir -p {root}/kt && mount --bind {ROOT}/src {root}/kt
export PYTHONPATH=/kt PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 COLUMNS=100
set +e
{command.format(root=root)}
"""
    return subprocess.run(
        ["unshare", "-m", "--propagation", "private", "bash", "-c", script],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

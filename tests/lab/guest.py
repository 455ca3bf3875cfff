"""A Debian kernel under qemu (TCG), dumped over QMP; altered, where that is asked, only from outside.

The kernel package is only unpacked. The initramfs is busybox with one script that does what the kernel's
command line asks for (`kt=sysrq`). The emulator's debug port writes memory; no code of ours runs inside.
"""

import contextlib
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.conftest import ROOT, cannot

CACHE = Path(os.environ.get("KILLTRAIL_GUEST_CACHE", ROOT / "build/guests"))
APPLETS = (
    "sh mount insmod cat sleep echo dd mke2fs fsfreeze touch ls grep kill mkdir poweroff".split()
)
MODULES = (
    "drivers/firmware/qemu_fw_cfg", "drivers/net/dummy", "lib/libcrc32c", "lib/crc-itu-t", "drivers/block/brd",
)  # fmt: skip
INIT = """#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev 2>/dev/null
echo 1 >/proc/sys/kernel/panic_on_oops; echo 1 >/proc/sys/kernel/sysrq
for m in /lib/*.ko; do insmod $m; done
echo READY
for word in $(cat /proc/cmdline); do case $word in
kt=sysrq) echo c >/proc/sysrq-trigger ;;
kt=init) exit 3 ;;
kt=oom) echo 1 >/proc/sys/vm/panic_on_oom; echo 1 >/proc/sys/vm/overcommit_memory; dd if=/dev/zero of=/dev/null bs=200M count=1 ;;
kt=hung)
	echo 2 >/proc/sys/kernel/hung_task_timeout_secs; echo 1 >/proc/sys/kernel/hung_task_panic
	mke2fs /dev/ram0 >/dev/null 2>&1; mkdir /mnt; mount -t ext4 /dev/ram0 /mnt; fsfreeze --freeze /mnt
	touch /mnt/file ;;
kt=read) while :; do dd if=/dev/zero of=/dev/null bs=64 count=1 2>/dev/null; sleep 0.1; done ;;
esac; done
while :; do sleep 1; done
"""


def kernel(release: str, suite: str = "bookworm") -> Path:
    """An unpacked cloud kernel of that series, fetched by apt once. Fails where it can't be had."""
    for tool in ("qemu-system-x86_64", "apt-get", "dpkg-deb", "cpio"):
        if shutil.which(tool) is None:
            cannot(f"needs {tool}")
    found = sorted(CACHE.glob(f"linux-image-{release}*-cloud-amd64/boot/vmlinuz-*"))
    if found:
        return found[-1].parents[1]
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options = _sources(folder, suite)
        packages = _packages(release, options)
        if not packages:
            # A bare machine has no lists yet.
            subprocess.run(["apt-get", *options, "update", "-qq"], capture_output=True, check=False)
            packages = _packages(release, options)
        if not packages:
            cannot(f"apt has no cloud kernel {release}")
        subprocess.run(
            ["apt-get", *options, "download", "-qq", packages[-1]], cwd=folder, check=True
        )
        (deb,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, CACHE / packages[-1]], check=True)
    return CACHE / packages[-1]


def _packages(release: str, options: list[str]) -> list[str]:
    pattern = f"^linux-image-{re.escape(release)}.*-cloud-amd64$"
    words = ["apt-cache", *options, "search", "--names-only", pattern]
    names = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted((n.split()[0] for n in names if n), key=_version)


def _version(name: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", name)]


# Another release than the machine's own: its sources with the suite's name changed, in a state of its own.
def _sources(folder: str, suite: str) -> list[str]:
    if suite == "bookworm":
        return []
    texts = [p.read_text() for p in Path("/etc/apt").glob("sources.list.d/*.sources")]
    own = re.findall(r"^URIs: (\S+)", "\n".join(texts), re.MULTILINE)
    lines = Path("/etc/apt/sources.list")
    if lines.exists():
        own += re.findall(r"^deb (?:\[.*\] )?(\S+)", lines.read_text(), re.MULTILINE)
    main = next((uri for uri in own if "security" not in uri), None)
    if main is None:
        cannot("apt has no sources")
    Path(folder, "list").write_text(f"deb {main} {suite} main\n")
    Path(folder, "lists").mkdir()
    options = [
        "-o", f"Dir::Etc::SourceList={folder}/list", "-o", "Dir::Etc::SourceParts=-",
        "-o", f"Dir::State::Lists={folder}/lists", "-o", "Acquire::Check-Valid-Until=false",
    ]  # fmt: skip
    done = subprocess.run(["apt-get", *options, "update", "-qq"], capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        cannot(f"apt knows no {suite}: {done.stderr[-200:]}")
    return options


def initramfs(tree: Path) -> Path:
    """Busybox, a few harmless modules, one script."""
    out = tree / "lab.cpio.gz"
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for name in ("bin", "lib", "proc", "sys", "dev"):
            (top / name).mkdir()
        shutil.copy(shutil.which("busybox") or cannot("needs busybox-static"), top / "bin/busybox")
        for applet in APPLETS:
            (top / "bin" / applet).symlink_to("busybox")
        (place,) = (tree / "lib/modules").iterdir()
        for name in MODULES:
            _module(place / "kernel" / name, top / "lib")
        init = top / "init"
        init.write_text(INIT)
        init.chmod(0o755)
        files = subprocess.run(["find", "."], cwd=top, capture_output=True, check=True).stdout
        packed = subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], cwd=top, input=files, capture_output=True, check=True
        ).stdout  # fmt: skip
        out.write_bytes(gzip.compress(packed, 1))
    return out


def _module(name: Path, into: Path) -> None:
    plain, packed = name.with_suffix(".ko"), name.with_suffix(".ko.xz")
    if plain.exists():
        shutil.copy(plain, into)
    elif packed.exists():
        raw = subprocess.run(["xz", "-dc", packed], capture_output=True, check=True).stdout
        (into / plain.name).write_bytes(raw)


class Guest:
    """One machine, from power on to power off."""

    def __init__(self, tree: Path, what: str, *, megabytes: int = 96, processors: int = 1) -> None:
        (image,) = (tree / "boot").glob("vmlinuz-*")
        self._folder = tempfile.TemporaryDirectory(prefix="kt-lab-")
        self.folder = Path(self._folder.name)
        self.console = self.folder / "console"
        words = [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", str(megabytes),
            "-smp", str(processors), "-nodefaults", "-display", "none", "-no-reboot",
            "-device", "vmcoreinfo", "-kernel", image, "-initrd", initramfs(tree),
            "-append", f"console=ttyS0 quiet panic=0 tsc=reliable init_on_free=1 kt={what}",
            "-serial", f"file:{self.console}",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            "-gdb", f"unix:{self.folder}/gdb,server=on,wait=off",
        ]  # fmt: skip
        self._process = subprocess.Popen(words)

    def __enter__(self) -> Self:
        until = time.monotonic() + 20
        while not (self.folder / "gdb").exists() and time.monotonic() < until:
            time.sleep(0.05)
        self._qmp = socket.socket(socket.AF_UNIX)
        self._qmp.connect(str(self.folder / "qmp"))
        self._lines = self._qmp.makefile("rw")
        self._lines.readline()
        self.ask("qmp_capabilities")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._lines.close()
            self._qmp.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def ask(self, command: str, **arguments: object) -> object:
        """One QMP command."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer

    def until(self, text: str, seconds: float = 90) -> str:
        """Waits until the console says something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said = self.console.read_text(errors="replace") if self.console.exists() else ""
            if re.search(text, said):
                return said
            assert self._process.poll() is None, said[-2000:]
            time.sleep(0.05)
        raise AssertionError(f"{text} never came: {said[-2000:]}")

    def died(self) -> None:
        """Waits for the end of the panic."""
        self.until(r"end Kernel panic")
        time.sleep(0.3)

    def dump(self, path: Path, form: str = "elf") -> Path:
        """All of its memory, as a file."""
        self.ask("dump-guest-memory", paging=False, protocol=f"file:{path}", format=form)
        return path

    def debugger(self) -> "Debugger":
        """Stops the machine and takes its memory in hand."""
        return Debugger(self.folder / "gdb")


class Debugger:
    """As much of the remote protocol as it takes to read and write memory (GDB manual, appendix E)."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._ask("?")
        time.sleep(0.2)
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._socket.recv(65536)
        self._socket.setblocking(True)

    def _ask(self, text: str) -> str:
        self._socket.sendall(f"${text}#{sum(text.encode()) & 0xFF:02x}".encode())
        raw = b""
        while not re.search(rb"\$[^#]*#..", raw):
            raw += self._socket.recv(65536)
        self._socket.sendall(b"+")
        return re.search(rb"\$([^#]*)#..", raw)[1].decode()

    def read(self, address: int, size: int) -> bytes:
        """Memory."""
        return bytes.fromhex(self._ask(f"m{address:x},{size:x}"))

    def write(self, address: int, content: bytes) -> None:
        """Changes memory."""
        assert self._ask(f"M{address:x},{len(content):x}:{content.hex()}") == "OK"

    def go(self) -> None:
        """Lets the machine go on."""
        self._ask("D")
        self._socket.close()

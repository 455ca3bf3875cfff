#!/usr/bin/env python3
"""Boots one guest in qemu, passes on what it says, and does what it can't do from inside.

`keeper.py KERNEL INITRAMFS LOG [--machine x86_64|aarch64] [--memory MB] [--append TEXT] [--seconds N]`. Lines that begin with
`GUEST:` are printed; `OUTSIDE: WRITE ADDRESS HEX` makes the keeper write those bytes there through the
emulator's debug port and answer `done`. Exit code: 0 where the guest said GUEST-EXIT 0.
"""

import argparse
import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MACHINES = {
    "x86_64": ("qemu-system-x86_64", "-cpu", "max", "console=ttyS0"),
    # A processor that still runs 32-bit programs.
    "aarch64": ("qemu-system-aarch64", "-cpu", "cortex-a57", "console=ttyAMA0"),
}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernel")
    parser.add_argument("initramfs")
    parser.add_argument("log")
    parser.add_argument("--machine", choices=sorted(MACHINES), default="x86_64")
    parser.add_argument("--memory", default="1536")
    parser.add_argument("--append", default="")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--screens", type=Path, help="keep the screens that the guest shows there")
    return parser.parse_args()


def boot(args: argparse.Namespace, port: str) -> subprocess.Popen[bytes]:
    """The emulator; TCG, as there is no KVM everywhere."""
    program, *processor, console = MACHINES[args.machine]
    if args.machine == "aarch64":
        processor += ["-machine", "virt"]
    command = [
        program, "-accel", "tcg", *processor, "-smp", "2", "-m", args.memory,
        "-nographic", "-no-reboot", "-kernel", args.kernel, "-initrd", args.initramfs,
        "-gdb", f"unix:{port},server=on,wait=off",
        "-append", f"{console} quiet panic=-1 {args.append}",
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def packet(text: str) -> bytes:
    """One of the remote serial protocol (GDB manual, appendix E)."""
    return f"${text}#{sum(text.encode()) & 0xFF:02x}".encode()


def ask(port: socket.socket, text: str) -> str:
    """Sends a packet, gives the answer."""
    port.sendall(packet(text))
    raw = b""
    while b"#" not in raw:
        raw += port.recv(4096)
    port.sendall(b"+")
    return raw.decode("ascii", "replace").partition("$")[2].partition("#")[0]


def poke(path: str, wish: str) -> str:
    """Writes bytes; connecting stops the guest, detaching lets it go on."""
    address, content = wish.split()
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(10)
        port.connect(path)
        answer = ask(port, f"M{address},{len(content) // 2:x}:{content}")
        ask(port, "D")
    return answer


def keep(folder: Path | None, text: str) -> None:
    """`17|a line`: one more line of the screen of row 17; `17` alone begins it anew."""
    number, bar, line = text.partition("|")
    if folder is None or not number.isalnum():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{number}.txt").open("a" if bar else "w", encoding="utf-8") as file:
        file.write(f"{line}\n" if bar else "")


def converse(guest: subprocess.Popen[bytes], args: argparse.Namespace, port: str) -> bool:
    """Reads the console until the guest is gone; whether it ended well."""
    until, buffer, well = time.monotonic() + args.seconds, b"", False
    with open(args.log, "wb") as log:
        while time.monotonic() < until:
            if not select.select([guest.stdout], [], [], 1)[0]:
                continue
            piece = os.read(guest.stdout.fileno(), 65536)
            if not piece:
                break
            log.write(piece)
            log.flush()
            *lines, buffer = (buffer + piece).split(b"\n")
            for raw in lines:
                line = raw.decode("utf-8", "replace").replace("\r", "")
                well = well or "GUEST-EXIT 0" in line
                if "SCREEN " in line:
                    keep(args.screens, line.partition("SCREEN ")[2])
                elif "GUEST: " in line:
                    print(line.partition("GUEST: ")[2], flush=True)
                elif "OUTSIDE: WRITE " in line:
                    said = poke(port, line.partition("OUTSIDE: WRITE ")[2].strip())
                    guest.stdin.write(f"{said or 'nothing'}\n".encode())
                    guest.stdin.flush()
    return well


def main() -> int:
    """One guest from power on to power off."""
    args = options()
    with tempfile.TemporaryDirectory(prefix="kt-guest-") as folder:
        port = f"{folder}/gdb"
        guest = boot(args, port)
        try:
            well = converse(guest, args, port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                guest.kill()
            guest.wait()
    if not well:
        print(f"FAILED, see {args.log}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

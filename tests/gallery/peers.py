"""What the tools that people use today say of the same deaths.

Each peer is started as its manual says, and read with care: the last line that speaks of the victim
as hit, by the very signal that it died of where one has that number, names the killer.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

SIX = "kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal"
SIX_32 = "kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo"
# The event that bcc's sigsnoop and Inspektor Gadget's trace_signal print.
SIGNALS = (
    'tracepoint:signal:signal_generate { printf("%d %d %d %d\\n", pid, args->pid, args->sig,'
    ' args->result); } BEGIN { printf("ready\\n"); }'
)
AUDITD = Path("/etc/audit/auditd.conf")
CALL = re.compile(r"type=SYSCALL .* syscall=(\d+) success=yes .* a1=(\w+) a2=(\w+) .* pid=(\d+) ")
# tgkill and rt_tgsigqueueinfo, on x86-64 and i386: their signal is the third argument.
BY_THREAD = {"234", "297", "270", "335"}


class Peer(Protocol):
    """A tool that runs beside the deaths."""

    name: str

    def watch(self, pid: int) -> None:
        """A victim is up: for tools that attach to it."""
        ...

    def names(self, victim: int, sig: int | None) -> int | None:
        """Who sent it, in the tool's words; None where it says nothing."""
        ...


class _Printer:
    """A bpftrace script whose lines go to a file."""

    name = "?"

    def __init__(self, folder: Path, *command: str) -> None:
        self._out = folder / f"{self.name}.out"
        with self._out.open("w") as out:
            self._tool = subprocess.Popen(
                ["stdbuf", "-oL", *command], stdout=out, stderr=subprocess.DEVNULL
            )
        until = time.monotonic() + 20
        while not self._out.read_text() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)

    def watch(self, pid: int) -> None:
        """It sees everything anyway."""

    def lines(self) -> list[list[str]]:
        """What it printed so far, in words."""
        time.sleep(0.3)
        return [line.split() for line in self._out.read_text(errors="replace").splitlines()]

    def close(self) -> None:
        """Ends it."""
        self._tool.send_signal(signal.SIGINT)
        self._tool.wait()


class Killsnoop(_Printer):
    """bpftrace's killsnoop.bt: TIME PID COMM SIG TPID RESULT."""

    name = "killsnoop.bt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "bpftrace", "-B", "line", "/usr/sbin/killsnoop.bt")

    def names(self, victim: int, sig: int | None) -> int | None:
        """The last successful call on that number."""
        hits = [w for w in self.lines() if len(w) >= 6 and w[-2:] == [str(victim), "0"]]
        hits = [w for w in hits if w[-3] == str(sig)] or hits
        return int(hits[-1][1]) if hits and hits[-1][1].isdecimal() else None


class Sigsnoop(_Printer):
    """Sigsnoop's event, printed by bpftrace: who ran when a signal was put on the victim."""

    name = "sigsnoop"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "bpftrace", "-B", "line", "-e", SIGNALS)

    def names(self, victim: int, sig: int | None) -> int | None:
        """The last delivered signal of that number."""
        hits = [w for w in self.lines() if len(w) == 4 and w[1] == str(victim) and w[3] == "0"]
        hits = [w for w in hits if w[2] == str(sig)] or [
            w for w in hits if w[2] not in ("17", "18")
        ]
        return int(hits[-1][0]) if hits else None


class Auditd:
    """auditd with rules for the six calls on both ABIs."""

    name = "auditd"

    def __init__(self, folder: Path) -> None:
        self._log = folder / "audit.log"
        text = re.sub(r"(?m)^log_file.*", f"log_file = {self._log}", AUDITD.read_text())
        text = re.sub(r"(?m)^log_group.*", "log_group = root", text)
        (folder / "auditd.conf").write_text(text)
        (folder / "plugins.d").mkdir()
        self._daemon = subprocess.Popen(
            ["auditd", "-n", "-c", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        for arch, calls in (("b64", SIX), ("b32", SIX_32)):
            rule = [
                "auditctl",
                "-a",
                "always,exit",
                "-F",
                f"arch={arch}",
                "-S",
                calls,
                "-k",
                "ktgallery",
            ]
            subprocess.run(rule, capture_output=True, check=True)

    def watch(self, pid: int) -> None:
        """It sees everything anyway."""

    def names(self, victim: int, sig: int | None) -> int | None:
        """The last successful call with the victim as object."""
        time.sleep(0.5)
        calls: dict[str, tuple[int, int]] = {}
        hits = []
        for line in self._log.read_text(errors="replace").splitlines():
            event = re.search(r"msg=audit\(([^)]*)\)", line)
            call = CALL.match(line)
            if event and call:
                calls[event[1]] = (int(call[4]), int(call[3 if call[1] in BY_THREAD else 2], 16))
            elif event and line.startswith("type=OBJ_PID") and f"opid={victim} " in line:
                hits.append(calls.get(event[1], (0, 0)))
        hits = [hit for hit in hits if hit[1] == sig] or hits
        return hits[-1][0] or None if hits else None

    def close(self) -> None:
        """Takes the rules away and ends the daemon."""
        subprocess.run(["auditctl", "-D", "-k", "ktgallery"], capture_output=True, check=False)
        self._daemon.terminate()
        self._daemon.wait()
        subprocess.run(["auditctl", "-e", "0"], capture_output=True, check=False)


class Strace:
    """strace -p on each victim, as soon as it is up."""

    name = "strace"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def watch(self, pid: int) -> None:
        """Attaches."""
        command = ["strace", "-f", "-q", "-e", "trace=none", "-o", str(self._folder / f"s.{pid}")]
        self._running.append(
            subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.DEVNULL)
        )
        time.sleep(0.15)

    def names(self, victim: int, sig: int | None) -> int | None:
        """si_pid of the last signal that it saw delivered."""
        del sig
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            text = (self._folder / f"s.{victim}").read_text(errors="replace")
            found = re.findall(r"--- SIG\w+ \{.*?si_pid=(\d+)", text)
            return int(found[-1]) if found else None
        return None

    def close(self) -> None:
        """Detaches from whoever is left."""
        for tracer in self._running:
            if tracer.poll() is None:
                tracer.terminate()
            tracer.wait()


BESIDE = {
    "killsnoop.bt": (Killsnoop, "bpftrace"),
    "sigsnoop": (Sigsnoop, "bpftrace"),
    "auditd": (Auditd, "auditd"),
}
ATTACHED = {"strace": (Strace, "strace")}


@contextlib.contextmanager
def running(kinds: dict) -> Iterator[list[Peer]]:
    """Those of them that are installed, for as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        peers = []
        for peer, program in kinds.values():
            if shutil.which(program) is None:
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kt-peer-")))
            made = peer(folder)
            stack.callback(made.close)
            peers.append(made)
        yield peers

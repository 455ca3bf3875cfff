"""In a guest: kills by every signal call of every ABI there is, under a real auditd with our rules.

Prints each death's truth, what killtrail says of it from the log alone, and the log itself.
"""

import base64
import json
import lzma
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

LOG = Path("/var/log/audit/audit.log")
NATIVE = {
    "x86_64": {
        "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129,
        "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424,
    },
    "aarch64": {
        "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138,
        "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424,
    },
}  # fmt: skip
X32 = {
    "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 524, "rt_tgsigqueueinfo": 536,
    "pidfd_send_signal": 424,
}  # fmt: skip
X32_BIT = 0x40000000
X32_GID = "4242"
ARM_BUSYBOX = "/kt/bin/arm/busybox"
KILLER = """
import ctypes, os, sys
name, number, pid, sig = sys.argv[1], *map(int, sys.argv[2:])
info = ctypes.create_string_buffer(128)
info[0:4], info[8:12] = sig.to_bytes(4, "little"), (-1 & 0xFFFFFFFF).to_bytes(4, "little")
args = {
    "kill": (pid, sig), "tkill": (pid, sig), "tgkill": (pid, pid, sig),
    "rt_sigqueueinfo": (pid, sig, info), "rt_tgsigqueueinfo": (pid, pid, sig, info),
}.get(name) or (os.pidfd_open(pid), sig, None, 0)
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
if call(ctypes.c_long(number), *args):
    sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
"""


# Perl, as its start makes few calls: this one's are all recorded.
X32_KILLER = """
my ($name, $number, $pid, $sig) = @ARGV; $_ += 0 for $number, $pid, $sig;
my $info = pack "l l l x116", $sig, 0, -1;
my $fd = $name =~ /pidfd/ ? syscall(434, $pid, 0) : 0;
my %args = (kill => [$pid, $sig], tkill => [$pid, $sig], tgkill => [$pid, $pid, $sig],
    rt_sigqueueinfo => [$pid, $sig, $info], rt_tgsigqueueinfo => [$pid, $pid, $sig, $info],
    pidfd_send_signal => [$fd, $sig, 0, 0]);
my @a = @{$args{$name}};
my $made = @a == 2 ? syscall($number, $a[0], $a[1]) : @a == 3 ? syscall($number, $a[0], $a[1], $a[2])
    : syscall($number, $a[0], $a[1], $a[2], $a[3]);
die "$name: $!" if $made;
"""


def say(text: str) -> None:
    """A line for outside."""
    print(f"GUEST: {text}", flush=True)


def start_audit() -> None:
    """auditd, and the rules that `killtrail rules` writes for this machine."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["auditd"], check=True)
    rules = subprocess.run(
        [sys.executable, "-m", "killtrail", "rules"], check=True, capture_output=True, text=True
    )
    Path("/run/killtrail.rules").write_text(rules.stdout)
    loaded = subprocess.run(
        ["auditctl", "-R", "/run/killtrail.rules"], check=False, capture_output=True, text=True
    )
    if loaded.returncode:
        raise SystemExit(f"auditctl: {loaded.stderr}")


def ways() -> list[tuple[str, str, list[str]]]:
    """(ABI, call, command line of a killer without pid and signal)."""
    machine = platform.machine()
    found = [
        (machine, name, [sys.executable, "-c", KILLER, name, str(number)])
        for name, number in NATIVE[machine].items()
    ]
    if os.path.exists(ARM_BUSYBOX):
        found.append(("arm", "kill", [ARM_BUSYBOX, "kill"]))
    return found


def x32_ways() -> list[tuple[str, str, list[str]]]:
    """The same of x32, which no rule about calls matches: for tasks that are recorded whole."""
    if platform.machine() != "x86_64":
        return []
    return [
        ("x32", name, ["perl", "-e", X32_KILLER, name, str(X32_BIT | number)])
        for name, number in X32.items()
    ]


def play(abi: str, name: str, killer: list[str], signal: int) -> dict[str, object]:
    """One death; its truth."""
    victim = subprocess.Popen(["sleep", "1000"])
    words = (
        [f"-{signal}", str(victim.pid)]
        if killer[0] == ARM_BUSYBOX
        else [str(victim.pid), str(signal)]
    )
    # A shell stands between, so that there is a launcher to be found.
    sender = subprocess.Popen(
        ["sh", "-c", '"$@"; exit $?', "launcher", *killer, *words], stderr=subprocess.PIPE
    )
    _, wrong = sender.communicate()
    if sender.returncode:
        victim.kill()
    return {
        "abi": abi, "call": name, "signal": signal, "victim": victim.pid, "launcher": sender.pid,
        "refused": wrong.decode("utf-8", "replace").strip()[-200:], "status": victim.wait(),
    }  # fmt: skip


def asked(truth: dict[str, object], *, recorder: bool = False) -> str:
    """What killtrail says from the log, or from its recorder: right, or how not."""
    words = [sys.executable, "-m", "killtrail", "why", f"pid:{truth['victim']}", "--json"]
    words += [] if recorder else ["--from", str(LOG)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        return f"silent (exit {done.returncode}): {done.stderr.strip()[:200]}"
    verdict = json.loads(done.stdout.splitlines()[-1])
    sender = next((link for link in verdict["links"] if link["role"] == "sender"), None)
    if sender is None:
        return f"silent: {verdict['summary']}"
    above = [each["pid"] for each in verdict["ancestry"]]
    return "right" if truth["launcher"] in above else f"misnamed: {verdict['summary']} {above}"


def noted() -> bool:
    """Whether `rules --check` tells of x32 programs just where there can be some."""
    words = [sys.executable, "-m", "killtrail", "rules", "--check"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    say(f"rules --check: {' '.join(done.stdout.split())} {done.stderr.strip()[:200]}")
    return ("x32 programs can run here" in done.stdout) == bool(x32_ways())


def recorded() -> int:
    """x32 kills, which audit does not see, with the recorder armed: how many it did not answer."""
    if not x32_ways():
        return 0
    armed = subprocess.run(
        [sys.executable, "-m", "killtrail", "arm"], capture_output=True, text=True, check=False
    )
    say(f"arm: {' '.join((armed.stdout + armed.stderr).split())[:200]}")
    wrong = 0
    for way in x32_ways():
        truth = play(*way, 9)
        answer = asked(truth, recorder=True)
        wrong += answer != "right"
        say(f"{truth['abi']:<8} {truth['call']:<18} {truth['signal']:>2}  recorder: {answer}")
    subprocess.run([sys.executable, "-m", "killtrail", "disarm"], capture_output=True, check=False)
    return wrong


def told(truths: list[dict[str, object]], *, silent: bool = False) -> int:
    """Prints what killtrail says of each; how many were not as they should be."""
    wrong = 0
    for truth in truths:
        answer = f"not made: {truth['refused']}" if truth["refused"] else asked(truth)
        wrong += not answer.startswith("silent" if silent else "right")
        truth["recorded"] = not silent
        say(f"{truth['abi']:<8} {truth['call']:<18} {truth['signal']:>2}  {answer}")
        say("TRUTH " + json.dumps(truth))
    return wrong


def main() -> int:
    """All of them; 0 if every call that audit can see was answered rightly, and no other one."""
    start_audit()
    wrong = not noted()
    ours = [play(*way, signal) for way in ways() for signal in (15, 9)]
    unseen = [play(*way, 9) for way in x32_ways()]
    if unseen:
        subprocess.run(["auditctl", "-a", "always,task", "-F", f"gid={X32_GID}"], check=True)
        os.setgid(int(X32_GID))
    seen = [play(*way, signal) for way in x32_ways() for signal in (15, 9)]
    time.sleep(3)
    os.setgid(0)
    wrong += told(ours) + told(unseen, silent=True) + told(seen) + recorded()
    packed = base64.b64encode(lzma.compress(LOG.read_bytes())).decode("ascii")
    for at in range(0, len(packed), 800):
        say(f"LOG {packed[at : at + 800]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What recording costs: CPU per operation against untraced, beside the tools people use today.

Every round plays all modes in random order on all workloads; medians over the rounds, so that a
drift of the machine hits all alike. Run as root on an idle machine; peers that are not installed
are left out and said. `--rounds 9`, `--modes base,armed`, `--json FILE`.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COUNTS = {
    "forkexec": 500,
    "fork": 1500,
    "kill0": 100_000,
    "ignored": 100_000,
    "handled": 50_000,
    "killfork": 1000,
}
SLOW = {
    "forkexec": 100,
    "fork": 200,
    "kill0": 2000,
    "ignored": 2000,
    "handled": 1000,
    "killfork": 100,
}
KILLSNOOP = """tracepoint:syscalls:sys_enter_kill { @pid[tid] = args->pid; @sig[tid] = args->sig; }
tracepoint:syscalls:sys_exit_kill /@pid[tid]/ { printf("%d %s %d %d %d\\n", pid, comm, @sig[tid], @pid[tid], args->ret); delete(@pid[tid]); delete(@sig[tid]); }
BEGIN { printf("ready\\n"); }"""
SIX = "kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal"


def killtrail(*words: str) -> subprocess.CompletedProcess[str]:
    """The command from this tree."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-m", "killtrail", *words],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )


@contextlib.contextmanager
def base() -> Iterator[list[str]]:
    """Nothing records."""
    yield []


@contextlib.contextmanager
def armed() -> Iterator[list[str]]:
    """The recorder, no daemon."""
    killtrail("arm")
    try:
        yield []
    finally:
        killtrail("disarm")


@contextlib.contextmanager
def recording() -> Iterator[list[str]]:
    """The recorder and `killtrail record`."""
    with armed(), tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KILLTRAIL_HISTORY": f"{folder}/h.db"}
        daemon = subprocess.Popen(
            [sys.executable, "-m", "killtrail", "record"], env=env, stderr=subprocess.DEVNULL
        )
        time.sleep(0.8)
        try:
            yield []
        finally:
            daemon.terminate()
            daemon.wait()


@contextlib.contextmanager
def tracefs() -> Iterator[list[str]]:
    """The tracefs fallback."""
    killtrail("arm", "--backend", "tracefs")
    try:
        yield []
    finally:
        killtrail("disarm")


@contextlib.contextmanager
def bpftrace() -> Iterator[list[str]]:
    """killsnoop.bt's probes."""
    tool = subprocess.Popen(
        ["bpftrace", "-e", KILLSNOOP], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    out = tool.stdout
    while out and "ready" not in (line := out.readline()):
        if not line:
            break
    sink = subprocess.Popen(["cat"], stdin=out, stdout=subprocess.DEVNULL)
    try:
        yield []
    finally:
        tool.terminate()
        tool.wait()
        sink.wait()


@contextlib.contextmanager
def audit() -> Iterator[list[str]]:
    """Rules for the six calls and execve, without a daemon that writes them."""
    rules = [["-S", SIX], ["-S", "execve,execveat"]]
    subprocess.run(["auditctl", "-e", "1"], capture_output=True, check=True)
    subprocess.run(["auditctl", "-b", "8192"], capture_output=True, check=True)
    for rule in rules:
        subprocess.run(
            ["auditctl", "-a", "always,exit", "-F", "arch=b64", *rule, "-k", "ktbench"],
            capture_output=True,
            check=True,
        )
    try:
        yield []
    finally:
        subprocess.run(["auditctl", "-D", "-k", "ktbench"], capture_output=True, check=False)
        subprocess.run(["auditctl", "-e", "0"], capture_output=True, check=False)


@contextlib.contextmanager
def strace() -> Iterator[list[str]]:
    """Strace -f on signals."""
    yield ["strace", "-f", "-q", "-o", "/dev/null", "-e", "trace=signal"]


MODES = {
    "base": (base, None),
    "armed": (armed, None),
    "record": (recording, None),
    "tracefs": (tracefs, None),
    "bpftrace": (bpftrace, "bpftrace"),
    "audit": (audit, "auditctl"),
    "strace": (strace, "strace"),
}


def compile_once(folder: Path, wrap: list[str]) -> float:
    """CPU microseconds of a small make -j2."""
    for i in range(8):
        shutil.copy(HERE / "workload.c", folder / f"w{i}.c")
    (folder / "Makefile").write_text(
        "all: $(patsubst %.c,%.o,$(wildcard *.c))\n%.o: %.c\n\tcc -O2 -c $< -o $@\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*wrap, "make", "-s", "-j2", "-C", str(folder)], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for made in folder.glob("*.o"):
        made.unlink()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used * 1e6


def play(workload: str, wrap: list[str], scratch: Path) -> float:
    """CPU microseconds per operation."""
    if workload == "compile":
        return compile_once(scratch, wrap)
    count = (SLOW if wrap else COUNTS)[workload]
    out = subprocess.run(
        [*wrap, HERE / "workload", workload, str(count)], capture_output=True, text=True, check=True
    )
    return float(out.stdout.split()[1])


def measure(
    modes: list[str], workloads: list[str], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Mode -> workload -> a figure per round."""
    found: dict[str, dict[str, list[float]]] = {m: {w: [] for w in workloads} for m in modes}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for mode in random.sample(modes, len(modes)):
                with MODES[mode][0]() as wrap:
                    for workload in workloads:
                        found[mode][workload].append(play(workload, wrap, Path(scratch)))
    return found


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Ratios of medians against untraced."""
    modes = list(found)
    lines = ["workload    base us " + "".join(f"{m:>10}" for m in modes if m != "base")]
    for workload, figures in found["base"].items():
        zero = statistics.median(figures)
        ratios = "".join(
            f"{'x%.3f' % (statistics.median(found[m][workload]) / zero):>10}"
            for m in modes
            if m != "base"
        )
        lines.append(f"{workload:<10}{zero:>9.2f} {ratios}")
    return "\n".join(lines)


def main() -> int:
    """Builds the workload, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--workloads", default=",".join([*COUNTS, "compile"]))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    subprocess.run(["cc", "-O2", "-o", HERE / "workload", HERE / "workload.c"], check=True)
    modes = [
        m for m in args.modes.split(",") if MODES[m][1] is None or shutil.which(MODES[m][1] or "")
    ]
    left_out = set(args.modes.split(",")) - set(modes)
    if left_out:
        print(f"not installed, left out: {', '.join(sorted(left_out))}", file=sys.stderr)
    found = measure(modes, args.workloads.split(","), args.rounds)
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

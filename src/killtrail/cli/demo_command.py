"""killtrail demo: a real kill, through two launchers that have exited by then."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from killtrail.cli import options, output, temporary_recorder
from killtrail.errors import KilltrailError
from killtrail.host import boot, procfs
from killtrail.inquiry import answers
from killtrail.model.causes import Cause
from killtrail.model.events import Provenance
from killtrail.model.process import Process
from killtrail.model.verdict import Verdict
from killtrail.model.wait_status import WaitStatus

_SCRIPTS: Final = {
    "nightly.sh": 'sh "$(dirname "$0")/rotate.sh" "$1" &\n',
    "rotate.sh": 'sh "$(dirname "$0")/stop-old.sh" "$1" &\n',
    "stop-old.sh": "sleep 0.15\nkill -9 $1\n",
}
_PATIENCE: Final = 5.0


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "demo",
        "Arms the recorder, lets a script kill a real process after the script's launchers exited,\n"
        "prints the verdict, and disarms (unless it was armed before).",
    )
    p.add_argument("--backend", choices=("bpf", "tracefs"), default="bpf")
    options.add_output(p)
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    with contextlib.ExitStack() as stack:
        refusal = temporary_recorder.arm(stack, args.backend)
        victim, wait_status = _kill_one(stack)
        verdicts = _ask(victim) if refusal is None else [_unwatched(victim, wait_status)]
        code = output.show(verdicts, args)
    if refusal is not None:
        sys.stderr.write(
            f"\nWithout the recorder only the wait status is known ({refusal}).\n"
            "As root it names the killer, its command line and both launchers:\n"
            "  sudo killtrail demo\n"
        )
    return code


def _kill_one(stack: contextlib.ExitStack) -> tuple[Process, int]:
    folder = Path(stack.enter_context(_scratch()))
    for name, text in _SCRIPTS.items():
        (folder / name).write_text(text, encoding="ascii")
    victim = subprocess.Popen(["sleep", "60"])  # noqa: S607
    process = procfs.read_process(victim.pid)
    subprocess.run(["sh", str(folder / "nightly.sh"), str(victim.pid)], check=True)  # noqa: S603, S607
    try:
        victim.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        victim.kill()
        victim.wait()
    if process is None:
        raise KilltrailError("the demo's process could not be read from /proc")
    return process, victim.returncode


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="killtrail-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(victim: Process) -> list[Verdict]:
    until = time.monotonic() + _PATIENCE
    while True:
        found = answers.of_process(victim.key)
        if found is not None or time.monotonic() > until:
            return [found] if found is not None else []


# An unprivileged parent knows its child's wait status, and no more.
def _unwatched(victim: Process, returncode: int) -> Verdict:
    killed = returncode < 0
    status = WaitStatus.of_signal(-returncode) if killed else WaitStatus.of_exit(returncode)
    origin = Provenance("waitpid", f"child of pid {os.getpid()}")
    verdict = answers.of_wait_status(victim, status, origin, boot.now_ns())
    if verdict.cause is not Cause.NOT_ESTABLISHED:
        raise KilltrailError("the demo's process was not killed")
    return verdict

"""killtrail demo: a real kill, through two launchers that are gone by then."""

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
from killtrail.inquiry import ask, open_sources, target
from killtrail.model.causes import Cause
from killtrail.model.process import Process
from killtrail.model.query import Filter
from killtrail.model.verdict import Verdict

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
        "Arms the recorder, lets a real process be killed by a script whose launchers are gone by\n"
        "then, prints the verdict, and disarms (unless it was armed before).",
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
            f"\nwithout the recorder only the wait status is known ({refusal}).\n"
            "as root it would name the killer, its command line and both launchers:\n"
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
        raise KilltrailError("the demo's victim could not be read from /proc")
    return process, victim.returncode


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="killtrail-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(victim: Process) -> list[Verdict]:
    fusion = open_sources.choose("0").fusions[0]
    wanted = target.parse(str(victim.pid))
    until = time.monotonic() + _PATIENCE
    while True:
        verdicts = ask.why(fusion, wanted, Filter(), this_host=False)
        mine = [v for v in verdicts if v.death.process.key.same_life(victim.key)]
        if mine or time.monotonic() > until:
            return mine
        fusion = open_sources.choose("0").fusions[0]


# What an unprivileged parent knows of its child's death: waitpid's status, and no more.
def _unwatched(victim: Process, returncode: int) -> Verdict:
    from killtrail.attribution.case import Case, Facts  # noqa: PLC0415
    from killtrail.attribution.engine import judge  # noqa: PLC0415
    from killtrail.model.events import Loss, ProcessExited, Provenance  # noqa: PLC0415
    from killtrail.model.wait_status import WaitStatus  # noqa: PLC0415

    killed = returncode < 0
    status = WaitStatus.of_signal(-returncode) if killed else WaitStatus.of_exit(returncode)
    end = ProcessExited(
        boot.now_ns(), Provenance("waitpid", f"pid {os.getpid()}'s child"), victim, status
    )
    verdict = judge(Case(Facts(victim, end), boot.this_host(), Loss(events=None), watched=False))
    if verdict.cause is not Cause.NOT_ESTABLISHED:
        raise KilltrailError("the demo's victim was not killed")
    return verdict

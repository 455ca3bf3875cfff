"""killtrail bait PID."""

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Final

from killtrail.cli import options, output, temporary_recorder
from killtrail.errors import NoSuchDeathError
from killtrail.host import procfs
from killtrail.inquiry import answers
from killtrail.observe import bait

if TYPE_CHECKING:
    from killtrail.model.process import Key
    from killtrail.model.verdict import Verdict

_EXAMPLES: Final = """  sudo killtrail bait 4242                       wait for a fatal signal to PID 4242
  sudo killtrail bait 4242 --name mysqld         under a name that the killer may check
  sudo killtrail bait 4242 --times 3 --json --timeout 1h
"""
_PATIENCE_S: Final = 5.0


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "bait",
        "Occupies a PID to catch what still signals it (stale PID files), then reports the sender.",
        _EXAMPLES,
    )
    p.add_argument("pid", metavar="PID", type=options.positive, help="the PID that is signalled")
    p.add_argument("--name", default="bait", help="the process's name (default: bait)")
    p.add_argument(
        "--times", type=options.positive, default=1, metavar="N", help="wait for N signals"
    )
    p.add_argument(
        "--timeout", type=options.duration, metavar="TIME", help="give up after 90s, 2h, ..."
    )
    p.add_argument("--backend", choices=("bpf", "tracefs"), default="bpf")
    options.add_output(p)
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    code = 0
    with contextlib.ExitStack() as stack:
        refusal = temporary_recorder.arm(stack, args.backend)
        if refusal is not None:
            raise refusal
        for _ in range(args.times):
            code = max(code, output.show([_one(args.pid, args.name, args.timeout)], args))
            sys.stdout.flush()
    return code


def _one(pid: int, name: str, timeout: float | None) -> "Verdict":
    laid = bait.lay(pid, name)
    try:
        process = procfs.read_process(pid)
        sys.stderr.write(f"waiting as PID {pid} ({name}) for a fatal signal; ^C stops waiting\n")
        if not laid.wait(timeout):
            raise NoSuchDeathError(f"PID {pid} was not killed within {timeout:g} s")
    finally:
        laid.withdraw()
    assert process is not None  # noqa: S101 -- it was ours and not reaped
    return _ask(process.key)


def _ask(key: "Key") -> "Verdict":
    until = time.monotonic() + _PATIENCE_S
    while True:
        found = answers.of_process(key)
        if found is not None:
            return found
        if time.monotonic() > until:
            raise NoSuchDeathError(f"the exit of PID {key.tgid} was not recorded")

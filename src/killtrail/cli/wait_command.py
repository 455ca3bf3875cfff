"""killtrail wait PID."""

import sys
from typing import Final

from killtrail.cli import options, output
from killtrail.inquiry import answers
from killtrail.model.events import Provenance
from killtrail.model.text import visible
from killtrail.model.verdict import Verdict
from killtrail.observe.wait import Ended, Life

_TIMED_OUT: Final = 124
_EXAMPLES: Final = """  killtrail wait 4242 && echo gone
  killtrail wait 4242 --timeout 90s           exits with 124 if it is still running then
  killtrail wait "$(cat /run/app.pid)" --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "wait",
        "Waits until a process has exited, by pidfd: a zombie or a reused PID can't fool it. Then\n"
        "explains the exit.",
        _EXAMPLES,
    )
    p.add_argument("pid", metavar="PID", type=options.positive)
    p.add_argument(
        "--timeout", type=options.duration, metavar="TIME", help="give up after 90s, 2h, ..."
    )
    options.add_output(p)
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    life = Life(args.pid)
    try:
        ended = life.wait(args.timeout)
    finally:
        life.close()
    if ended is None:
        name = visible(life.process.comm or "it")
        sys.stderr.write(f"killtrail: {name} (pid {args.pid}) is still running\n")
        return _TIMED_OUT
    if ended.held_by is not None:
        holder = f"{visible(ended.held_by.comm or '?')} (pid {ended.held_by.pid})"
        sys.stderr.write(
            f"pid {args.pid} is a zombie: it exited{' before' if ended.before else ''}, and {holder}"
            " has not reaped it; it only needs to be reaped\n"
        )
    output.show([_explained(ended)], args)
    return 0


def _explained(ended: Ended) -> Verdict:
    # A recorder, where one is armed, knows the sender as well.
    recorded = answers.of_process(ended.process.key)
    if recorded is not None:
        return recorded
    origin = Provenance("pidfd", f"pidfd of {ended.process.pid}")
    return answers.of_wait_status(ended.process, ended.status, origin, ended.time_ns)

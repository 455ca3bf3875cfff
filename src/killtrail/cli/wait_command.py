"""killtrail wait PID."""

import sys
from typing import Final

from killtrail.attribution.case import Case, Facts
from killtrail.attribution.engine import judge
from killtrail.cli import options, output
from killtrail.host import boot
from killtrail.inquiry import ask, open_sources, target
from killtrail.model.events import Loss, ProcessExited, Provenance
from killtrail.model.query import Filter
from killtrail.model.text import visible
from killtrail.model.verdict import Verdict
from killtrail.observe.wait import Ended, Life

_TIMED_OUT: Final = 124
_EXAMPLES: Final = """  killtrail wait 4242 && echo gone
  killtrail wait 4242 --timeout 90s           exit code 124 if it is still running
  killtrail wait "$(cat /run/app.pid)" --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "wait",
        "Waits for a process to exit, by pidfd: zombies and PID reuse can't fool it. Then "
        "explains\nthe exit.",
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
            f"PID {args.pid} is a zombie: it has {'already ' if ended.before else ''}exited, and "
            f"{holder}"
            " has not reaped it; it only needs to be reaped\n"
        )
    output.show([_recorded(ended) or _told(ended)], args)
    return 0


# An armed recorder knows the killer as well.
def _recorded(ended: Ended) -> Verdict | None:
    fusion = open_sources.choose().current()
    if fusion is None:
        return None
    wanted = target.parse(f"pid:{ended.process.pid}")
    found = ask.why(fusion, wanted, Filter(), this_host=False)
    mine = [v for v in found if v.death.process.key.same_life(ended.process.key)]
    return mine[-1] if mine else None


def _told(ended: Ended) -> Verdict:
    where = f"pidfd of {ended.process.pid}"
    end = ProcessExited(ended.time_ns, Provenance("pidfd", where), ended.process, ended.status)
    return judge(
        Case(Facts(ended.process, end), boot.this_host(), Loss(events=None), watched=False)
    )

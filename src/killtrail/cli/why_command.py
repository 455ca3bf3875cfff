"""killtrail why TARGET."""

import time
from typing import TYPE_CHECKING

from killtrail.cli import kept_answers, options, output
from killtrail.errors import NoSuchDeathError
from killtrail.host import boot
from killtrail.inquiry import ask, choose, target

if TYPE_CHECKING:
    from killtrail.model.verdict import Verdict

_EXAMPLES = """  killtrail why 4242
  killtrail why nginx.service --since yesterday
  killtrail why comm:postgres -n 1 --json
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser("why", "Why did it die: what, how, by whom, who started that.", _EXAMPLES)
    p.add_argument(
        "target",
        metavar="TARGET",
        help="a pid, a name (comm, exe, unit x.service), or pid: comm: exe: unit: container: NAME",
    )
    options.add_filters(p)
    options.add_from(p)
    options.add_output(p)
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    wanted = target.parse(args.target)
    if args.paths:
        return kept_answers.why(args, wanted)
    choice = choose.choose(args.boot)
    verdicts: list[Verdict] = []
    running = boot.boot_id()
    now = time.time_ns()
    options.narrow(args, boot.this_boot(), now)  # a bad time is bad with no boot to apply it to
    for fusion in choice.fusions:
        here = fusion.host.boot.boot_id == running
        narrow = options.narrow(args, fusion.host.boot, now)
        verdicts.extend(ask.why(fusion, wanted, narrow, this_host=here))
    if choice.current() is None and args.boot is None:
        verdicts.extend(ask.living(wanted, reused=bool(verdicts)))
    if not verdicts:
        choose.require(choice)
        raise NoSuchDeathError(
            f"no death of {args.target} is on record ({_coverage(choice)})",
            "killtrail list --all",
        )
    return output.show(verdicts[-args.n :] if args.n else verdicts, args)


def _coverage(choice: choose.Choice) -> str:
    from killtrail.report.when import moment  # noqa: PLC0415

    parts = []
    for fusion in choice.fusions:
        since = moment(fusion.complete_since(), fusion.host.boot)
        parts.append(f"{', '.join(fusion.ids)}: complete since {since}")
    return "; ".join(parts)

"""killtrail list."""

import sys
import time
from typing import TYPE_CHECKING

from killtrail.cli import kept_answers, options, output
from killtrail.host import boot
from killtrail.inquiry import ask, choose
from killtrail.model.clock import rfc3339

if TYPE_CHECKING:
    from killtrail.model.verdict import Verdict

_DEFAULT_MOST = 50
_EXAMPLES = """  killtrail list
  killtrail list --since '1 h ago' --json
  killtrail list --all -n 20        ordinary exits too
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "list",
        "Recent deaths: by signal, or after being asked to stop; many by one act on one line.",
        _EXAMPLES,
    )
    p.add_argument("--all", action="store_true", help="ordinary exits too")
    p.add_argument("--boots", action="store_true", help="the boots on record")
    options.add_filters(p)
    options.add_from(p)
    p.add_argument("--json", action="store_true", help="one killtrail.verdict/1 a line")
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    now = time.time_ns()
    options.narrow(args, boot.this_boot(), now)
    if args.paths:
        return kept_answers.deaths(args)
    choice = choose.choose(args.boot)
    choose.require(choice)
    if args.boots:
        return _boots(choice)
    args.n = args.n or _DEFAULT_MOST
    verdicts: list[Verdict] = []
    for fusion in choice.fusions:
        narrow = options.narrow(args, fusion.host.boot, now)
        each = ask.deaths if args.json else ask.acts
        verdicts.extend(each(fusion, narrow, ordinary=args.all))
    output.rows(verdicts[-args.n :], as_json=args.json)
    return 0


def _boots(choice: choose.Choice) -> int:
    for number, fusion in enumerate(choice.fusions, 1 - len(choice.fusions)):
        each = fusion.host.boot
        sys.stdout.write(
            f"{number:>4}  {each.boot_id}  up since {rfc3339(each.offset_ns or 0)}  {', '.join(fusion.ids)}\n"
        )
    return 0

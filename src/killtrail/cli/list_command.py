"""killtrail list."""

import sys
import time

from killtrail.cli import options
from killtrail.host import boot
from killtrail.inquiry import ask, choose
from killtrail.model.clock import rfc3339
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
    p.add_argument("--json", action="store_true", help="one killtrail.verdict/1 a line")
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    now = time.time_ns()
    options.narrow(args, boot.this_boot(), now)
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
    for verdict in verdicts[-args.n :]:
        sys.stdout.write(_line(verdict, as_json=args.json) + "\n")
    return 0


def _line(verdict: Verdict, *, as_json: bool) -> str:
    if as_json:
        from killtrail.report import json_lines  # noqa: PLC0415

        return json_lines.line(verdict)
    from killtrail.report import row  # noqa: PLC0415

    return row.line(verdict)


def _boots(choice: choose.Choice) -> int:
    for number, fusion in enumerate(choice.fusions, 1 - len(choice.fusions)):
        each = fusion.host.boot
        sys.stdout.write(
            f"{number:>4}  {each.boot_id}  up since {rfc3339(each.offset_ns or 0)}  {', '.join(fusion.ids)}\n"
        )
    return 0

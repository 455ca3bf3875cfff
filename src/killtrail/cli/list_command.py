"""killtrail list."""

import sys
from typing import TYPE_CHECKING

from killtrail.cli import options, output

if TYPE_CHECKING:
    from killtrail.inquiry.question import Question
    from killtrail.model.coverage import Unread

_DEFAULT_MOST = 50
_EXAMPLES = """  killtrail list
  killtrail list --since '1 h ago' --json
  killtrail list --all -n 20        ordinary exits too
  killtrail list --from logs/       deaths found in files
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "list",
        "Recent deaths: by signal, or after a request to stop. Victims of one act share a row.\n\n"
        "Columns are TIME (offset from UTC), SIG (signal or exit status), CERTAINTY, CAUSE, WHAT. On a\n"
        "terminal rows are cut to its width, and narrow ones leave out CAUSE, then CERTAINTY (which then\n"
        "precedes WHAT, unless established). Piped rows are whole and keep all columns. What is hidden\n"
        "is said on standard error.",
        _EXAMPLES,
    )
    p.add_argument("--all", action="store_true", help="ordinary exits too")
    p.add_argument("--boots", action="store_true", help="list the recorded boots")
    options.add_filters(p)
    options.add_from(p)
    p.add_argument("--json", action="store_true", help="one killtrail.verdict/1 a line")
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    from killtrail.inquiry import answers  # noqa: PLC0415

    if args.boots:
        return _boots()
    args.n = args.n or _DEFAULT_MOST
    with options.evidence(args.paths) as paths:
        question = options.question(args, (), paths, ordinary=args.all, each=args.json)
        found = answers.stream(question if args.json else _one_more(question))
        if args.json:
            output.json_lines(found)
        else:
            output.rows(found, args)
    return _incomplete(found.unread) if found.unread else 0


def _incomplete(unread: "Unread") -> int:
    from killtrail.errors import IncompleteError  # noqa: PLC0415
    from killtrail.model.text import visible  # noqa: PLC0415

    sys.stdout.flush()
    sys.stderr.write(f"killtrail: {visible(unread.says)}: deaths may be missing\n")
    return IncompleteError.exit_code


# One more than is shown, to know whether there is more.
def _one_more(question: "Question") -> "Question":
    from killtrail._slotted import replace  # noqa: PLC0415

    return replace(question, newest=(question.newest or 0) + 1)


def _boots() -> int:
    from killtrail.inquiry import open_sources  # noqa: PLC0415
    from killtrail.model.clock import rfc3339  # noqa: PLC0415

    opened = open_sources.of_host(logs=False)
    open_sources.require(opened)
    for number, merged in enumerate(opened.merged, 1 - len(opened.merged)):
        each = merged.host.boot
        since = rfc3339(each.offset_ns or 0)
        sys.stdout.write(
            f"{number:>4}  {each.boot_id}  up since {since}  {', '.join(merged.ids) or '-'}\n"
        )
    return 0

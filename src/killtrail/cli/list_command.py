"""killtrail list."""

import sys

from killtrail.cli import options, output

_DEFAULT_MOST = 50
_EXAMPLES = """  killtrail list
  killtrail list --since '1 h ago' --json
  killtrail list --all -n 20        ordinary exits too
  killtrail list --from logs/       the deaths that files know of
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "list",
        "Recent deaths: by signal, or after being asked to stop; victims of one call are grouped.",
        _EXAMPLES,
    )
    p.add_argument("--all", action="store_true", help="ordinary exits too")
    p.add_argument("--boots", action="store_true", help="the boots that are recorded")
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
        output.rows(answers.stream(question), args)
    return 0


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

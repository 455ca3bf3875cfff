"""killtrail list."""

import time

from killtrail.cli import options
from killtrail.host import boot

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
        from killtrail.cli import kept_answers  # noqa: PLC0415 -- each way imports much

        return kept_answers.deaths(args)
    from killtrail.cli import live_answers  # noqa: PLC0415

    return live_answers.deaths(args, _DEFAULT_MOST)

"""killtrail list."""

import time

from killtrail.cli import options
from killtrail.host import boot

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
    now = time.time_ns()
    options.narrow(args, boot.this_boot(), now)
    if args.paths:
        from killtrail.cli import kept_answers  # noqa: PLC0415 -- each way imports much

        return kept_answers.deaths(args)
    from killtrail.cli import live_answers  # noqa: PLC0415

    return live_answers.deaths(args, _DEFAULT_MOST)

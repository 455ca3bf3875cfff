"""killtrail why TARGET."""

import os

from killtrail.cli import options
from killtrail.inquiry import target

_EXAMPLES = """  killtrail why 4242
  killtrail why nginx.service --since yesterday
  killtrail why comm:postgres -n 1 --json
  killtrail why 4242 --from audit.log audit.log.1.gz      files of any host, no root
  killtrail why --stuck rabbitmqctl                       what does my stop script wait for
  killtrail why host --from /mnt/image                    why did the machine go down
  killtrail why /var/crash/vmcore                         the same, from its crash dump
  killtrail explain oom-killed                            what a cause means, what looks similar
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser("why", "Why did it die: what, how, by whom, who started that.", _EXAMPLES)
    p.add_argument(
        "target",
        metavar="TARGET",
        help="a PID, a name (comm, exe, unit x.service), pid: comm: exe: unit: container: NAME, or host",
    )
    p.add_argument(
        "--stuck",
        action="store_true",
        help="explain what a process that should have exited is waiting for",
    )
    options.add_filters(p)
    options.add_from(p)
    options.add_output(p)
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    wanted = target.parse(args.target)
    if args.stuck:
        from killtrail.cli import stuck_answer  # noqa: PLC0415

        return stuck_answer.why(args, wanted)
    if not args.paths and os.path.isfile(args.target):  # noqa: PTH113
        from killtrail.inquiry import vmcore  # noqa: PLC0415

        if vmcore.is_dump(args.target):
            from killtrail.cli import output  # noqa: PLC0415

            return output.show([vmcore.why(args.target)], args)
    if args.paths:
        from killtrail.cli import kept_answers  # noqa: PLC0415 -- each way imports much

        return kept_answers.why(args, wanted)
    from killtrail.cli import live_answers  # noqa: PLC0415

    return live_answers.why(args, wanted)

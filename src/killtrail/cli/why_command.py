"""killtrail why TARGET..."""

import argparse
import sys

from killtrail.cli import options, output
from killtrail.inquiry import target
from killtrail.model.target import Target

_EXAMPLES = """  killtrail why 4242
  killtrail why nginx.service --since yesterday
  killtrail why comm:postgres -n 1 --json
  killtrail why 4242 --from audit.log audit.log.1.gz      files of any host, no root
  ssh host cat /var/log/audit/audit.log | killtrail why 4242 --from -
  killtrail why --stuck rabbitmqctl                       what is my stop script waiting for
  killtrail why host --from /mnt/image                    why did the machine go down
  killtrail why /var/crash/vmcore                         the same, from its crash dump
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser("why", "Why did it die: what, how, by whom, who started that.", _EXAMPLES)
    p.add_argument(
        "targets",
        metavar="TARGET",
        nargs="+",
        help="a PID, a name (comm, exe, unit, app, container), pid: comm: exe: unit: container: NAME,"
        " host, or a crash dump",
    )
    p.add_argument(
        "--stuck",
        action="store_true",
        help="explain what a process that should have exited is waiting for",
    )
    p.add_argument("--all", action="store_true", help="each death in full, however many there are")
    options.add_filters(p)
    options.add_from(p)
    options.add_output(p)
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    dumps = [] if args.paths or args.stuck else [t for t in args.targets if target.is_dump(t)]
    wanted = [target.parse(t) for t in args.targets if t not in dumps]
    if args.stuck:
        from killtrail.cli import stuck_answer  # noqa: PLC0415

        return stuck_answer.why(args, wanted)
    codes = [_dump(path, args) for path in dumps]
    return max([*codes, _deaths(args, wanted)] if wanted else codes)


def _dump(path: str, args: argparse.Namespace) -> int:
    from killtrail.inquiry import vmcore  # noqa: PLC0415

    return output.show([vmcore.why(path)], args)


def _deaths(args: argparse.Namespace, wanted: list[Target]) -> int:
    from killtrail.cli import no_source  # noqa: PLC0415
    from killtrail.inquiry import answers  # noqa: PLC0415

    with options.evidence(args.paths) as paths:
        answer = answers.ask(options.question(args, tuple(wanted), paths))
    if args.paths:
        for reason in answer.unusable:
            sys.stderr.write(f"killtrail: {reason}\n")
    if not answer.verdicts:
        return no_source.show(answer, args)
    return output.answer(answer, args)

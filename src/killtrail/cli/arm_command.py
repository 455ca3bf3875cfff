"""killtrail arm."""

import sys

from killtrail.cli import options

_EXAMPLES = """  sudo killtrail arm
  sudo killtrail arm --argv off        do not record command lines
  sudo killtrail arm --backend tracefs
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "arm",
        "Start the flight recorder: it records every fatal signal with its sender and the sender's\n"
        "ancestors. No daemon runs: the kernel records, until 'killtrail disarm'.",
        _EXAMPLES,
    )
    p.add_argument("--backend", choices=("bpf", "tracefs"), default="bpf")
    p.add_argument(
        "--argv",
        choices=("redacted", "full", "off"),
        help="command lines: with passwords and tokens masked when read (default), in full, or not recorded",
    )
    p.add_argument(
        "--replace", action="store_true", help="replace an armed recorder (its records are lost)"
    )
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    if args.backend == "tracefs":
        return _tracefs(args.argv, replace=args.replace)
    from killtrail.recorder import arming  # noqa: PLC0415

    armed = arming.arm(args.argv, replace=args.replace)
    if armed.mounted:
        sys.stderr.write("mounted bpffs at /sys/fs/bpf\n")
    if not armed.symbols:
        sys.stderr.write(
            "kernel symbols are hidden: kills are classified by si_code only, with lower certainty\n"
            "  try: sudo sysctl kernel.kptr_restrict=1, then sudo killtrail arm --replace\n"
        )
    sys.stderr.write(
        "already armed\n" if armed.already else f"armed ({armed.swept} running processes noted)\n"
    )
    return 0


def _tracefs(argv: str, *, replace: bool) -> int:
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415

    armed = instance.arm(argv, replace=replace)
    sys.stderr.write("already armed (tracefs)\n" if armed.already else "armed (tracefs)\n")
    for limit in armed.limits:
        sys.stderr.write(f"  {limit}\n")
    return 0

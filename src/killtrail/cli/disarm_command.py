"""killtrail disarm."""

import sys

from killtrail.cli import options


def build() -> options.Parser:
    """The command's options."""
    return options.parser(
        "disarm", "Stop recording and discard its buffers; history on disk stays."
    )


def main(words: list[str]) -> int:
    """Runs the command."""
    build().parse_args(words)
    from killtrail.recorder import arming  # noqa: PLC0415
    from killtrail.recorder.tracefs import instance  # noqa: PLC0415

    gone = [arming.disarm(), instance.disarm()]
    sys.stderr.write("disarmed\n" if any(gone) else "nothing was armed\n")
    return 0

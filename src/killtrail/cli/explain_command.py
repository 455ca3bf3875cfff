"""killtrail explain WORD."""

from killtrail.cli import options
from killtrail.errors import UsageError
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism
from killtrail.model.trust import CheckId
from killtrail.report import text
from killtrail.report.page import Page
from killtrail.report.pages import explain

_EXAMPLES = """  killtrail explain 137
  killtrail explain SIGKILL
  killtrail explain killed-by-process
  killtrail explain tool-behaviour
"""


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "explain",
        "Exit statuses, signals, causes, mechanisms and checks in plain words.",
        _EXAMPLES,
    )
    p.add_argument(
        "word", nargs="?", metavar="WORD", help="default: list all causes, mechanisms and checks"
    )
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    text.show(explain.overview() if args.word is None else _about(args.word))
    return 0


def _about(word: str) -> Page:
    lowered = word.strip().lower()
    if lowered in set(Cause):
        return explain.cause(Cause(lowered))
    if lowered in set(CheckId):
        return explain.check(CheckId(lowered))
    if lowered.isdecimal():
        return _number(int(lowered))
    number = sg.number(lowered)
    if lowered in set(Mechanism) and not (number and lowered.startswith("sig")):
        return explain.mechanism(Mechanism(lowered))
    if number is not None:
        return explain.signal(number)
    raise UsageError(
        f"{word!r}: not an exit status, signal, cause, mechanism or check", "killtrail explain"
    )


def _number(number: int) -> Page:
    if number > explain.MOST:
        raise UsageError(f"{number} is not an exit status: the highest is {explain.MOST}")
    return explain.exit_status(number)

"""killtrail explain WORD."""

import sys
from collections.abc import Iterator
from typing import Final

from killtrail.cli import options
from killtrail.errors import UsageError
from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism
from killtrail.model.trust import CheckId
from killtrail.report.reference import causes, checks

_EXAMPLES = """  killtrail explain 137
  killtrail explain SIGKILL
  killtrail explain killed-by-process
  killtrail explain tool-behaviour
"""
_CODES: Final = {
    0: "success",
    1: "a general failure; every program has its own meaning",
    2: "mostly wrong usage",
    126: "from a shell: the program was found but could not be executed",
    127: "from a shell: the program was not found",
    128: "from a shell: the argument of exit was not a number",
    255: "out of range, or a remote shell that failed",
}


def build() -> options.Parser:
    """The command's options."""
    p = options.parser(
        "explain", "Exit codes, signals, causes, mechanisms and checks in plain words.", _EXAMPLES
    )
    p.add_argument(
        "word", nargs="?", metavar="WORD", help="default: list all causes, mechanisms and checks"
    )
    return p


def main(words: list[str]) -> int:
    """Runs the command."""
    args = build().parse_args(words)
    lines = list(_overview() if args.word is None else _about(args.word))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _overview() -> Iterator[str]:
    yield "causes"
    for cause, page in causes.CAUSES.items():
        yield f"  {cause:<24} {page.means}"
    yield ""
    yield "mechanisms"
    for mechanism, text in causes.MECHANISMS.items():
        yield f"  {mechanism:<24} {text}"
    yield ""
    yield "checks of trust"
    for check, about in checks.CHECKS.items():
        yield f"  {check:<24} {about.proves}"


def _about(word: str) -> Iterator[str]:
    lowered = word.strip().lower()
    if lowered in set(Cause):
        return _cause(Cause(lowered))
    if lowered in set(CheckId):
        return _check(CheckId(lowered))
    if lowered.isdecimal():
        return _number(int(lowered))
    number = sg.number(lowered)
    if lowered in set(Mechanism) and not (number and lowered.startswith("sig")):
        return iter((f"{lowered}: {causes.MECHANISMS[Mechanism(lowered)]}",))
    if number is not None:
        return iter(
            (causes.signal_text(number), f"A shell shows exit status {128 + number} for it.")
        )
    raise UsageError(
        f"{word!r} is not an exit code, signal, cause, mechanism or check", "killtrail explain"
    )


def _cause(cause: Cause) -> Iterator[str]:
    page = causes.CAUSES[cause]
    yield f"{cause}: {page.means}"
    yield f"  looks similar   {page.similar}"
    yield f"  what proves it  {page.proof}"
    yield f"  what to do      {page.do}"


def _check(check: CheckId) -> Iterator[str]:
    page = checks.CHECKS[check]
    yield f"{check}: {page.how}"
    yield f"  proves          {page.proves}"
    yield f"  can't say       {page.cannot}"
    yield f"  false alarms    {page.alarms}"


def _number(number: int) -> Iterator[str]:
    if number > 255:  # noqa: PLR2004 -- eight bits
        raise UsageError(f"{number}: not an exit code (0 to 255)")
    if number in _CODES:
        yield f"exit code {number}: {_CODES[number]}."
    elif number <= 128:  # noqa: PLR2004
        yield f"exit code {number}: what it means is up to the program."
    if 1 <= number <= sg.LAST:
        yield f"as a signal: {causes.signal_text(number)}"
    if 128 < number <= 128 + sg.LAST:  # noqa: PLR2004
        yield (
            f"status {number} as a shell shows it: either killed by {sg.name(number - 128)}, or "
            f"exit({number})."
        )
        yield f"  {causes.signal_text(number - 128)}"
        if number == 137:  # noqa: PLR2004
            yield (
                "  137 does not mean out of memory: any SIGKILL shows it, the OOM killer's is one of many."
            )
        yield "  'killtrail why PID' shows which it was, and who sent it."

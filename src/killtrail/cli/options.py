"""Option parsing that commands share."""

import argparse
import contextlib
import re
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from killtrail.errors import UsageError
from killtrail.model.clock import NS
from killtrail.model.query import Window
from killtrail.report.columns import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from killtrail.inquiry.question import Question
    from killtrail.model.target import Target

_UNITS: Final = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600,
    "d": 86400, "day": 86400, "w": 604800, "week": 604800,
}  # fmt: skip
_SPAN: Final = r"(\d+)\s*([a-z]+)"


class Parser(argparse.ArgumentParser):
    """argparse whose usage errors are ours: exit code 2, one line."""

    def error(self, message: str) -> NoReturn:
        """Raises instead of printing and exiting."""
        raise UsageError(message, f"{self.prog} --help")


class _Help(argparse.RawDescriptionHelpFormatter):
    """The width is passed in: argparse looks it up again at every option, through shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=columns() - 2)


def parser(command: str, description: str, examples: str = "") -> Parser:
    """A command's parser; the description's first line is its one-line help."""
    return Parser(
        prog=f"killtrail {command}",
        description=description,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=_Help,
    )


def add_filters(p: argparse.ArgumentParser) -> None:
    """-n, --since, --until, --boot, as journalctl has them."""
    p.add_argument("-n", type=positive, metavar="N", help="only the newest N")
    p.add_argument(
        "--since", metavar="WHEN", help="'1 h ago', 'today', '13:30', '2026-11-20 13:30', '@EPOCH'"
    )
    p.add_argument("--until", metavar="WHEN", help="as --since")
    p.add_argument(
        "--boot", metavar="ID|-N", help="one boot: its id, 0 (this one), -1 (the one before)"
    )


def add_from(p: argparse.ArgumentParser) -> None:
    """--from and --node: read files instead of this host."""
    p.add_argument(
        "--from",
        dest="paths",
        nargs="+",
        metavar="PATH",
        help="read files or folders (logs, traces, a copied root) instead of this host",
    )
    p.add_argument("--node", metavar="NAME", help="only this host, in logs from several")


def add_output(p: argparse.ArgumentParser) -> None:
    """--json and --evidence."""
    p.add_argument("--json", action="store_true", help="one killtrail.verdict/1 per line")
    p.add_argument(
        "--evidence", action="store_true", help="the raw records that each verdict cites"
    )


def width() -> int:
    """Columns to wrap at."""
    return min(columns(), 100)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def duration(text: str) -> int:
    """Seconds in `90s`, `1h 30min`, or a plain number of seconds."""
    seconds = int(text) if text.isdecimal() else _seconds(text.strip().lower())
    if not seconds:
        raise argparse.ArgumentTypeError(f"invalid duration {text!r} (90s, 2h, 1h 30min)")
    return seconds


def question(
    args: argparse.Namespace,
    targets: "tuple[Target, ...]",
    evidence: tuple[str, ...],
    *,
    ordinary: bool = False,
    each: bool = True,
) -> "Question":
    """The question that the options ask. Raises `UsageError` for an invalid time."""
    from killtrail.inquiry.question import Question  # noqa: PLC0415 -- other commands ask none

    now = time.time_ns()
    return Question(
        targets=targets,
        window=Window(
            None if args.since is None else parse_time(args.since, now),
            None if args.until is None else parse_time(args.until, now),
        ),
        newest=args.n,
        everything=bool(targets) and args.all,
        boot=args.boot,
        node=args.node,
        ordinary=ordinary,
        evidence=evidence,
        each=each,
    )


@contextlib.contextmanager
def evidence(paths: list[str] | None) -> "Iterator[tuple[str, ...]]":
    """The paths of --from; `-` is standard input, kept in an unnamed temporary file meanwhile."""
    if not paths or "-" not in paths:
        yield tuple(paths or ())
        return
    import shutil  # noqa: PLC0415 -- only for a pipe
    import sys  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    with tempfile.NamedTemporaryFile(prefix="killtrail-stdin-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield tuple(copy.name if path == "-" else path for path in paths)


def parse_time(text: str, now_wall_ns: int) -> int:
    """Nanoseconds since the epoch of a moment as people write it; local time without an offset."""
    words = text.strip().lower()
    now = datetime.fromtimestamp(now_wall_ns / NS).astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    known = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if words in known:
        return _ns(known[words])
    back = _ago(words)
    if back is not None:
        return now_wall_ns - back * NS
    if words.startswith("@") and words[1:].isdecimal():
        return int(words[1:]) * NS
    return _ns(_absolute(text, midnight))


def _ago(words: str) -> int | None:
    ago = words.endswith((" ago", "ago")) or words.startswith("-")
    if not ago:
        return None
    return _seconds(words.removesuffix("ago").lstrip("-").strip())


def _seconds(body: str) -> int | None:
    parts = re.findall(_SPAN, body)
    if not parts or re.sub(_SPAN, "", body).strip():
        return None
    seconds = 0
    for count, unit in parts:
        size = _UNITS.get(unit) or _UNITS.get(unit.rstrip("s"))
        if size is None:
            return None
        seconds += int(count) * size
    return seconds


def _absolute(text: str, midnight: datetime) -> datetime:
    forms: tuple[Callable[[], datetime], ...] = (
        lambda: datetime.fromisoformat(text.strip()),
        lambda: datetime.combine(
            midnight.date(), datetime.fromisoformat(f"2000-01-01 {text.strip()}").time()
        ),
    )
    for form in forms:
        try:
            return form().astimezone()
        except (ValueError, OverflowError, OSError):
            continue
    raise UsageError(f"invalid time {text!r}", "--since '1 h ago', --since '2026-11-20 13:30'")


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000

"""killtrail as functions: each asks what the command of its name asks, and gives the model's objects.

Import them from `killtrail` itself. None carries a sub-package's name, which an import would hide.
Moments are `datetime` (local time where it has no zone), seconds since the epoch, or text as `--since`
takes it. Errors are those of `killtrail.errors`.
"""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from killtrail.errors import IncompleteError, UnavailableError
from killtrail.model.autopsy import Autopsy
from killtrail.model.query import Window
from killtrail.model.trust import TrustReport
from killtrail.model.verdict import Verdict

if TYPE_CHECKING:
    from killtrail.inquiry.answers import Deaths
    from killtrail.inquiry.follow import DeathFollower
    from killtrail.inquiry.question import Answer, Question
    from killtrail.model.target import Target
    from killtrail.report.page import Page

Moment: TypeAlias = datetime | str | float
"""When: with or without a zone, as text (`1 h ago`, `2026-11-20 13:30`), or seconds since the epoch."""
Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""One file or folder, or several."""
_TICK_S: Final = 0.2


def why(
    target: int | str | Iterable[int | str],
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    evidence: Paths | None = None,
    newest: int | None = None,
) -> list[Verdict]:
    """Verdicts on the deaths of a target, oldest first, and on what runs under its name.

    `target`: a PID, or text as the command takes it (a name, a unit, `container:ID`, `host`, the path of a
    crash dump), or several. `evidence`: files and folders to ask instead of this host. `newest`: only so
    many, the last.

    The list is empty where sources could be asked and record no such death. Raises `UnavailableError` where
    none could be asked, `IncompleteError` where nothing was found and something could not be read,
    `UsageError` for a target, a time or a path that is none.
    """
    from killtrail.inquiry import answers  # noqa: PLC0415 -- each function imports what it needs
    from killtrail.inquiry import target as targets  # noqa: PLC0415

    words = [str(each) for each in ([target] if isinstance(target, int | str) else target)]
    paths = _paths(evidence)
    dumps = [] if paths else [word for word in words if targets.is_dump(word)]
    found = [_down(path) for path in dumps]
    wanted = tuple(targets.parse(word) for word in words if word not in dumps)
    if wanted:
        answer = answers.ask(_question(wanted, since, until, paths, newest))
        if not answer.verdicts and not found:
            _require_readable(answer, paths)
        found += answer.verdicts
    return found[-newest:] if newest else found


def deaths(
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    evidence: Paths | None = None,
    newest: int | None = None,
    ordinary: bool = False,
) -> Iterator[Verdict]:
    """Verdicts on all deaths by signal, or after a request to stop, oldest first.

    Memory stays flat, however many there are. `ordinary`: exits of other kinds, too. The first one that is
    taken raises as `why` does.
    """
    from killtrail.inquiry import answers  # noqa: PLC0415

    question = _question((), since, until, _paths(evidence), newest, ordinary=ordinary)
    return _turned(answers.stream(question))


def watch(
    target: int | str | None = None, *, ordinary: bool = False, idle: float | None = None
) -> Iterator[Verdict]:
    """Verdicts on deaths as they happen, without an end: those that come after the call.

    `ordinary`: exits without a signal and without a request, too. `idle`: stops after so many seconds
    without a death. Raises `UnavailableError` where no recorder is armed or it may not be read.
    """
    from killtrail.inquiry import target as targets  # noqa: PLC0415
    from killtrail.inquiry.follow import DeathFollower  # noqa: PLC0415

    wanted = targets.parse(str(target)) if target is not None else None
    return _followed(DeathFollower(ordinary=ordinary), wanted, idle)


def check_host(
    *,
    deep: bool = False,
    execute: bool = True,
    root: str | os.PathLike[str] = "/",
    reference: Paths = (),
    yara: Paths = (),
) -> TrustReport:
    """Whether this host's own tools, libc and kernel can be believed; see `killtrail trust`.

    `deep`: all packaged files and all PIDs. `execute=False`: inspect files only. `root`: another system's
    files, of which nothing is executed. `reference`: packages to compare with. `yara`: files of rules.
    """
    from killtrail.trust import examine  # noqa: PLC0415
    from killtrail.trust.root import Root  # noqa: PLC0415

    tree = Root(os.fspath(root))
    return examine.examine(
        examine.Scope(tree, deep, may_run=execute, reference=_paths(reference), yara=_paths(yara))
    )


def read_dump(
    path: str | os.PathLike[str], *, vmlinuz: str | os.PathLike[str] | None = None
) -> Autopsy:
    """Why a machine went down, from its crash dump alone; see `killtrail autopsy`.

    `vmlinuz`: the kernel's own image, to compare tables with. The dump is read in a process of its own.
    """
    from killtrail.autopsy import sandboxed  # noqa: PLC0415

    return sandboxed.examine(os.fspath(path), None if vmlinuz is None else os.fspath(vmlinuz))


def page(found: Verdict | TrustReport | Autopsy) -> "Page":
    """What the command prints of it, as structure: `page(verdict).text(width=100)`."""
    from killtrail.report.pages import autopsy, trust, verdict  # noqa: PLC0415

    if isinstance(found, TrustReport):
        return trust.trust_page(found)
    if isinstance(found, Autopsy):
        return autopsy.autopsy_page(found)
    return verdict.verdict_page(found)


def _down(path: str) -> Verdict:
    from killtrail.inquiry import vmcore  # noqa: PLC0415

    return vmcore.why(path)


def _paths(given: Paths | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str | os.PathLike):
        return (os.fspath(given),)
    return tuple(os.fspath(each) for each in given)


def _wall_ns(moment: Moment | None) -> int | None:
    from killtrail.inquiry import times  # noqa: PLC0415
    from killtrail.model.clock import NS  # noqa: PLC0415

    if moment is None:
        return None
    if isinstance(moment, datetime):
        return times.wall_ns(moment)
    if isinstance(moment, str):
        return times.parse_time(moment, time.time_ns())
    # Whole seconds by themselves: a float of today is good for microseconds.
    whole = int(moment // 1)
    return whole * NS + round((moment - whole) * 1_000_000) * 1000


def _question(
    targets: "tuple[Target, ...]",
    since: Moment | None,
    until: Moment | None,
    evidence: tuple[str, ...],
    newest: int | None,
    *,
    ordinary: bool = False,
) -> "Question":
    from killtrail.inquiry.question import Question  # noqa: PLC0415

    return Question(
        targets=targets,
        window=Window(_wall_ns(since), _wall_ns(until)),
        newest=newest,
        everything=True,
        ordinary=ordinary,
        evidence=evidence,
    )


def _require_readable(answer: "Answer", paths: tuple[str, ...]) -> None:
    if not paths and not answer.covered:
        raise UnavailableError(
            "no recorder was running here (" + "; ".join(answer.unusable) + ")", answer.remedy
        )
    if answer.coverage.unread:
        raise IncompleteError(f"no such death, but {answer.coverage.unread.says}")


# Sources give the newest first. Verdicts wait in an unnamed file, as there may be very many.
def _turned(newest_first: "Deaths") -> Iterator[Verdict]:
    import pickle  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryFile(prefix="killtrail-deaths-") as spool:
        starts: list[int] = []
        for verdict in newest_first:
            starts.append(spool.tell())
            pickle.dump(verdict, spool, pickle.HIGHEST_PROTOCOL)
        if not starts and newest_first.unread:
            raise IncompleteError(f"no death, but {newest_first.unread.says}")
        for start in reversed(starts):
            spool.seek(start)
            yield pickle.load(spool)  # noqa: S301 -- what was written above, in a file without a name


def _followed(
    follower: "DeathFollower", wanted: "Target | None", idle: float | None
) -> Iterator[Verdict]:
    last = time.monotonic()
    while idle is None or time.monotonic() - last < idle:
        for verdict in follower.new():
            if wanted is None or wanted.matches(verdict.death.process):
                last = time.monotonic()
                yield verdict
        time.sleep(_TICK_S)

"""What a tool's strace shows: a clean tool executes one program, itself.

In 2016 a trojan took the place of ps: a 32-bit program that ran the moved original through a shell and
always exited 0. `ps -p` of an exited process never failed any more, so a stop script waited
forever. The strace shows the second exec, the child's status, its own status, and the change of
mode.
"""

import re
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, field, replace
from killtrail.files.opened import Piece
from killtrail.model.events import ProcessExited, ProcessSeen
from killtrail.model.process import Process
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.model.wait_status import WaitStatus
from killtrail.sources.logs import strace
from killtrail.trust import delegation

_MODE: Final = re.compile(rb"\[ Process PID=(\d+) runs in (32|64) bit mode")


@dataclass(slots=True)
class _Run:
    """One process of the trace: the programs it executed, its exit, the modes it ran in."""

    pid: int
    execs: list[tuple[Process, str]] = field(default_factory=list)
    status: WaitStatus | None = None
    ended_at: str = ""
    modes: set[int] = field(default_factory=set)


def checks(piece: Piece) -> tuple[Check, ...]:
    """What the strace of one tool shows."""
    runs = _runs(piece)
    first = next((run for run in runs.values() if run.execs), None)
    if first is None:
        return (
            Check(
                CheckId.TOOL_EXECUTES, piece.path, Result.NOT_CHECKABLE, piece.name,
                "no execve() of the tool itself is in it: it was attached too late, or is cut off",
            ),
        )  # fmt: skip
    others = [run for run in runs.values() if run is not first]
    return tuple(replace(check, layer=Layer.TOOLS) for check in _judged(first, others))


def _runs(piece: Piece) -> dict[int, _Run]:
    runs: dict[int, _Run] = {}
    for event in strace.parse(piece):
        if isinstance(event, ProcessSeen):
            run = runs.setdefault(event.process.pid, _Run(event.process.pid))
            run.execs.append((event.process, event.origin.where))
        elif isinstance(event, ProcessExited):
            run = runs.setdefault(event.process.pid, _Run(event.process.pid))
            run.status, run.ended_at = event.status, event.origin.where
    for _, line in piece.lines():
        if match := _MODE.match(line):
            runs.setdefault(int(match[1]), _Run(int(match[1]))).modes.add(int(match[2]))
    return runs


def _judged(tool: _Run, others: list[_Run]) -> Iterator[Check]:
    program, place = tool.execs[0]
    subject = visible(program.exe or program.comm or "?")
    more = [(run, process, where) for run in others for process, where in run.execs]
    more += [(tool, process, where) for process, where in tool.execs[1:]]
    if not more:
        yield Check(
            CheckId.TOOL_EXECUTES, subject, Result.CONSISTENT, place,
            "it executed one program: itself",
        )  # fmt: skip
        return
    run, process, where = next((m for m in more if _hidden(m[1], subject)), more[0])
    real = _hidden(process, subject)
    words = visible(" ".join(process.argv.words) if process.argv else process.exe or "?")
    yield Check(
        CheckId.TOOL_EXECUTES, subject, Result.CONTRADICTED, where,
        f"it executed another program: {words}",
        moved_to=visible(real) if real else None,
    )  # fmt: skip
    yield from _status(tool, run, subject, real)
    yield from _shape(tool, run, subject)


def _hidden(process: Process, tool: str) -> str | None:
    words = process.argv.words if process.argv else ()
    return delegation.behind(tool, process.exe, words)


def _status(tool: _Run, run: _Run, subject: str, real: str | None) -> Iterator[Check]:
    if run is tool or run.status is None or tool.status is None:
        yield Check(
            CheckId.TOOL_BEHAVIOUR, subject, Result.NOT_CHECKABLE, "", "an exit status is not in it"
        )
        return
    says, said = _code(tool.status), _code(run.status)
    by = f"{tool.ended_at}, {run.ended_at}"
    if says == said:
        yield Check(
            CheckId.TOOL_BEHAVIOUR, subject, Result.CONSISTENT, by,
            f"its exit status is that of the program it runs ({said})",
        )  # fmt: skip
        return
    yield Check(
        CheckId.TOOL_BEHAVIOUR, subject, Result.CONTRADICTED, by,
        f"{visible(real or 'the program that it runs')} exited with {said}, it says {says}",
        _follows(tool, subject, says),
    )  # fmt: skip


def _code(status: WaitStatus) -> str:
    return f"signal {status.signal}" if status.signal else str(status.exit_code)


def _follows(tool: _Run, subject: str, says: str) -> str:
    program = tool.execs[0][0]
    return delegation.follows(subject, program.argv.words if program.argv else (), says)


def _shape(tool: _Run, run: _Run, subject: str) -> Iterator[Check]:
    if tool.modes == {32} and run.modes == {64}:
        yield Check(
            CheckId.ELF_SHAPE, subject, Result.CONTRADICTED, "mode changes of the trace",
            "it is a 32-bit program and runs a 64-bit one of its own name; a distribution ships its tools"
            " for one mode",
        )  # fmt: skip

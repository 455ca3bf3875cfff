"""What tools answer to known questions, and what they execute to do so."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from killtrail._slotted import dataclass, replace
from killtrail.host import procfs
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.trust import delegation, sandbox
from killtrail.trust.probes import QUESTIONS, Question
from killtrail.trust.root import Root

_NAME: Final = "kt-known-alive"
_NOBODY: Final = "kt-not-there"
_MISSING: Final = "/nonexistent/killtrail"
_PORT: Final = 47_913
_PR_SET_DUMPABLE, _PR_SET_NAME = 4, 15


@dataclass(frozen=True, slots=True)
class Known:
    """What is certain: a process that is alive, a PID that no process can have."""

    live: int
    dead: int
    port: int | None
    """A port that something listens on in a tool's own network; None where it gets none."""

    def fill(self, text: str) -> str:
        """A question's words with these values filled in."""
        return text.format(
            live=self.live, dead=self.dead, port=self.port, name=_NAME, nobody=_NOBODY, missing=_MISSING
        )  # fmt: skip


@contextmanager
def known() -> Iterator[Known | None]:
    """Starts a process that tools in the sandbox can certainly see, and kills it afterwards.

    None if that is not possible here, or if there is no /proc for tools to read.
    """
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        _idle(tell)
    os.close(tell)
    try:
        # No tool runs before it has its name and its user.
        with os.fdopen(ready, "rb") as file:
            alive = file.read(1) == b"1"
        seen = alive and procfs.read_stat(pid) is not None
        port = _PORT if sandbox.own_network() else None
        yield Known(pid, _no_process(), port) if seen else None
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _idle(tell: int) -> None:
    try:
        sandbox.become_nobody()
        # Under hidepid a process that gave up root is hidden from all, even from its own user
        # (proc(5)).
        sandbox.prctl(_PR_SET_DUMPABLE, 1)
        sandbox.prctl(_PR_SET_NAME, _NAME.encode())
        os.write(tell, b"1")
        os.close(tell)
        while True:
            signal.pause()
    finally:
        os._exit(1)


# The kernel assigns PIDs below pid_max only (kernel/pid.c, alloc_pid()).
def _no_process() -> int:
    raw = procfs.read_bytes(procfs.PROC / "sys/kernel/pid_max", 32)
    return int(raw) if raw and raw.strip().isdigit() else 1 << 22


def checks(root: Root, facts: Known) -> Iterator[Check]:
    """Behaviour and executed programs of every tool that is there, in every folder where it is."""
    for name, questions in QUESTIONS.items():
        for folder in root.searched():
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK) and os.path.isfile(path):  # noqa: PTH113
                yield from _tool(path, questions, facts)


def of_tool(path: str) -> list[Check]:
    """The same for one tool, by its path; nothing for one to which no answers are known."""
    questions = QUESTIONS.get(path.rsplit("/", 1)[-1])
    if questions is None or not os.access(path, os.X_OK):
        return []
    with known() as facts:
        return [] if facts is None else list(_tool(path, questions, facts))


def _tool(path: str, questions: tuple[Question, ...], facts: Known) -> Iterator[Check]:
    asked = [q for q in questions if facts.port or "{port}" not in q.about]
    runs = [(q, _run(path, q, facts)) for q in asked]
    done = [(q, ran) for q, ran in runs if ran is not None]
    if not done:
        why = "it could not be run as user nobody, or ptrace is refused here"
        yield _check(CheckId.TOOL_BEHAVIOUR, path, Result.NOT_CHECKABLE, "", why)
        return
    found = [check for q, ran in done if (check := _judged(path, q, ran, facts))]
    if not found:
        yield _check(
            CheckId.TOOL_BEHAVIOUR, path, Result.CONSISTENT, f"{len(done)} known answers",
            "gave the known answers",
        )  # fmt: skip
    yield from found
    yield _executes(path, done, facts)


def _run(path: str, question: Question, facts: Known) -> sandbox.Ran | None:
    words = tuple(facts.fill(word) for word in question.words)
    return sandbox.run(path, words, given=question.given, listener=facts.port or 0)


def _judged(path: str, question: Question, ran: sandbox.Ran, facts: Known) -> Check | None:
    call = _call(path, question, facts)
    about = facts.fill(question.about)
    if ran.status is None:
        says = f"it had not exited after {sandbox.LIMIT_S:.0f} s when asked about {about}"
        return _check(CheckId.TOOL_BEHAVIOUR, path, Result.NOT_CHECKABLE, call, says)
    if question.shows is None:
        if ran.status:
            return None
        return replace(
            _check(
                CheckId.TOOL_BEHAVIOUR, path, Result.CONTRADICTED, call,
                f"it exited with 0 for {about}{_truth(ran)}",
            ),
            consequence=delegation.follows(path, question.words, "0", of_life=question.of_life),
        )  # fmt: skip
    return _shown(path, question, ran, call, facts)


def _call(path: str, question: Question, facts: Known) -> str:
    return visible(" ".join((path, *(facts.fill(word) for word in question.words))))


# A tool that says why it can't answer is not false: other implementations have other options.
def _shown(
    path: str, question: Question, ran: sandbox.Ran, call: str, facts: Known
) -> Check | None:
    wanted, about = facts.fill(question.shows or ""), facts.fill(question.about)
    if ran.status == 0 and (not wanted or wanted in ran.words):
        return None
    if ran.status and ran.errors:
        said = visible(ran.errors.decode("utf-8", "replace").strip().split("\n")[0][:120])
        return _check(CheckId.TOOL_BEHAVIOUR, path, Result.NOT_CHECKABLE, call, f"it says: {said}")
    says = f"it does not show {about}" if wanted else f"it exited with {ran.status} for {about}"
    check = _check(CheckId.TOOL_BEHAVIOUR, path, Result.CONTRADICTED, call, says)
    return replace(check, consequence=f"what {path} does not show may still exist")


# The child's own status stands beside the tool's: 1 and 0 in 2016.
def _truth(ran: sandbox.Ran) -> str:
    inner = [e.pid for e in ran.execs if e.pid != ran.leader]
    status = ran.statuses.get(inner[-1]) if inner else None
    if status is None:
        return ""
    code = os.waitstatus_to_exitcode(status)
    return f"; the program that it runs exited with {code}" if code else ""


def _executes(path: str, done: list[tuple[Question, sandbox.Ran]], facts: Known) -> Check:
    for question, ran in done:
        more = ran.execs[1:]
        moved = next((m for e in more if (m := delegation.behind(path, e.exe, e.argv))), None)
        if not more or (moved is None and sandbox.script(path)):
            continue
        shown = more[0]
        call = _call(path, question, facts)
        says = f"it executes another program: {visible(' '.join(shown.argv) or shown.exe)}"
        check = _check(CheckId.TOOL_EXECUTES, path, Result.CONTRADICTED, call, says)
        return replace(check, moved_to=visible(moved) if moved else None)
    if sandbox.script(path):
        says = "it is a script: which programs it runs says nothing"
        return _check(CheckId.TOOL_EXECUTES, path, Result.NOT_CHECKABLE, "its first line", says)
    return _check(
        CheckId.TOOL_EXECUTES, path, Result.CONSISTENT, f"{len(done)} traced runs",
        "executed one program: itself",
    )  # fmt: skip


def _check(id_: CheckId, subject: str, result: Result, by: str, says: str) -> Check:
    return Check(id_, subject, result, by, says, layer=Layer.TOOLS)

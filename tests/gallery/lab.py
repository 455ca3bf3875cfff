"""Makes real deaths and knows the truth about each."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    # nohup and shells' background jobs hand these down ignored: then some deaths can't happen.
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

ACTIONS = Path(__file__).with_name("actions")
PYTHON = "/usr/bin/python3"
ACTING = ("sender", "requester", "trigger", "policy-owner")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one death.

    `actors`: pid -> roles in which it may be named; `must`: the actor without whom the answer is
    only half (None: there is none to name). `launchers`: pids that may be called launchers, on top
    of the test run's own ancestors; `argv`: words that must stand in some launcher's command line.
    """

    victim: int
    causes: tuple[str, ...]
    must: int | None = None
    actors: dict[int, tuple[str, ...]] = field(default_factory=dict)
    subject: str | None = None
    launchers: frozenset[int] = frozenset()
    argv: tuple[str, ...] = ()
    mechanism: str | None = None
    origin: str | None = None
    victims: int = 1


class NotHere(Exception):
    """This machine can't make that death; the reason."""


class Lab:
    """Processes of one death; all of them are gone when it closes."""

    def __init__(
        self,
        watch: Callable[[int], object] | None = None,
        outside: Callable[[str], object] | None = None,
    ) -> None:
        self._watch, self._outside = watch, outside
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kt-lab-")))
        self.folder.chmod(0o777)
        self.spawned: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    actions = ACTIONS

    def start(
        self, *argv: str, prefix: tuple[str, ...] = (), **kw: object
    ) -> subprocess.Popen[str]:
        """Any program, with its output on a pipe unless told otherwise."""
        usual = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
        process = subprocess.Popen([*prefix, *argv], **{**usual, **kw})
        self.spawned.append(process.pid)
        self._stack.callback(self._end, process)
        return process

    def action(
        self, *words: object, prefix: tuple[str, ...] = (), **kw: object
    ) -> subprocess.Popen[str]:
        """One of the actions, running."""
        return self.start(PYTHON, "-S", str(ACTIONS), *map(str, words), prefix=prefix, **kw)

    def victim(self, *words: object, **kw: object) -> subprocess.Popen[str]:
        """An action that has said it is set; `sleep`-like without words."""
        process = self.action(*(words or ("wait",)), **kw)
        self.facts(process, 1)
        return process

    def facts(
        self, process: subprocess.Popen[str], lines: int, until: str | None = None
    ) -> dict[str, int]:
        """`word number` lines that an action has said."""
        found: dict[str, int] = {}
        for _ in range(lines):
            words = process.stdout.readline().split()
            if not words:
                break
            if words[0] == "skip":
                raise NotHere(" ".join(words[1:]))
            found[words[0]] = int(words[1]) if len(words) > 1 else 0
            if self._watch and words[0] in ("ready", "victim") and found[words[0]]:
                self._watch(found[words[0]])
            if words[0] == until:
                break
        return found

    def run(self, *words: object, **kw: object) -> int:
        """Runs an action to its end; gives its pid."""
        process = self.action(*words, **kw)
        process.wait(20)
        return process.pid

    def ask_outside(self, wish: str) -> None:
        """Something that only the keeper of an emulated machine can do."""
        if self._outside is None:
            raise NotHere("no keeper outside this machine")
        self._outside(wish)

    def shell(self, script: str, shell: str = "sh") -> subprocess.Popen[str]:
        """A shell with a script; never a lone command, so that it stays a process of its own."""
        return self.start(shell, "-c", script + "\n:")

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def sent_by(victim: int, sender: int, **more: object) -> Truth:
    """The plain case: one process sent it."""
    kw = {"causes": ("killed-by-process",), "must": sender, "actors": {sender: ("sender",)}}
    return Truth(victim, **{**kw, **more})


def own_ancestors() -> frozenset[int]:
    """The test run and what started it."""
    found, pid = set(), os.getpid()
    while pid:
        found.add(pid)
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rsplit(")", 1)[1].split()[1])
    return frozenset(found)


def score(truth: Truth, verdict: dict, ancestors: frozenset[int]) -> tuple[str, str]:
    """(right | partly | silent | misnamed, why)."""
    wrong = _misnamed(truth, verdict, ancestors)
    if wrong:
        return "misnamed", wrong
    if verdict["cause"] == "not-established":
        return "silent", verdict["summary"]
    if verdict["cause"] not in truth.causes:
        return "silent", f"cause {verdict['cause']}, true {truth.causes}"
    lacking = _lacking(truth, verdict)
    return ("partly", lacking) if lacking else ("right", verdict["summary"])


def _lacking(truth: Truth, verdict: dict) -> str | None:
    checks = (_lacks_actor, _lacks_subject, _lacks_way, _lacks_company, _lacks_words)
    return next((found for check in checks if (found := check(truth, verdict))), None)


def _sure(verdict: dict) -> list[dict]:
    return [x for x in verdict["links"] if x["certainty"] in ("established", "likely")]


def _lacks_actor(truth: Truth, verdict: dict) -> str | None:
    named = any(
        link["process"]
        and link["process"]["pid"] == truth.must
        and link["role"] in truth.actors[truth.must]
        for link in _sure(verdict)
    )
    if truth.must is None or named:
        return None
    return f"actor {truth.must} not named: {verdict['summary']}"


def _lacks_subject(truth: Truth, verdict: dict) -> str | None:
    kinds = [link["subject"]["kind"] for link in _sure(verdict) if link["subject"]]
    return f"no {truth.subject} named" if truth.subject and truth.subject not in kinds else None


def _lacks_way(truth: Truth, verdict: dict) -> str | None:
    if truth.mechanism and verdict["mechanism"] != truth.mechanism:
        return f"mechanism {verdict['mechanism']}, true {truth.mechanism}"
    if truth.origin and (verdict["origin"] or {}).get("kind") != truth.origin:
        return f"origin {verdict['origin']}, true {truth.origin}"
    return None


def _lacks_company(truth: Truth, verdict: dict) -> str | None:
    struck = (verdict["incident"] or {"victims": 1})["victims"]
    return f"{struck} victims told, true {truth.victims}" if struck < truth.victims else None


def _lacks_words(truth: Truth, verdict: dict) -> str | None:
    lines = [" ".join(a["argv"] or ()) for a in verdict["ancestry"]]
    for words in truth.argv:
        if not any(words in line for line in lines):
            return f"no launcher's argv has {words!r}: {lines}"
    return None


def _misnamed(truth: Truth, verdict: dict, ancestors: frozenset[int]) -> str | None:
    for link in verdict["links"]:
        process = link["process"]
        if process is None or link["certainty"] not in ("established", "likely"):
            continue
        pid, role = process["pid"], link["role"]
        if role in ACTING and role not in truth.actors.get(pid, ()):
            return f"pid {pid} ({process['comm']}) named as {role} by mistake"
        if role == "launcher" and pid not in truth.launchers | ancestors | set(truth.actors):
            return f"pid {pid} ({process['comm']}) named as launcher by mistake"
    return None


def exists(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(check, seconds: float = 5.0):
    """Polls until `check()` gives something true; gives that."""
    until = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < until:
        time.sleep(0.02)
    return found


if __name__ == "__main__":
    sys.exit("a library")

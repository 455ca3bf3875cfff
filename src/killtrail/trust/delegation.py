"""Which program a tool hands its work over to: a clean one executes exactly one program, itself."""

from collections.abc import Sequence
from typing import Final

SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "busybox", "ksh", "zsh"})
ASKS_FOR_LIFE: Final = frozenset({"ps", "pgrep", "pidof", "kill", "killall", "lsof", "top"})


def behind(tool: str, exe: str | None, argv: Sequence[str]) -> str | None:
    """The path of another program of the tool's own name in what was executed, None where there is none.

    `sh -c "/usr/bin/dpkgd/ps -p 1234"`, or the moved original itself.
    """
    name = tool.rsplit("/", 1)[-1]
    words = list(argv)
    shell = words and words[0].rsplit("/", 1)[-1] in SHELLS
    if shell and len(words) > 2 and words[1] == "-c":  # noqa: PLR2004 -- sh -c TEXT
        words = words[2].split()
    candidates = [words[0] if words else "", exe or ""]
    found = next((c for c in candidates if "/" in c and c.rsplit("/", 1)[-1] == name), None)
    return found if found and found != tool else None


def follows(tool: str, words: Sequence[str], status: str, *, of_life: bool = True) -> str:
    """What it means for scripts that a tool returned a wrong status.

    `of_life`: it was asked whether a process is alive.
    """
    name = tool.rsplit("/", 1)[-1]
    if of_life and name in ASKS_FOR_LIFE and status == "0":
        asked = " -p" if name == "ps" and "-p" in words else ""
        return (
            f"{tool} cannot say whether a process is dead: every script that waits for "
            f"`{name}{asked}` to fail waits for ever"
        )
    return f"no script can rely on the exit status of {tool}"

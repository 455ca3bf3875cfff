"""Programs that ask a service manager to stop, restart or remove something, and the verbs they do it with.

The one table for logs; the recorder's (`asks_a_manager`, bpf/tasks.h) is the same, and a test compares
them. A name counts by its first eight bytes, a verb by its first four, as the recorder sees them.
"""

from typing import Final

ALONE: Final = frozenset({"reboot", "halt", "poweroff", "shutdown", "telinit"})
"""Started at all they ask for something."""
CLIENTS: Final = frozenset(
    {
        "systemct", "loginctl", "machinec", "service", "docker", "podman", "nerdctl", "crictl",
        "ctr", "kubectl", "runc", "crun", "virsh",
    }
)  # fmt: skip
"""These do so with a verb."""
VERBS: Final = frozenset(
    {
        "stop", "kill", "rest", "isol", "try-", "relo", "term", "down", "dele", "drai", "rebo",
        "powe", "halt", "remo", "free", "cond", "exit",
    }
)  # fmt: skip
REMOVES: Final = "rm"
"""A verb only with an option behind it (`docker rm -f`): without one it leaves running things alone."""
NAME_MOST: Final = 8
_VERB_MOST: Final = 4


def asks(comm: str | None, words: tuple[str, ...]) -> bool:
    """Whether a program of that name and command line asks a manager to end something."""
    name = (comm or "")[:NAME_MOST]
    if name in ALONE:
        return True
    if name not in CLIENTS:
        return False
    behind = (*words[2:], "")
    return any(
        word[:_VERB_MOST] in VERBS or (word == REMOVES and after.startswith("-"))
        for word, after in zip(words[1:], behind, strict=False)
    )

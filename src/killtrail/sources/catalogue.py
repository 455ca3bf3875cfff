"""Every kind of evidence, by the module that declares its `DESCRIPTOR`: a new one adds its line here."""

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from killtrail.sources.base import Descriptor

HERE: Final = (
    "killtrail.sources.bpf",
    "killtrail.sources.tracefs",
    "killtrail.sources.history",
)
"""What can be asked on this host, in the order in which it is trusted."""
FORMATS: Final = (
    "killtrail.sources.logs.audit.log",
    "killtrail.sources.logs.rawtrace",
    "killtrail.sources.logs.lastlog",
    "killtrail.sources.logs.ftrace",
    "killtrail.sources.logs.ausearch",
    "killtrail.sources.logs.wtmp",
    "killtrail.sources.logs.journal",
    "killtrail.sources.logs.sigmon",
    "killtrail.sources.logs.killsnoop",
    "killtrail.sources.logs.strace",
    "killtrail.sources.logs.shell_messages",
    "killtrail.sources.logs.kernlog",
)
"""What files are looked at for: the first that claims a file has it. A format is imported when asked."""


def here() -> Iterator[Descriptor]:
    """Sources of this host."""
    return map(load, HERE)


def formats() -> Iterator[Descriptor]:
    """Formats of files, imported one by one as they are asked for."""
    return map(load, FORMATS)


def everything() -> Iterator[Descriptor]:
    """All of them."""
    return map(load, (*HERE, *FORMATS))


def load(module: str) -> Descriptor:
    """The descriptor that a module declares."""
    found: Descriptor = import_module(module).DESCRIPTOR
    return found

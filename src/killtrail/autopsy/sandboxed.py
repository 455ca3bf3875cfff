"""The autopsy in a child with limits: a dump is untrusted, and native code reads it.

The result is JSON, from which our own types are built again: no code of the child runs here.
"""

import json
import os
import resource
import signal
import sys
from typing import Final

from killtrail.errors import KilltrailError, UnavailableError, UsageError
from killtrail.model import codec
from killtrail.model.autopsy import Autopsy

_MEMORY: Final = 4 << 30
_SECONDS: Final = 300
_ANSWER_MOST: Final = 64 << 20
_ERRORS: Final = {"UnavailableError": UnavailableError, "UsageError": UsageError}


def examine(path: str, vmlinuz: str | None = None) -> Autopsy:
    """The autopsy. Raises `UnavailableError` if the file is not a dump or the reader crashes."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(path, vmlinuz, write)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        raw = file.read(_ANSWER_MOST)
    status = os.waitpid(child, 0)[1]
    return _answer(path, raw, status)


def _child(path: str, vmlinuz: str | None, write: int) -> None:
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # libkdumpfile talks to people on its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(write, "wb") as file:
            file.write(_work(path, vmlinuz))
        code = 0
    finally:
        os._exit(code)


def _work(path: str, vmlinuz: str | None) -> bytes:
    from killtrail.autopsy.examine import examine as whole  # noqa: PLC0415 -- in the child alone

    try:
        found = {"found": codec.to_plain(whole(path, vmlinuz))}
    except KilltrailError as error:
        found = {"error": [type(error).__name__, str(error), error.remedy]}
    except MemoryError:
        found = {
            "error": [
                "UnavailableError",
                f"{path}: reading it takes more than 4 GiB of memory",
                None,
            ]
        }
    return json.dumps(found).encode("utf-8", "backslashreplace")


def _answer(path: str, raw: bytes, status: int) -> Autopsy:
    try:
        data = json.loads(raw)
        if "error" in data:
            kind, text, remedy = data["error"]
            raise _ERRORS.get(kind, UnavailableError)(text, remedy)
        found: Autopsy = codec.from_plain(Autopsy, data["found"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(f"{path}: {_end(status)}: the dump reader crashed") from error
    return found


def _end(status: int) -> str:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"{name}, CPU limit of {_SECONDS} s" if name == "SIGXCPU" else name
    return f"exit {os.waitstatus_to_exitcode(status)}"

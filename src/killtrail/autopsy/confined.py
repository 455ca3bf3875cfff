"""The autopsy in a child with limits: a dump is a stranger's, and native code reads it.

What comes back is JSON, built into our own types anew: nothing of the child is executed here.
"""

import json
import os
import resource
import signal
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from killtrail.errors import KilltrailError, UnavailableError, UsageError
from killtrail.model.autopsy import Autopsy

_MEMORY: Final = 4 << 30
_SECONDS: Final = 300
_ANSWER_MOST: Final = 64 << 20
_ERRORS: Final = {"UnavailableError": UnavailableError, "UsageError": UsageError}


def examine(path: str, vmlinuz: str | None = None) -> Autopsy:
    """The autopsy. Raises `UnavailableError` for what is no dump, or breaks the reader."""
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
        found = {"found": _plain(whole(path, vmlinuz))}
    except KilltrailError as error:
        found = {"error": [type(error).__name__, str(error), error.remedy]}
    except MemoryError:
        found = {"error": ["UnavailableError", f"{path}: it takes more than 4 GiB to read", None]}
    return json.dumps(found).encode("utf-8", "backslashreplace")


def _answer(path: str, raw: bytes, status: int) -> Autopsy:
    try:
        data = json.loads(raw)
        if "error" in data:
            kind, text, remedy = data["error"]
            raise _ERRORS.get(kind, UnavailableError)(text, remedy)
        found: Autopsy = _built(Autopsy, data["found"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(f"{path}: {_end(status)}: the dump broke its reader") from error
    return found


def _end(status: int) -> str:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"{name}, after {_SECONDS} s of work at most" if name == "SIGXCPU" else name
    return f"exit {os.waitstatus_to_exitcode(status)}"


def _plain(value: Any) -> Any:  # noqa: ANN401 -- a walk over any field
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _built(hint: Any, data: Any) -> Any:  # noqa: ANN401
    if data is None:
        return None
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _built(next(a for a in get_args(hint) if a is not type(None)), data)
    if origin is tuple:
        return tuple(_built(get_args(hint)[0], item) for item in data)
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return hint(**{f.name: _built(hints[f.name], data[f.name]) for f in fields(hint)})
    return _value(hint, data)


def _value(hint: Any, data: Any) -> Any:  # noqa: ANN401
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if hint is float and isinstance(data, int):
        return float(data)
    if not isinstance(data, hint):
        raise TypeError(f"{hint.__name__} wanted")
    return data

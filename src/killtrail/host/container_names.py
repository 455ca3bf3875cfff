"""Ids of containers by name, from the state that runtimes keep on disk.

Docker: /var/lib/docker/containers/ID/config.v2.json, `Name`. Podman and CRI-O (containers/storage):
overlay-containers/containers.json, `names`. Only root may read most of them.
"""

import glob
import json
from collections.abc import Iterator
from typing import Final

_DOCKER: Final = "/var/lib/docker/containers/*/config.v2.json"
_STORAGE: Final = (
    "/var/lib/containers/storage/*-containers/containers.json",
    "/home/*/.local/share/containers/storage/*-containers/containers.json",
)
_FILES_MOST: Final = 4096
_BYTES_MOST: Final = 4 << 20


def ids(name: str) -> tuple[str, ...]:
    """Ids of the containers of that name; empty where there is none, or it may not be read."""
    wanted = name.lstrip("/")
    return tuple(number for number, names in _all() if wanted in names)


def _all() -> Iterator[tuple[str, tuple[str, ...]]]:
    for path in glob.glob(_DOCKER)[:_FILES_MOST]:  # noqa: PTH207 -- pathlib costs more to import
        data = _read(path)
        if isinstance(data, dict):
            yield str(data.get("ID", "")), (str(data.get("Name", "")).lstrip("/"),)
    for pattern in _STORAGE:
        for path in glob.glob(pattern):  # noqa: PTH207
            data = _read(path)
            for each in data if isinstance(data, list) else ():
                if isinstance(each, dict) and isinstance(each.get("names"), list):
                    yield str(each.get("id", "")), tuple(map(str, each["names"]))


def _read(path: str) -> object:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return json.loads(file.read(_BYTES_MOST))
    except (OSError, ValueError, RecursionError):
        return None

"""A tree of files under examination: this host's own, a mounted image, a chroot.

Links are followed inside it, never out of it, as the kernel does below a chroot. Files are opened
without waiting (a FIFO, a device or a socket can't block us) and read in pieces.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass  # noqa: TID251 -- cached properties need a __dict__
from functools import cached_property
from typing import Final

_LINKS_MOST: Final = 40
_CHUNK: Final = 1 << 20
_SEARCHED: Final = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")


@dataclass(frozen=True)
class Root:
    """The folder that is `/` to what is examined. Paths given to it are absolute, as seen inside."""

    top: str = "/"

    @cached_property
    def is_host(self) -> bool:
        """Whether it is the running system's own root."""
        return os.path.realpath(self.top) == "/"

    def outside(self, path: str) -> str:
        """The path here of a path there, links not followed."""
        return path if self.is_host else os.path.join(self.top, path.lstrip("/"))  # noqa: PTH118

    @cached_property
    def _folders(self) -> dict[str, str]:
        return {}

    def resolve(self, path: str) -> str:
        """The path with all links followed, inside; of a circle of links, the path itself."""
        done, rest, links = "", path.strip("/").split("/"), 0
        while rest:
            name = rest.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                continue
            try:
                target = os.readlink(self.outside(f"{done}/{name}"))  # noqa: PTH115
            except OSError:
                done = f"{done}/{name}"
                continue
            links += 1
            if links > _LINKS_MOST:
                return path
            if target.startswith("/"):
                done = ""
            rest = [*target.split("/"), *rest]
        return done or "/"

    def settle(self, path: str) -> str:
        """The path with the links of its *folder* followed: `/bin/ps` is `/usr/bin/ps` on merged systems."""
        folder, _, name = path.rpartition("/")
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self.resolve(folder or "/")
        return f"{known.rstrip('/')}/{name}"

    def open(self, path: str) -> int | None:
        """A regular file for reading, links followed inside; None where it is none, or unreadable."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
        try:
            fd = os.open(self.outside(self.resolve(path)), flags)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        return fd

    def read(self, path: str, most: int) -> bytes | None:
        """At most `most` bytes of a file; None where it can't be read."""
        fd = self.open(path)
        if fd is None:
            return None
        with os.fdopen(fd, "rb") as file:
            try:
                return file.read(most)
            except OSError:
                return None

    def lines(self, path: str, longest: int = 1 << 16) -> Iterator[bytes]:
        """Lines of a file up to this length, without newlines."""
        fd = self.open(path)
        if fd is None:
            return
        with os.fdopen(fd, "rb") as file:
            try:
                while line := file.readline(longest):
                    yield line.rstrip(b"\n")
            except OSError:
                return

    def stat(self, path: str) -> os.stat_result | None:
        """What the path names, a final link not followed; None if it does not exist."""
        try:
            return os.lstat(self.outside(self.settle(path)))
        except (OSError, ValueError):
            return None

    def names(self, folder: str) -> list[str]:
        """Names in a folder; none where it can't be read."""
        try:
            return sorted(os.listdir(self.outside(self.resolve(folder))))  # noqa: PTH208
        except (OSError, ValueError):
            return []

    def searched(self) -> list[str]:
        """The folders where commands are looked for, each once though one may link to another."""
        found = dict.fromkeys(self.resolve("/" + name) for name in _SEARCHED)
        return [folder for folder in found if os.path.isdir(self.outside(folder))]  # noqa: PTH112

    def digest(self, path: str, algorithm: str) -> str | None:
        """A file's digest in hex; None where it can't be read."""
        fd = self.open(path)
        if fd is None:
            return None
        state = hashlib.new(algorithm, usedforsecurity=False)
        with os.fdopen(fd, "rb", buffering=0) as file:
            try:
                while block := file.read(_CHUNK):
                    state.update(block)
            except OSError:
                return None
        return state.hexdigest()

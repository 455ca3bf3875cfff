"""Programs against what their packages should hold: digests, displaced originals, ELF shape.

Verdicts are on executables only: on a healthy machine a thousand packaged files differ (a package
manager that updated itself, certificate bundles) and no packaged executable does. The rest is counted.
"""

import os
import stat
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.host import elf
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.trust.packages.index import Index, Owned
from killtrail.trust.root import Root

_LIBRARIES: Final = ("ld-linux", "ld-musl", "ld64.so", "libc.so", "libc-2", "ld-2")
_DEEPEST: Final = 3
_TOGETHER: Final = 512
"""Files that are hashed at one time."""
_ENTRIES_MOST: Final = 200_000
_WIDTHS: Final = {
    "amd64": ("x86-64", 64), "x86_64": ("x86-64", 64), "i386": ("i386", 32), "i686": ("i386", 32),
    "arm64": ("aarch64", 64), "aarch64": ("aarch64", 64),
}  # fmt: skip


@dataclass(slots=True)
class Files:
    """The examination of one tree's programs: what is off so far, and what was counted."""

    root: Root
    index: Index
    deep: bool = False
    off: dict[str, Owned] = field(default_factory=dict)
    """Programs that are not what their package has."""
    compared: int = 0
    missing: int = 0
    others: int = 0
    """Changed files that are not executables."""
    _folders: list[str] = field(default_factory=list)

    def checks(self, suspects: set[str]) -> list[Check]:
        """Digests, then displaced originals, then the shape of what either named.

        `suspects`: programs that other checks contradict.
        """
        self._folders = self.root.searched()
        found = list(self._digests())
        displaced = list(self._displaced(suspects | set(self.off)))
        found += displaced
        named = suspects | set(self.off) | {c.subject for c in displaced}
        found += self._shapes(named, {c.subject: c.moved_to for c in displaced})
        return found

    def _digests(self) -> Iterator[Check]:
        for path, owned, digest in self._hashed():
            if digest is None:
                self.missing += 1
                continue
            self.compared += 1
            if digest == owned.digest:
                continue
            if owned.config or not self._runs(path):
                self.others += 1
                continue
            self.off[path] = owned
            yield Check(
                CheckId.PACKAGE_DIGEST, visible(path), Result.CONTRADICTED,
                f"the {self.index.kind} database, package {visible(owned.package)}",
                f"its {owned.algorithm} digest is {digest}, its package has {visible(str(owned.digest))}",
                layer=Layer.LIBC if _library(path) else Layer.TOOLS,
            )  # fmt: skip
        yield self._summary()

    # hashlib releases the interpreter's lock; the number of running tasks is bounded.
    def _hashed(self) -> Iterator[tuple[str, Owned, str | None]]:
        wanted = [(path, owned) for path, owned in self._wanted() if owned.digest is not None]
        if not self.deep:
            yield from ((p, o, self.root.digest(p, o.algorithm)) for p, o in wanted)
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 -- --deep alone

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for first in range(0, len(wanted), _TOGETHER):
                some = wanted[first : first + _TOGETHER]
                digests = pool.map(lambda each: self.root.digest(each[0], each[1].algorithm), some)
                yield from ((p, o, d) for (p, o), d in zip(some, digests, strict=True))

    def _wanted(self) -> Iterator[tuple[str, Owned]]:
        if self.deep:
            yield from sorted(self.index.files.items())
            return
        yield from self.index.below(self._folders)
        yield from ((p, o) for p, o in self.index.files.items() if _library(p))

    def _summary(self) -> Check:
        what = "files" if self.deep else "programs in the search path, the loader and libc"
        parts = [f"{self.compared} {what} compared"]
        if self.missing:
            parts.append(f"{self.missing} missing or not readable")
        if self.others:
            parts.append(f"{self.others} changed files are not executables (not judged)")
        if self.index.problems:
            parts.append(f"{len(self.index.problems)} broken entries in the database")
        result = Result.CONSISTENT if self.compared else Result.NOT_CHECKABLE
        return Check(
            CheckId.PACKAGE_DIGEST, "other packaged files", result,
            f"the {self.index.kind} database, which root could have changed as well",
            "; ".join(parts), layer=Layer.TOOLS,
        )  # fmt: skip

    # Elsewhere than in the search path only compiled programs and libraries are judged: package
    # managers of languages renew their own scripts in place.
    def _runs(self, path: str) -> bool:
        return path.rpartition("/")[0] in self._folders or self._elf(path) is not None

    # Below the system's program folders distributions install no file without a package.
    def _displaced(self, suspects: set[str]) -> Iterator[Check]:
        names = {path.rpartition("/")[2]: path for path, _ in self.index.below(self._folders)}
        digests = {(o.algorithm, o.digest): path for path, o in self.off.items()}
        for path, own_place in self._unowned():
            packaged = names.get(path.rpartition("/")[2])
            twin = self._twin(path, digests)
            if twin is None and (packaged is None or not (own_place or packaged in suspects)):
                continue
            tool = twin or packaged or path
            how = "has the digest that its package has" if twin else "has its name"
            yield Check(
                CheckId.DISPLACED, visible(tool), Result.CONTRADICTED, visible(path),
                f"a program that no package owns {how}: the original may have been moved there",
                moved_to=visible(path), layer=Layer.TOOLS,
            )  # fmt: skip

    def _twin(self, path: str, digests: dict[tuple[str, str | None], str]) -> str | None:
        for algorithm in {algorithm for algorithm, _ in digests}:
            found = digests.get((algorithm, self.root.digest(path, algorithm)))
            if found is not None:
                return found
        return None

    def _unowned(self) -> Iterator[tuple[str, bool]]:
        left = _ENTRIES_MOST
        system = [f for f in self._folders if not f.startswith("/usr/local")]
        for folder in self._folders:
            for path in self._programs(folder, _DEEPEST):
                left -= 1
                if left < 0:
                    return
                if path not in self.index.files:
                    inside = path.rpartition("/")[0]
                    below = any(inside.startswith(f + "/") for f in system)
                    yield path, below and not self._known_folder(inside)

    # /usr/bin/core_perl and its like are their packages' own.
    def _known_folder(self, folder: str) -> bool:
        start = folder + "/"
        return any(path.startswith(start) for path in self.index.files)

    def _programs(self, folder: str, depth: int) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(self.root.outside(folder)), key=lambda e: e.name)
        except OSError:
            return
        for entry in entries:
            path = f"{folder}/{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    if depth > 1:
                        yield from self._programs(path, depth - 1)
                elif entry.is_file(follow_symlinks=False) and entry.stat(
                    follow_symlinks=False
                ).st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
                    yield path
            except OSError:
                continue

    def _shapes(self, named: set[str], moved: dict[str, str | None]) -> Iterator[Check]:
        for path in sorted(named):
            owned = self.index.files.get(path)
            own = self._elf(path)
            if owned is None or own is None or path.rpartition("/")[0] not in self._folders:
                continue
            says = self._unlike(own, owned, self._elf(moved.get(path) or ""))
            if says:
                yield Check(
                    CheckId.ELF_SHAPE, visible(path), Result.CONTRADICTED,
                    f"its ELF header, package {visible(owned.package)}", says, layer=Layer.TOOLS,
                )  # fmt: skip

    def _unlike(self, own: elf.Elf, owned: Owned, original: elf.Elf | None) -> str | None:
        wanted = [_WIDTHS[a] for a in self.index.architectures(owned.package) if a in _WIDTHS]
        if wanted and (own.machine, own.bits) not in wanted:
            return f"it is {own}; its package is for {wanted[0][1]}-bit {wanted[0][0]}"
        if original is not None and own.static and not original.static:
            return f"it is {own}; the program of the same name is {original}"
        return None

    def _elf(self, path: str) -> elf.Elf | None:
        fd = self.root.open(path) if path else None
        if fd is None:
            return None
        try:
            return elf.read(fd)
        finally:
            os.close(fd)


def _library(path: str) -> bool:
    return path.rpartition("/")[2].startswith(_LIBRARIES)

"""Files and the packages that they came in."""

import re
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass, field
from killtrail.model.events import ParseProblem

PROGRAMS: Final = (
    rb"(?:usr/)?(?:(?:local/)?s?bin/(?:[^/\n]+/){0,2}[^/\n]+"
    rb"|(?:local/)?lib(?:32|64|x32)?/(?:[^/\n]+/)?[^/\n]+\.so[^/\n]*)"
)
"""Paths, without their first slash, of what is started by name or loaded into it."""
IS_PROGRAM: Final = re.compile(b"/" + PROGRAMS)


@dataclass(frozen=True, slots=True)
class Owned:
    """A file as its package has it."""

    package: str
    digest: str | None
    """In hex; None where the database has none."""
    algorithm: str = "md5"
    config: bool = False


@dataclass(slots=True)
class Index:
    """One package database, by path (links of folders followed)."""

    kind: str
    files: dict[str, Owned] = field(default_factory=dict)
    packages: dict[str, set[str]] = field(default_factory=dict)
    """Name -> the architectures for which it is installed."""
    problems: list[ParseProblem] = field(default_factory=list)

    def installed(self, package: str, architecture: str) -> None:
        """Enters a package."""
        self.packages.setdefault(package, set()).add(architecture)

    def architectures(self, package: str) -> set[str]:
        """For which machines it is installed; none where that is not known."""
        return self.packages.get(package, set())

    def below(self, folders: list[str]) -> Iterator[tuple[str, Owned]]:
        """Files directly in these folders."""
        wanted = set(folders)
        for path, owned in self.files.items():
            if path.rpartition("/")[0] in wanted:
                yield path, owned

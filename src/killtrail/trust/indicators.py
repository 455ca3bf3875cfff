"""Whether what was seen before in known families is here, owned by no package."""

import os
from collections.abc import Iterable, Iterator
from typing import Final

from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Result
from killtrail.trust import packages
from killtrail.trust.malware_families import FAMILIES, Family
from killtrail.trust.packages.index import Index
from killtrail.trust.root import Root

_CHUNK: Final = 1 << 20
_READ_MOST: Final = 256 << 20
_OVERLAP: Final = 64


def checks(root: Root, index: Index | None, suspects: Iterable[str]) -> Iterator[Check]:
    """Paths in the tree, and strings in programs that other checks contradict."""
    found = [*_paths(root, index), *_strings(root, suspects)]
    yield from found
    if not found:
        count = sum(len(family.paths) for family in FAMILIES)
        yield Check(
            CheckId.KNOWN_PATH, "known paths", Result.CONSISTENT, "published accounts",
            f"none of {count} paths that were seen before in {len(FAMILIES)} families is here",
        )  # fmt: skip


def _paths(root: Root, index: Index | None) -> Iterator[Check]:
    there = {p: family for family in FAMILIES for p in family.paths if root.stat(p) is not None}
    nobody_s = there.keys() - packages.owners(root, index, set(there)).keys()
    for family in FAMILIES:
        mine = [visible(p) for p in family.paths if p in nobody_s]
        if mine:
            verb = "was" if len(mine) == 1 else "were"
            says = f"no package owns {', '.join(mine)}, which {verb} seen before in {family.name}"
            yield _check(mine[0].rpartition("/")[0] if len(mine) > 1 else mine[0], family, says)


def _strings(root: Root, suspects: Iterable[str]) -> Iterator[Check]:
    for path in sorted(set(suspects)):
        held = _held(root, path)
        for family in FAMILIES:
            mine = [s for s in family.strings if s in held]
            if mine:
                words = ", ".join(s.decode("ascii") for s in mine)
                says = f"it holds {words}, which was seen before in {family.name}"
                yield _check(path, family, says)


def _held(root: Root, path: str) -> set[bytes]:
    wanted = {s for family in FAMILIES for s in family.strings}
    found: set[bytes] = set()
    fd = root.open(path)
    if fd is None:
        return found
    with os.fdopen(fd, "rb", buffering=0) as file:
        before, read = b"", 0
        while read < _READ_MOST and (block := file.read(_CHUNK)):
            read += len(block)
            text = before + block
            found |= {s for s in wanted - found if s in text}
            before = block[-_OVERLAP:]
    return found


def _check(path: str, family: Family, says: str) -> Check:
    by = f"{family.source}, entered {family.date}"
    return Check(CheckId.KNOWN_PATH, visible(path), Result.CONTRADICTED, by, says)

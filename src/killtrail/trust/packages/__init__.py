"""What a distribution says its files should be: dpkg's and rpm's databases, read without their tools."""

from killtrail.trust.packages import dpkg, rpm
from killtrail.trust.packages.index import Index
from killtrail.trust.root import Root


def index(root: Root, *, everything: bool = False) -> Index | None:
    """The package database of a tree; None where it has none that can be read.

    Of programs and libraries alone, or of everything.
    """
    return dpkg.read(root, everything=everything) or rpm.read(root, everything=everything)


def owners(root: Root, found: Index | None, paths: set[str]) -> dict[str, str]:
    """Which packages own these files; programs by the index, others by all lists."""
    if found is None or not paths:
        return {}
    known = {p: o.package for p in paths if (o := found.files.get(root.settle(p)))}
    rest = paths - known.keys()
    if rest:
        known |= (dpkg if found.kind == dpkg.ID else rpm).owner(root, rest)
    return known

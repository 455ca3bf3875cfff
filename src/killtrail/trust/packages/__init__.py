"""What a distribution says its files should be: dpkg's and rpm's databases, read without their tools."""

from killtrail.trust.packages import dpkg, rpm
from killtrail.trust.packages.index import Index
from killtrail.trust.root import Root


def index(root: Root, *, everything: bool = False) -> Index | None:
    """The package database of a tree; None where it has none that can be read.

    Of programs and libraries alone, or of everything.
    """
    return dpkg.read(root, everything=everything) or rpm.read(root, everything=everything)

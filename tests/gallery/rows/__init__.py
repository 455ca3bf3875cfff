"""The deaths, by their numbers in the matrix of ways to die; a letter marks a variant."""

from tests.gallery.rows import ends, faults, launching, machine, mechanisms, own, sent, terminals
from tests.gallery.rows.recipes import GUEST_ROWS, ROWS

__all__ = [
    "GUEST_ROWS",
    "ROWS",
    "ends",
    "faults",
    "launching",
    "machine",
    "mechanisms",
    "own",
    "sent",
    "terminals",
]

"""The signatures of package headers in rpm's database: they cover the digests of all files.

What was signed is the header as it came in the package, its immutable region: the index entries and data
before everything that the installation added (rpm, lib/header.c; tags 62, 63 and 268).
"""

import sqlite3
import struct
from collections.abc import Iterator
from typing import Final

from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Layer, Result
from killtrail.trust import openpgp
from killtrail.trust.packages import rpm
from killtrail.trust.root import Root

_MAGIC: Final = bytes.fromhex("8eade80100000000")
_IMMUTABLE, _RSA_HEADER, _NAME = 63, 268, 1000
_ENTRY: Final = struct.Struct(">IIiI")
_SHOWN: Final = 5


def checks(root: Root, ring: list[openpgp.Key], whose: str) -> Iterator[Check]:
    """One check for all signed headers, one for each with a bad signature."""
    signed, unsigned, broken = 0, 0, 0
    by: set[str] = set()
    try:
        for where, blob in rpm.blobs(root):
            found = _found(blob, ring)
            if found is None:
                unsigned += 1
            elif found[1]:
                signed += 1
                by.add(found[1])
            else:
                broken += 1
                says = f"the signature of package {visible(found[0])} does not hold for its header"
                yield _check(Result.CONTRADICTED, f"package {visible(found[0])}", where, says)
    except (sqlite3.Error, OSError) as error:
        yield _check(Result.NOT_CHECKABLE, "package headers", "rpm's database", str(error))
        return
    rest = f"; {unsigned} are not signed, or by none of these keys" if unsigned else ""
    keys = ", ".join(sorted(by)[:_SHOWN])
    if signed:
        says = f"{signed} package headers are signed by key {keys} of {whose}{rest}"
        yield _check(Result.CONSISTENT, "package headers", "rpm's database", says)
    elif not broken:
        yield _check(
            Result.NOT_CHECKABLE, "package headers", "rpm's database",
            f"no header is signed by a key of {whose}",
        )  # fmt: skip


# (name, key id; None where the signature does not hold); nothing where no key of the ring is its issuer.
def _found(blob: bytes, ring: list[openpgp.Key]) -> tuple[str, str | None] | None:
    try:
        head = rpm.header(blob)
        kind, at, count = head.entries.get(_RSA_HEADER, (0, 0, 0))
        packet = head.data[at : at + count]
        content = _immutable(blob)
        if not packet or kind == 0 or content is None or openpgp.issuer(packet) not in {k.id for k in ring}:  # fmt: skip
            return None
        name = next(iter(head.strings(_NAME)), "?")
    except (ValueError, IndexError, struct.error):
        return None
    return name, openpgp.signer(content, packet, ring)


def _immutable(blob: bytes) -> bytes | None:
    count, size = struct.unpack_from(">II", blob)
    start = 8 + count * _ENTRY.size
    tag, _, at, _ = _ENTRY.unpack_from(blob, 8)
    if tag != _IMMUTABLE or at < 0 or at + _ENTRY.size > size:
        return None
    # The region's own trailer says, as a negative offset, how many entries belong to it.
    _, _, back, _ = _ENTRY.unpack_from(blob, start + at)
    entries, length = -back // _ENTRY.size, at + _ENTRY.size
    if not 0 < entries <= count:
        return None
    head = struct.pack(">II", entries, length)
    return _MAGIC + head + blob[8 : 8 + entries * _ENTRY.size] + blob[start : start + length]


def _check(result: Result, subject: str, by: str, says: str) -> Check:
    return Check(CheckId.SIGNED_CHAIN, subject, result, by, says, layer=Layer.TOOLS)

"""Signatures (RFC 9580), as far as distributions' lists and package headers need: RSA with SHA-2.

The host's own gpg is not used: it is one of the programs in question. Every key in the keyring is
trusted: the user who chose the keyring answers for subkeys.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass

_BEGIN: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = b"-----BEGIN PGP SIGNATURE-----"
_ARMOUR: Final = b"-----BEGIN PGP"
_SIGNATURE_TAG, _KEY_TAGS = 2, (6, 14)
_RSA: Final = (1, 3)
_BINARY, _TEXT = 0, 1
_ISSUER, _ISSUER_FINGERPRINT = 16, 33
# DigestInfo of RFC 8017, 9.2: hash algorithm of RFC 9580, 9.5 -> name, prefix.
_HASHES: Final = {
    8: ("sha256", bytes.fromhex("3031300d060960864801650304020105000420")),
    9: ("sha384", bytes.fromhex("3041300d060960864801650304020205000430")),
    10: ("sha512", bytes.fromhex("3051300d060960864801650304020305000440")),
}


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA public key."""

    id: str
    modulus: int
    exponent: int


@dataclass(frozen=True, slots=True)
class _Signed:
    issuer: str | None
    hash: int
    kind: int
    covered: bytes
    value: int


def keys(raw: bytes) -> list[Key]:
    """The RSA keys of a keyring, binary or armoured; keys of other kinds are left out."""
    found = []
    for tag, body in _packets(_plain(raw)):
        if tag in _KEY_TAGS and len(body) > 6 and body[0] == 4 and body[5] in _RSA:  # noqa: PLR2004
            modulus, at = _number(body, 6)
            exponent, _ = _number(body, at)
            head = b"\x99" + len(body).to_bytes(2, "big")
            print_ = hashlib.sha1(head + body, usedforsecurity=False).hexdigest()
            found.append(Key(print_[-16:].upper(), modulus, exponent))
    return found


def verified(text: bytes, ring: list[Key]) -> tuple[bytes, str] | None:
    """(what was signed, the key's id) of a cleartext message that a key of the ring has signed."""
    begin, cut = text.find(_BEGIN), text.find(_SIGNATURE)
    if begin < 0 or cut < begin:
        return None
    head, _, body = text[begin:cut].partition(b"\n\n")
    del head
    lines = [line.removeprefix(b"- ").rstrip(b" \t\r") for line in body.split(b"\n")]
    # The line end before the signature's armour is not part of the text.
    message = lines[:-1] if lines and not lines[-1] else lines
    canonical = b"\r\n".join(message)
    for tag, packet in _packets(_plain(text[cut:])):
        signed = _signature(packet) if tag == _SIGNATURE_TAG else None
        if signed is None or signed.kind != _TEXT:
            continue
        for key in ring:
            if signed.issuer in (None, key.id) and _holds(signed, key, canonical):
                return b"\n".join(message) + b"\n", key.id
    return None


def issuer(packet: bytes) -> str | None:
    """The key that a signature claims."""
    found = (_signature(body) for tag, body in _packets(packet) if tag == _SIGNATURE_TAG)
    return next((signed.issuer for signed in found if signed is not None), None)


def signer(content: bytes, packet: bytes, ring: list[Key]) -> str | None:
    """The id of the ring's key that made a detached signature of these bytes; None where none did."""
    for tag, body in _packets(packet):
        signed = _signature(body) if tag == _SIGNATURE_TAG else None
        if signed is None or signed.kind != _BINARY:
            continue
        for key in ring:
            if signed.issuer in (None, key.id) and _holds(signed, key, content):
                return key.id
    return None


def _holds(signed: _Signed, key: Key, canonical: bytes) -> bool:
    name, prefix = _HASHES[signed.hash]
    trailer = b"\x04\xff" + len(signed.covered).to_bytes(4, "big")
    digest = hashlib.new(name, canonical + signed.covered + trailer).digest()
    size = (key.modulus.bit_length() + 7) // 8
    padding = size - len(prefix) - len(digest) - 3
    if padding < 8:  # noqa: PLR2004 -- RFC 8017, 9.2
        return False
    wanted = b"\0\1" + b"\xff" * padding + b"\0" + prefix + digest
    return pow(signed.value, key.exponent, key.modulus).to_bytes(size, "big") == wanted


def _signature(body: bytes) -> _Signed | None:
    if len(body) < 10 or body[0] != 4 or body[2] not in _RSA or body[3] not in _HASHES:  # noqa: PLR2004
        return None
    hashed = 6 + int.from_bytes(body[4:6], "big")
    rest = hashed + 2 + int.from_bytes(body[hashed : hashed + 2], "big")
    value, _ = _number(body, rest + 2)
    subpackets = [*_subpackets(body[6:hashed]), *_subpackets(body[hashed + 2 : rest])]
    issuer = next((s.hex().upper() for kind, s in subpackets if kind == _ISSUER), None)
    print_ = next((s for kind, s in subpackets if kind == _ISSUER_FINGERPRINT), None)
    issuer = issuer or (print_[-8:].hex().upper() if print_ else None)
    return _Signed(issuer, body[3], body[1], body[:hashed], value)


def _subpackets(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw):
        size, at = _length(raw, at)
        if size < 1 or at + size > len(raw):
            return
        yield raw[at] & 0x7F, raw[at + 1 : at + size]
        at += size


def _number(raw: bytes, at: int) -> tuple[int, int]:
    size = (int.from_bytes(raw[at : at + 2], "big") + 7) // 8
    return int.from_bytes(raw[at + 2 : at + 2 + size], "big"), at + 2 + size


def _plain(raw: bytes) -> bytes:
    if not raw.lstrip().startswith(_ARMOUR):
        return raw
    _, _, body = raw.replace(b"\r", b"").partition(b"\n\n")
    lines = [line for line in body.split(b"\n") if line and not line.startswith((b"=", b"-"))]
    try:
        return base64.b64decode(b"".join(lines))
    except (binascii.Error, ValueError):
        return b""


# Both forms of RFC 9580, 4.2; a length beyond the end, or a partial one, stops the parser.
def _packets(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 1 < len(raw) and raw[at] & 0x80:
        head = raw[at]
        if head & 0x40:
            tag, (size, start) = head & 0x3F, _length(raw, at + 1)
        else:
            tag, width = head >> 2 & 0xF, 1 << (head & 3)
            size, start = int.from_bytes(raw[at + 1 : at + 1 + width], "big"), at + 1 + width
            if head & 3 == 3:  # noqa: PLR2004 -- until the end
                size, start = len(raw) - at - 1, at + 1
        if size < 0 or start + size > len(raw):
            return
        yield tag, raw[start : start + size]
        at = start + size


def _length(raw: bytes, at: int) -> tuple[int, int]:
    first = raw[at]
    if first < 192:  # noqa: PLR2004 -- RFC 9580, 4.2.1
        return first, at + 1
    if first < 224:  # noqa: PLR2004
        return ((first - 192) << 8) + (raw[at + 1] if at + 1 < len(raw) else 0) + 192, at + 2
    if first == 255:  # noqa: PLR2004
        return int.from_bytes(raw[at + 1 : at + 5], "big"), at + 5
    return -1, at + 1

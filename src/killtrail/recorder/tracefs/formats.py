"""Event formats as the kernel describes them (events/*/format), and records cut by them."""

import re
import struct
from typing import Final

from killtrail._slotted import dataclass

_FIELD: Final = re.compile(
    r"field:(?P<type>[^;]*?)\s*(?P<name>\w+)(?:\[[^\]]*\])?;\s*offset:(?P<offset>\d+);"
    r"\s*size:(?P<size>\d+);(?:\s*signed:(?P<signed>[01]);)?"
)
_INTEGER: Final = {
    (1, 0): "<B",
    (1, 1): "<b",
    (2, 0): "<H",
    (2, 1): "<h",
    (4, 0): "<I",
    (4, 1): "<i",
    (8, 0): "<Q",
    (8, 1): "<q",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event."""

    name: str
    offset: int
    size: int
    signed: bool
    text: bool
    located: bool
    """A __data_loc: offset and length of text elsewhere in the record."""


@dataclass(frozen=True, slots=True)
class Format:
    """One event type."""

    name: str
    number: int
    fields: tuple[Field, ...]

    def value(self, record: bytes, name: str) -> int | str | None:
        """A field's value; None where this kernel's event has none or the record is cut."""
        field = next((f for f in self.fields if f.name == name), None)
        if field is None or field.offset + field.size > len(record):
            return None
        raw = record[field.offset : field.offset + field.size]
        if field.located:
            place = int.from_bytes(raw[:4], "little")
            raw = record[place & 0xFFFF : (place & 0xFFFF) + (place >> 16)]
            return _text(raw)
        if field.text:
            return _text(raw)
        form = _INTEGER.get((field.size, int(field.signed)))
        return struct.unpack(form, raw)[0] if form else None

    def number_of(self, record: bytes, name: str) -> int:
        """A numeric field; 0 where there is none."""
        value = self.value(record, name)
        return value if isinstance(value, int) else 0

    def text_length(self, record: bytes, name: str) -> int:
        """Bytes of a __data_loc text, its NUL included; 0 where the kernel could not read it."""
        field = next((f for f in self.fields if f.name == name and f.located), None)
        if field is None or field.offset + field.size > len(record):
            return 0
        return record[field.offset + 2] | record[field.offset + 3] << 8

    def text_of(self, record: bytes, name: str) -> str | None:
        """A text field."""
        value = self.value(record, name)
        return value if isinstance(value, str) else None


def parse(text: str) -> Format:
    """A format file. Raises ValueError where it is none."""
    name = re.search(r"^name: (\S+)$", text, re.MULTILINE)
    number = re.search(r"^ID: (\d+)$", text, re.MULTILINE)
    if not name or not number:
        raise ValueError("not an event format")
    fields = tuple(
        Field(
            name=m["name"],
            offset=int(m["offset"]),
            size=int(m["size"]),
            signed=m["signed"] == "1",
            text="char" in m["type"].split() and int(m["size"]) > 1,
            located="__data_loc" in m["type"],
        )
        for m in _FIELD.finditer(text)
    )
    return Format(name[1], int(number[1]), fields)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")

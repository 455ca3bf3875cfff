"""What is mounted where, by mountinfo (proc(5)); mounts over /proc/N hide a process from every tool."""

import re
from typing import Final

from killtrail._slotted import dataclass
from killtrail.host import procfs

_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_OVER: Final = re.compile(r"/proc/(\d+)(?:/.*)?")
_MOST: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo."""

    point: str
    fstype: str
    source: str
    options: str
    """Of the file system, hidepid= among them."""

    @property
    def over(self) -> int | None:
        """The process whose folder in /proc it covers."""
        match = _OVER.fullmatch(self.point)
        return int(match[1]) if match else None


def read() -> list[Mount]:
    """The mounts of this mount namespace, in order."""
    raw = procfs.read_bytes(procfs.PROC / "self/mountinfo", _MOST) or b""
    found = []
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(rest) > 2:  # noqa: PLR2004 -- proc(5): mount point is the fifth
            found.append(Mount(_plain(fields[4]), rest[0], _plain(rest[1]), rest[2]))
    return found


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def hidepid(mounts: list[Mount]) -> str | None:
    """/proc's hidepid option (proc(5)); None where it hides nothing."""
    # The last mount on a place is the one that is seen.
    for mount in reversed(mounts):
        if mount.point == "/proc" and mount.fstype == "proc":
            found = "0"
            for option in mount.options.split(","):
                name, _, value = option.partition("=")
                found = value if name == "hidepid" else found
            return None if found in ("0", "off") else found
    return None

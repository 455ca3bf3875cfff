"""The page for a host where nothing recorded the death: what was looked at, what to enable."""

from killtrail._slotted import dataclass
from killtrail.report.page import Block, Command, Field, Page, Paragraph, Section, page

_ELSEWHERE = (
    Command("dmesg | grep -i -e 'killed process' -e segfault", "out of memory, or a fault"),
    Command("journalctl -u UNIT", "what systemd logged about a unit"),
    Command("coredumpctl info PID", "who sent a signal that dumps core"),
)
_FROM_NOW_ON = (
    Command("sudo killtrail arm", "records every death with its sender"),
    Command("sudo killtrail rules --install", "audit rules: senders, with lower certainty"),
)
_ELSEWHERE_HOST = (Command("killtrail why TARGET --from PATH...", "logs copied from another host"),)


@dataclass(frozen=True, slots=True)
class LogState:
    """A log that was looked at: where it could be read, or what would let it be read."""

    name: str
    readable: tuple[str, ...]
    places: tuple[str, ...]
    remedy: str


def no_source_page(
    target: str, unusable: tuple[str, ...], remedy: str | None, logs: tuple[LogState, ...]
) -> Page:
    """The verdict first: not recorded, because nothing was recording."""
    looked: list[Block] = [Paragraph(reason) for reason in unusable]
    looked += [_log(log) for log in logs]
    sections = (
        Section("looked at", tuple(looked), heading=True),
        Section("try", (Command(remedy),) if remedy else ()),
        Section("look yourself, where this command can't", _ELSEWHERE, heading=True),
        Section("from now on", _FROM_NOW_ON, heading=True),
        Section("logs from elsewhere", _ELSEWHERE_HOST, heading=True),
    )
    return page(f"no record of {target} on this host: nothing was recording", None, sections)


def _log(log: LogState) -> Field:
    if log.readable:
        return Field(log.name, f"not mentioned in {', '.join(log.readable)}")
    return Field(log.name, f"not readable by this user ({', '.join(log.places)})", log.remedy)

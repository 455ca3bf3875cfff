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
    """A log that was looked at: where it could be read, where it may not be, and what would help."""

    name: str
    readable: tuple[str, ...]
    denied: tuple[str, ...]
    remedy: str | None


def no_source_page(
    target: str, unusable: tuple[str, ...], remedy: str | None, logs: tuple[LogState, ...]
) -> Page:
    """The answer first: no recorder could be asked, and what could not be read may hold it."""
    looked: list[Block] = [Paragraph(reason) for reason in unusable]
    looked += [_log(log) for log in logs]
    sections = (
        Section("looked at", tuple(looked), heading=True),
        Section("try", (_remedy(remedy),) if remedy else ()),
        Section("look yourself, where this command can't", _ELSEWHERE, heading=True),
        Section("from now on", _FROM_NOW_ON, heading=True),
        Section("logs from elsewhere", _ELSEWHERE_HOST, heading=True),
    )
    closed = " and ".join(f"the {log.name}" for log in logs if not log.readable and log.denied)
    but = f", and this user may not read {closed}" if closed else ""
    title = f"no record of {target} found: no recorder can be asked{but}"
    return page(title, None, sections)


def _remedy(text: str) -> Command | Paragraph:
    return Command(text) if text.startswith("sudo ") else Paragraph(text)


def _log(log: LogState) -> Field:
    if log.readable:
        return Field(log.name, f"not mentioned in {', '.join(log.readable)}")
    if log.denied:
        return Field(log.name, f"not readable by this user ({', '.join(log.denied)})", log.remedy)
    return Field(log.name, "there is none", log.remedy)

"""Reads audit rules as auditctl(8) writes and lists them, and plays calls through them.

The kernel takes the first rule of the exit list that matches (audit_filter_rules, kernel/auditsc.c).
Whether a rule set would record a call is found out by asking it about that very call.
"""

import re
import shlex
from typing import Final

from killtrail._slotted import dataclass

UNSET: Final = 0xFFFFFFFF
_FIELD: Final = re.compile(r"(\w+)(!=|<=|>=|&=|=|<|>|&)(.*)$")
_ARCHES: Final = {
    "b64": "b64", "b32": "b32", "x86_64": "b64", "i386": "b32", "i686": "b32", "i486": "b32",
    "c000003e": "b64", "40000003": "b32", "aarch64": "b64", "c00000b7": "b64",
    "arm": "b32", "40000028": "b32",
}  # fmt: skip
_SETTINGS: Final = frozenset(
    {
        "-w", "-W", "-b", "-f", "-r", "-i", "-c", "-d", "-p", "-k", "-q", "-t",
        "--backlog_wait_time", "--loginuid-immutable", "--reset-lost",
    }
)  # fmt: skip
"""Watches and settings: nothing about calls."""
_IGNORED: Final = frozenset({"key", "-k"})


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the filter sees it."""

    arch: str
    name: str
    args: tuple[int, int, int, int]
    fields: dict[str, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the exit list."""

    text: str
    always: bool
    calls: frozenset[str]
    """Empty or `all` = every call."""
    tests: tuple[tuple[str, str, str], ...]

    def matches(self, call: Call) -> bool:
        """Whether it decides about a call."""
        if self.calls and "all" not in self.calls and call.name not in self.calls:
            return False
        return all(_holds(test, call) for test in self.tests)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What was read: exit rules in order, whether auditing is on, whether it is locked."""

    rules: tuple[Rule, ...]
    enabled: int | None = None
    unread: tuple[str, ...] = ()
    """Lines that were not understood."""

    def deciding(self, call: Call) -> Rule | None:
        """The rule that decides about a call."""
        return next((rule for rule in self.rules if rule.matches(call)), None)

    def records(self, call: Call) -> bool:
        """Whether the call would be recorded."""
        rule = self.deciding(call)
        return rule is not None and rule.always


def parse(text: str) -> RuleSet:
    """Rules from a rules file or from `auditctl -l`; what can't be read is kept and counted."""
    rules: list[Rule] = []
    unread: list[str] = []
    enabled: int | None = None
    for raw in text.splitlines():
        line = raw.strip()
        words = _words(line)
        if not words:
            continue
        if words[0] == "-D":
            rules.clear()
        elif words[0] == "-e" and words[1:2] and words[1].isdecimal():
            enabled = int(words[1])
        elif words[0] in ("-a", "-A"):
            _add(rules, unread, line, words)
        elif words[0] not in _SETTINGS:
            unread.append(line)
    return RuleSet(tuple(rules), enabled, tuple(unread))


def _words(line: str) -> list[str]:
    if line.startswith("#") or line == "No rules":
        return []
    try:
        return shlex.split(line)
    except ValueError:
        return [line]


def _add(rules: list[Rule], unread: list[str], line: str, words: list[str]) -> None:
    if words[1:2] and "exit" not in words[1]:
        return
    rule = _rule(line, words)
    if rule is None:
        unread.append(line)
    elif words[0] == "-A":
        rules.insert(0, rule)
    else:
        rules.append(rule)


def _rule(line: str, words: list[str]) -> Rule | None:
    if len(words) < 2:  # noqa: PLR2004 -- -a without its list
        return None
    calls: set[str] = set()
    tests: list[tuple[str, str, str]] = []
    at = 2
    while at < len(words):
        option, value = words[at], words[at + 1] if at + 1 < len(words) else ""
        if option == "-S":
            calls.update(value.split(","))
        elif option in ("-F", "-C"):
            match = _FIELD.match(value)
            if match is None:
                return None
            if match[1] not in _IGNORED:
                tests.append((match[1], match[2], match[3]))
        elif option != "-k":
            return None
        at += 2
    return Rule(line, "always" in words[1].split(","), frozenset(calls), tuple(tests))


def _holds(test: tuple[str, str, str], call: Call) -> bool:
    name, operator, wanted = test
    if name == "arch":
        same = _ARCHES.get(wanted.lower()) == call.arch
        return same if operator == "=" else not same
    # The kernel compares the lower 32 bits (audit_comparator), as do the calls themselves.
    actual = call.args[int(name[1])] if re.fullmatch(r"a[0-3]", name) else call.fields.get(name)
    value = _value(name, wanted)
    if actual is None or value is None:
        # A test of something that a call need not have: it does not hold for every call.
        return False
    return {
        "=": actual == value, "!=": actual != value, "<": actual < value, ">": actual > value,
        "<=": actual <= value, ">=": actual >= value, "&": bool(actual & value),
        "&=": actual & value == value,
    }[operator]  # fmt: skip


def _value(name: str, text: str) -> int | None:
    if text in ("unset", "-1", "4294967295"):
        return UNSET
    if text == "root":
        return 0
    if name == "success":
        return {"1": 1, "yes": 1, "0": 0, "no": 0}.get(text)
    try:
        return int(text, 0)
    except ValueError:
        return None

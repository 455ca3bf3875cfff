"""What a rule set would miss of a killing, found by playing one after the other through it."""

from collections.abc import Iterator
from typing import Final

from killtrail._slotted import dataclass
from killtrail.host.audit.rules import UNSET, Call, RuleSet

_KILL, _TERM, _SEGV = 9, 15, 11
_BY_SECOND: Final = ("kill", "tkill", "rt_sigqueueinfo", "pidfd_send_signal")
_BY_THIRD: Final = ("tgkill", "rt_tgsigqueueinfo")
SIX: Final = (*_BY_SECOND, *_BY_THIRD)
_WHO: Final = {
    "a daemon": {"auid": UNSET, "uid": 0, "euid": 0},
    "a user who logged in": {"auid": 1000, "uid": 1000, "euid": 1000},
    "root after a login": {"auid": 1000, "uid": 0, "euid": 0},
}
_LOCKED: Final = 2


@dataclass(frozen=True, slots=True)
class Hole:
    """A way to kill, or to start a killer, that leaves no usable record."""

    what: str
    because: str


def holes(rules: RuleSet) -> list[Hole]:
    """The holes, the worst first; empty for the rules that `killtrail rules` gives."""
    found = list(_holes(rules))
    seen: set[str] = set()
    return [h for h in found if not (h.what in seen or seen.add(h.what))]  # type: ignore[func-returns-value]


def _holes(rules: RuleSet) -> Iterator[Hole]:
    if rules.enabled == 0:
        yield Hole("everything", "auditing is switched off (auditctl -e 1)")
    if not rules.rules:
        yield Hole("every kill", "there is no rule about system calls")
        return
    for arch, wide in (
        ("b64", "64-bit programs"),
        ("b32", "32-bit programs (and int 0x80 of any)"),
    ):
        yield from _calls(rules, arch, wide)
        yield from _signals(rules, arch, wide)
        yield from _people(rules, arch, wide)
        yield from _descriptors(rules, arch)
        yield from _programs(rules, arch, wide)
        yield from _exits(rules, arch, wide)
    for line in rules.unread:
        yield Hole(f"possibly more: `{line}`", "this line was not understood, so it was left out")


def _call(arch: str, name: str, sig: int, who: str = "a daemon") -> Call:
    args = (4242, 4242, sig, 0) if name in _BY_THIRD else (4242, sig, 0, 0)
    return Call(arch, name, args, {**_WHO[who], "success": 1, "exit": 0, "pid": 77, "ppid": 1})


def _any(rules: RuleSet, arch: str, name: str) -> bool:
    return any(
        rules.records(_call(arch, name, sig, who)) for sig in (_KILL, _TERM, _SEGV) for who in _WHO
    )


def _calls(rules: RuleSet, arch: str, wide: str) -> Iterator[Hole]:
    missing = [name for name in SIX if not _any(rules, arch, name)]
    if len(missing) == len(SIX):
        yield Hole(f"every kill by {wide}", f"no rule for arch={arch} records a signal call")
        return
    reasons: dict[str, list[str]] = {}
    for name in missing:
        reasons.setdefault(_why(rules, arch, name), []).append(f"{name}()")
    for because, names in reasons.items():
        yield Hole(f"{', '.join(names)} of {wide}", because)


def _why(rules: RuleSet, arch: str, name: str) -> str:
    named = [r for r in rules.rules if name in r.calls and r.always]
    if name in _BY_THIRD and any(t[0] == "a1" for r in named for t in r.tests):
        return "its signal is the third argument: a test of a1 compares a thread id"
    if named:
        return f"the rule that names it never matches: {named[0].text}"
    return f"no rule for arch={arch} names it"


def _signals(rules: RuleSet, arch: str, wide: str) -> Iterator[Hole]:
    for name in SIX:
        kept = [
            sig
            for sig in (_KILL, _TERM, _SEGV)
            if any(rules.records(_call(arch, name, sig, w)) for w in _WHO)
        ]
        if kept and len(kept) < 3:  # noqa: PLR2004 -- of three
            lost = ", ".join(str(s) for s in (_KILL, _TERM, _SEGV) if s not in kept)
            yield Hole(
                f"{name}() of {wide} with other signals (e.g. {lost})",
                "the rule records certain signals only, but any fatal signal kills",
            )


def _people(rules: RuleSet, arch: str, wide: str) -> Iterator[Hole]:
    for who in _WHO:
        lost = [
            name
            for name in SIX
            if _any(rules, arch, name)
            and not any(rules.records(_call(arch, name, sig, who)) for sig in (_KILL, _TERM, _SEGV))
        ]
        if lost:
            yield Hole(
                f"kills by {who}, {wide} ({', '.join(lost)})",
                "a test of auid or uid leaves them out",
            )


def _descriptors(rules: RuleSet, arch: str) -> Iterator[Hole]:
    others = [n for n in SIX if n != "pidfd_send_signal"]
    if _any(rules, arch, "pidfd_send_signal") and not any(_any(rules, arch, n) for n in others):
        yield Hole(
            f"the target of pidfd_send_signal (arch={arch})",
            "without a rule for kill or a similar call the kernel writes no OBJ_PID record",
        )


def _programs(rules: RuleSet, arch: str, wide: str) -> Iterator[Hole]:
    for who, fields in _WHO.items():
        calls = [
            Call(arch, n, (1, 1, 1, 0), {**fields, "success": 1, "exit": 0})
            for n in ("execve", "execveat")
        ]
        if not any(rules.records(call) for call in calls):
            yield Hole(
                f"who started the killer ({wide}, by {who})",
                "no rule records their execve()",
            )
            return


def _exits(rules: RuleSet, arch: str, wide: str) -> Iterator[Hole]:
    # It never returns, so it has no success to test for.
    if not any(
        rules.records(Call(arch, "exit_group", (0, 0, 0, 0), {**fields, "pid": 77}))
        for fields in _WHO.values()
    ):
        yield Hole(
            f"processes that exited before a kill reached them ({wide})",
            "no rule records exit_group()",
        )


def locked(rules: RuleSet) -> bool:
    """Whether the rules can't be changed until the next boot."""
    return rules.enabled == _LOCKED

"""Reading `killtrail.verdict/1`: what any program may have written, checked field by field."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from killtrail.model.absence import Absence, Why
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import Boot, parse_rfc3339
from killtrail.model.coverage import Unread
from killtrail.model.document import SCHEMA, wait_status
from killtrail.model.process import MACHINE, Argv, Key, Process
from killtrail.model.verdict import (
    Ancestor,
    Contradiction,
    Death,
    DeathKind,
    Edge,
    Evidence,
    Host,
    Incident,
    Link,
    Origin,
    OriginKind,
    Pattern,
    PatternKind,
    RuledOut,
    Subject,
    SubjectKind,
    Verdict,
)

_E = TypeVar("_E", bound=Enum)
_T = TypeVar("_T")
_CAUSES: Final = {each.value: each for each in Cause}
_MECHANISMS: Final = {each.value: each for each in Mechanism}
_CERTAINTIES: Final = {each.label: each for each in Certainty}
_WORDS: Final = {str: "text", int: "a whole number", bool: "true or false"}
_SIGNAL_MOST: Final = 0x7F
_CODE_MOST: Final = 0xFF


class _Object:
    """One object of the document, and the path to it for messages."""

    __slots__ = ("_fields", "_path")

    def __init__(self, fields: Mapping[str, Any], path: str) -> None:
        self._fields = fields
        self._path = path

    def wrong(self, name: str, reason: str) -> ValueError:
        """The error for a field."""
        place = f"{self._path}.{name}" if self._path else name
        return ValueError(f"not a {SCHEMA}: {place} {reason}")

    def get(self, name: str, kind: type[_T]) -> _T | None:
        """A value; None where it is null or not there. Raises `ValueError` where it is of another type."""
        value = self._fields.get(name)
        # bool is an int to isinstance(), not to JSON.
        if value is None or type(value) is kind:
            return value
        raise self.wrong(name, f"is not {_WORDS[kind]}")

    def need(self, name: str, kind: type[_T]) -> _T:
        """A value that must be there."""
        value = self.get(name, kind)
        if value is None:
            raise self.wrong(name, "is missing")
        return value

    def within(self, name: str, most: int) -> int | None:
        """A number from 0 to `most`."""
        value = self.get(name, int)
        if value is not None and not 0 <= value <= most:
            raise self.wrong(name, f"is not within 0 and {most}")
        return value

    def time(self, name: str, shift: int = 0) -> int | None:
        """A moment, as nanoseconds since the epoch less `shift`."""
        text = self.get(name, str)
        if text is None:
            return None
        try:
            return parse_rfc3339(text) - shift
        except ValueError as error:
            raise self.wrong(name, f"is not a time: {error}") from error

    def code(self, name: str, kind: type[_E], unknown: _E) -> _E:
        """A word of a list that grows; `unknown` for one that this version does not know."""
        value = self.get(name, str)
        try:
            return kind(value)
        except ValueError:
            return unknown

    def certainty(self) -> Certainty:
        """Its certainty; a word that is none claims least."""
        return _CERTAINTIES.get(self.need("certainty", str), Certainty.NOT_ESTABLISHED)

    def inner(self, name: str) -> "_Object | None":
        """An object in it; None where there is none."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "is not an object")
        return _Object(value, f"{self._path}.{name}" if self._path else name)

    def each(self, name: str) -> Iterator["_Object"]:
        """The objects of a list."""
        for number, value in enumerate(self._list(name)):
            if not isinstance(value, dict):
                raise self.wrong(f"{name}[{number}]", "is not an object")
            yield _Object(value, f"{self._path}.{name}[{number}]".lstrip("."))

    def all(self, name: str, kind: type[_T]) -> tuple[_T, ...]:
        """The values of a list."""
        values = self._list(name)
        if any(type(value) is not kind for value in values):
            raise self.wrong(name, f"has an item that is not {_WORDS[kind]}")
        return tuple(values)

    def rows(self, name: str) -> tuple[tuple[str, str], ...]:
        """The fields of an object of texts."""
        inner = self.inner(name)
        return tuple((key, inner.need(key, str)) for key in inner._fields) if inner else ()

    def has(self, name: str) -> bool:
        """Whether it has a value there."""
        return self._fields.get(name) is not None

    def _list(self, name: str) -> list[Any]:
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "is not a list")
        return value


def verdict(found: object) -> Verdict:
    """The verdict in a document. Raises `ValueError` with the place and the reason."""
    if not isinstance(found, dict):
        raise ValueError(f"not a {SCHEMA}: not an object")  # noqa: TRY004 -- of data, as all others
    doc = _Object(found, "")
    schema = doc.need("schema", str)
    if schema != SCHEMA:
        raise doc.wrong("schema", f"is {schema[:40]!r}")
    dead = doc.inner("death")
    if dead is None:
        raise doc.wrong("death", "is missing")
    host = _host(doc.inner("host"), dead)
    boot = host.boot
    cause = doc.code("cause", Cause, Cause.NOT_ESTABLISHED)
    doc.need("cause", str)
    origin, act = doc.inner("origin"), doc.inner("incident")
    loss, trust = doc.inner("loss"), doc.inner("trust")
    return Verdict(
        death=_death(dead, boot),
        cause=cause,
        certainty=_certainty(doc, cause),
        summary=doc.need("summary", str),
        host=host,
        mechanism=_mechanism(doc),
        links=tuple(_link(each, boot) for each in doc.each("links")),
        attempts=tuple(_link(each, boot) for each in doc.each("attempts")),
        ancestry=tuple(_ancestor(each, boot) for each in doc.each("ancestry")),
        ancestry_of=_maybe(doc.inner("ancestry_of"), boot),
        origin=_origin(origin) if origin else None,
        incident=_incident(act, boot) if act else None,
        patterns=tuple(_pattern(each) for each in doc.each("patterns")),
        contradictions=tuple(
            Contradiction(each.need("says", str), each.all("evidence", int))
            for each in doc.each("contradictions")
        ),
        evidence=tuple(_evidence(each, boot) for each in doc.each("evidence")),
        ruled_out=tuple(_ruled_out(doc)),
        absent=tuple(_absence(each) for each in doc.each("absent")),
        events_lost=loss.get("events_lost", int) if loss else None,
        problems=(loss.get("problems", int) or 0) if loss else 0,
        unread=_unread(loss.inner("unread") if loss else None),
        lowered_by=trust.all("lowered_by", str) if trust else (),
    )


# Every time of a document is of the wall clock; that of the death stands beside its boot clock's.
def _host(found: _Object | None, dead: _Object) -> Host:
    boot_ns, wall = dead.get("boot_ns", int), dead.time("time")
    offset = 0 if boot_ns is None else None if wall is None else wall - boot_ns
    if found is None:
        return Host(Boot("", offset))
    return Host(
        Boot(found.get("boot_id", str) or "", offset),
        found.get("name", str),
        found.get("kernel", str),
        found.get("machine_id", str),
    )


def _certainty(doc: _Object, cause: Cause) -> Certainty:
    certainty = doc.certainty()
    # not-established exactly when the cause is, also where the cause is one that this version lacks.
    if cause is Cause.NOT_ESTABLISHED:
        return Certainty.NOT_ESTABLISHED
    return max(Certainty.POSSIBLE, certainty)


def _mechanism(doc: _Object) -> Mechanism | None:
    word = doc.get("mechanism", str)
    return _MECHANISMS.get(word) if word is not None else None


def _death(found: _Object, boot: Boot) -> Death:
    who, thread = found.inner("process"), found.inner("thread")
    return Death(
        process=_process(who, boot) if who else MACHINE,
        ended=found.code("ended", Ended, Ended.UNKNOWN),
        time_ns=found.get("boot_ns", int) if found.has("boot_ns") else found.time("time"),
        status=wait_status(
            found.within("signal", _SIGNAL_MOST),
            found.within("exit_code", _CODE_MOST),
            found.get("core_dumped", bool),
        ),
        thread=(thread.need("tid", int), thread.need("name", str)) if thread else None,
        kind=found.code("kind", DeathKind, DeathKind.PROCESS),
    )


def _shift(boot: Boot) -> int:
    return boot.offset_ns or 0


def _process(found: _Object, boot: Boot) -> Process:
    argv = Argv(
        found.all("argv", str),
        cut=found.get("argv_cut", bool) or False,
        inherited=found.get("argv_inherited", bool) or False,
        redacted=found.get("argv_redacted", bool) or False,
    )
    return Process(
        Key(found.need("pid", int), found.time("start_time", _shift(boot))),
        comm=found.get("comm", str),
        tid=found.get("tid", int),
        exe=found.get("exe", str),
        argv=argv if found.has("argv") else None,
        uid=found.get("uid", int),
        loginuid=found.get("loginuid", int),
        session=found.get("session", int),
        cgroup=found.get("cgroup", str),
        ns_pid=found.get("ns_pid", int),
        ppid=found.get("ppid", int),
        alive=found.get("alive", bool),
        # Empty: its own machine's, and not known. This machine's accounts are others.
        user=found.get("user", str) or "",
        login_user="",
    )


def _maybe(found: _Object | None, boot: Boot) -> Process | None:
    return _process(found, boot) if found else None


def _link(found: _Object, boot: Boot) -> Link:
    subject = found.inner("subject")
    return Link(
        id=found.need("id", int),
        role=found.code("role", Role, Role.UNKNOWN),
        action=found.need("action", str),
        certainty=found.certainty(),
        process=_maybe(found.inner("process"), boot),
        subject=_subject(subject) if subject else None,
        signal=found.get("signal", int),
        target=_maybe(found.inner("target"), boot),
        time_ns=found.time("time", _shift(boot)),
        caused_by=found.get("caused_by", int),
        evidence=found.all("evidence", int),
    )


def _subject(found: _Object) -> Subject:
    kind = found.code("kind", SubjectKind, SubjectKind.UNKNOWN)
    return Subject(kind, found.need("name", str))


def _ancestor(found: _Object, boot: Boot) -> Ancestor:
    edge = found.code("edge", Edge, Edge.SEEN)
    return Ancestor(_process(found, boot), edge, found.certainty())


def _origin(found: _Object) -> Origin:
    user = found.get("user", str)
    # An account without a name stands there by its number.
    uid = int(user) if user and re.fullmatch("0|[1-9][0-9]{0,9}", user) else None
    return Origin(
        found.code("kind", OriginKind, OriginKind.UNKNOWN),
        found.get("name", str),
        uid,
        found.get("from", str),
        "" if uid is not None else user,
    )


def _incident(found: _Object, boot: Boot) -> Incident:
    return Incident(
        found.need("id", str).removeprefix(f"{boot.boot_id}-"),
        found.need("victims", int),
        tuple(_process(each, boot) for each in found.each("sample")),
        found.get("refused", int),
    )


def _pattern(found: _Object) -> Pattern:
    kind = found.code("kind", PatternKind, PatternKind.UNKNOWN)
    return Pattern(kind, found.need("says", str), found.all("evidence", int))


def _evidence(found: _Object, boot: Boot) -> Evidence:
    return Evidence(
        id=found.need("id", int),
        source=found.need("source", str),
        where=found.need("where", str),
        says=found.need("says", str),
        time_ns=found.time("time", _shift(boot)),
        rows=found.rows("record"),
    )


# That an unknown cause was ruled out says nothing to a reader who does not know it.
def _ruled_out(doc: _Object) -> Iterator[RuledOut]:
    for each in doc.each("ruled_out"):
        cause = _CAUSES.get(each.need("cause", str))
        if cause is not None:
            yield RuledOut(cause, each.need("because", str))


def _absence(found: _Object) -> Absence:
    return Absence(
        found.need("what", str),
        found.code("why", Why, Why.NOT_RECORDED),
        found.get("remedy", str),
    )


def _unread(found: _Object | None) -> Unread:
    if found is None:
        return Unread()
    return Unread(
        found.get("lines", int) or 0, found.get("bytes", int) or 0, found.all("files", str)
    )

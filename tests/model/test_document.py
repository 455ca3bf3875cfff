"""`killtrail.verdict/1` both ways: nothing is lost, nothing is invented, nothing crashes a reader."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from killtrail.model.absence import Absence, Why
from killtrail.model.causes import Cause, Ended, Mechanism, Role
from killtrail.model.certainty import Certainty
from killtrail.model.clock import Boot
from killtrail.model.coverage import Unread
from killtrail.model.events import Provenance, SignalRefused
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
from killtrail.model.wait_status import WaitStatus
from tests.conftest import ROOT, SCHEMA

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

texts = st.text(max_size=6)
words = st.text(min_size=1, max_size=6)
numbers = st.integers(0, 1 << 32)
signals = st.integers(1, 64)
moments = st.none() | st.integers(0, 10**19)
ids = st.lists(st.integers(1, 9), max_size=3).map(tuple)
argvs = st.builds(
    Argv, st.lists(texts, max_size=3).map(tuple), st.booleans(), st.booleans(), st.booleans()
)
processes = st.builds(
    Process,
    key=st.builds(Key, st.integers(0, 1 << 22), moments),
    comm=st.none() | texts,
    tid=st.none() | numbers,
    exe=st.none() | texts,
    argv=st.none() | argvs,
    uid=st.none() | numbers,
    loginuid=st.none() | numbers,
    session=st.none() | numbers,
    cgroup=st.none() | texts | st.just("/system.slice/a\\x2db.service"),
    ns_pid=st.none() | numbers,
    ppid=st.none() | numbers,
    alive=st.none() | st.booleans(),
    user=st.none() | texts,
)
maybe = st.none() | processes
links = st.builds(
    Link,
    id=st.integers(1, 9),
    role=st.sampled_from(Role),
    action=texts,
    certainty=st.sampled_from(Certainty),
    process=maybe,
    subject=st.none() | st.builds(Subject, st.sampled_from(SubjectKind), texts),
    signal=st.none() | signals,
    target=maybe,
    time_ns=moments,
    caused_by=st.none() | st.integers(1, 9),
    evidence=ids,
)
statuses = st.one_of(
    st.none(),
    st.integers(0, 255).map(WaitStatus.of_exit),
    st.builds(WaitStatus.of_signal, signals, core_dumped=st.booleans()),
)
deaths = st.builds(
    Death,
    process=processes,
    ended=st.sampled_from(Ended),
    time_ns=moments,
    status=statuses,
    thread=st.none() | st.tuples(numbers, texts),
) | st.builds(
    Death,
    process=st.just(MACHINE),
    ended=st.sampled_from(Ended),
    time_ns=moments,
    kind=st.sampled_from(DeathKind),
)
origins = st.builds(
    Origin,
    kind=st.sampled_from(OriginKind),
    name=st.none() | texts,
    uid=st.none() | numbers,
    came_from=st.none() | texts,
    user=st.none() | texts,
)
evidence = st.builds(
    Evidence,
    id=st.integers(1, 9),
    source=texts,
    where=texts,
    says=texts,
    time_ns=moments,
    event=st.none()
    | st.builds(
        SignalRefused, numbers, st.builds(Provenance, texts, texts), signals, texts, processes
    ),
)
causes = st.sampled_from(Cause)
boots = st.builds(Boot, texts, moments) | st.builds(Boot, texts, st.none(), st.booleans())


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    """Any verdict that keeps the one rule: not-established exactly when the cause is."""
    cause = draw(causes)
    sure = st.sampled_from([c for c in Certainty if c is not Certainty.NOT_ESTABLISHED])
    some = {"max_size": 2}
    return Verdict(
        death=draw(deaths),
        cause=cause,
        certainty=Certainty.NOT_ESTABLISHED if cause is Cause.NOT_ESTABLISHED else draw(sure),
        summary=draw(words),
        host=draw(
            st.builds(
                Host,
                boots,
                st.none() | texts,
                st.none() | texts,
                st.none() | texts,
            )
        ),
        mechanism=draw(st.none() | st.sampled_from(Mechanism)),
        links=tuple(draw(st.lists(links, **some))),
        attempts=tuple(draw(st.lists(links, **some))),
        ancestry=tuple(
            draw(
                st.lists(
                    st.builds(
                        Ancestor,
                        processes,
                        st.sampled_from(Edge),
                        st.sampled_from(Certainty),
                    ),
                    **some,
                )
            )
        ),
        ancestry_of=draw(st.none() | processes),
        origin=draw(st.none() | origins),
        incident=draw(
            st.none()
            | st.builds(
                Incident,
                texts,
                numbers,
                st.lists(processes, **some).map(tuple),
                st.none() | numbers,
            )
        ),
        patterns=tuple(
            draw(st.lists(st.builds(Pattern, st.sampled_from(PatternKind), texts, ids), **some))
        ),
        contradictions=tuple(draw(st.lists(st.builds(Contradiction, texts, ids), **some))),
        evidence=tuple(draw(st.lists(evidence, **some))),
        ruled_out=tuple(draw(st.lists(st.builds(RuledOut, causes, texts), **some))),
        absent=tuple(
            draw(
                st.lists(st.builds(Absence, texts, st.sampled_from(Why), st.none() | texts), **some)
            )
        ),
        events_lost=draw(st.none() | numbers),
        problems=draw(numbers),
        lowered_by=tuple(draw(st.lists(texts, **some))),
        unread=draw(st.builds(Unread, numbers, numbers, st.lists(texts, **some).map(tuple))),
    )


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document, the outer ones first."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            yield from objects(item)


@quick
@given(verdicts())
def test_every_field_comes_back(verdict):
    found = verdict.to_dict(records=True)
    VALIDATOR.validate(found)
    text = json.dumps(found)
    again = Verdict.from_dict(json.loads(text))
    assert again.to_dict(records=True) == found
    assert Verdict.from_dict(again.to_dict(records=True)) == again


@quick
@given(verdicts())
def test_a_dated_verdict_keeps_its_clock(verdict):
    boot, at = verdict.host.boot, verdict.death.time_ns
    assume(boot.timed and boot.offset_ns is not None and at is not None)
    again = Verdict.from_dict(verdict.to_dict())
    assert (again.host.boot, again.death.time_ns) == (boot, at)
    assert [x.time_ns for x in again.links] == [x.time_ns for x in verdict.links]
    assert [x.time_ns for x in again.evidence] == [x.time_ns for x in verdict.evidence]


ADDED = {
    "ancestry_of", "attempts", "contradictions", "machine_id", "unread", "record", "argv_cut", "argv_inherited",
    "argv_redacted",
}  # fmt: skip
"""What documents of the first form may lack."""


@quick
@given(verdicts(), st.data())
def test_documents_without_added_fields_are_read(verdict, data):
    found = verdict.to_dict()
    left_out = data.draw(st.sets(st.sampled_from(sorted(ADDED)), min_size=1))
    older = json.loads(json.dumps(found))
    for each in list(objects(older)):
        for name in left_out:
            each.pop(name, None)
    VALIDATOR.validate(older)
    again = Verdict.from_dict(older).to_dict()
    for name in set(found) - ADDED - {"host", "loss", "links", "ancestry", "incident", "death"}:
        assert again[name] == found[name]
    kept = left_out & {"attempts", "contradictions"}
    assert all(again[name] == [] for name in kept)


@quick
@given(verdicts(), st.data())
def test_unknown_fields_change_nothing(verdict, data):
    found = verdict.to_dict()
    newer = copy.deepcopy(found)
    for each in list(objects(newer)):
        each["x-new"] = data.draw(st.sampled_from([None, 1, "a", [1], {"b": 2}]))
    assert Verdict.from_dict(newer) == Verdict.from_dict(found)


@quick
@given(verdicts())
def test_unknown_codes_are_taken_for_unknown(verdict):
    newer = verdict.to_dict()
    newer["cause"] = newer["mechanism"] = newer["death"]["ended"] = "of-tomorrow"
    newer["death"]["kind"] = "of-tomorrow"
    for each in newer["links"]:
        each["role"] = "of-tomorrow"
        if each["subject"]:
            each["subject"]["kind"] = "of-tomorrow"
    for each in newer["ancestry"]:
        each["edge"] = "of-tomorrow"
    for each in [*newer["patterns"], newer["origin"] or {}]:
        each["kind"] = "of-tomorrow"
    for each in newer["ruled_out"]:
        each["cause"] = "of-tomorrow"
    for each in newer["absent"]:
        each["why"] = "of-tomorrow"
    again = Verdict.from_dict(newer)
    VALIDATOR.validate(again.to_dict())
    assert (again.cause, again.certainty) == (Cause.NOT_ESTABLISHED, Certainty.NOT_ESTABLISHED)
    assert (again.mechanism, again.death.ended) == (None, Ended.UNKNOWN)
    assert again.death.kind is DeathKind.PROCESS
    assert {x.role for x in again.links} <= {Role.UNKNOWN}
    assert {x.subject.kind for x in again.links if x.subject} <= {SubjectKind.UNKNOWN}
    assert {x.edge for x in again.ancestry} <= {Edge.SEEN}
    assert {x.kind for x in again.patterns} <= {PatternKind.UNKNOWN}
    assert again.origin is None or again.origin.kind is OriginKind.UNKNOWN
    assert [x.evidence for x in again.links] == [x.evidence for x in verdict.links]
    assert again.ruled_out == ()
    assert [a.what for a in again.absent] == [a.what for a in verdict.absent]


def test_an_unknown_certainty_claims_least():
    found = sample()
    found["certainty"] = "beyond-doubt"
    found["links"][0]["certainty"] = "beyond-doubt"
    again = Verdict.from_dict(found)
    assert again.certainty is Certainty.POSSIBLE
    assert again.links[0].certainty is Certainty.NOT_ESTABLISHED


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
anything = st.recursive(
    leaves, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3)
)


@quick
@given(verdicts(), st.data())
def test_damaged_documents_give_a_verdict_or_a_reason(verdict, data):
    found = verdict.to_dict(records=True)
    where = data.draw(st.sampled_from(list(objects(found))))
    assume(where)
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(anything)
    try:
        again = Verdict.from_dict(found)
    except ValueError as error:
        reason = str(error)
    else:
        reason = "not a killtrail.verdict/1: "
        assert Verdict.from_dict(again.to_dict(records=True)) == again
    assert reason.startswith("not a killtrail.verdict/1: ")


@quick
@given(anything)
def test_what_is_no_document_gives_a_reason(found):
    with pytest.raises(ValueError, match=r"^not a killtrail"):
        Verdict.from_dict(found)


def sample() -> dict[str, Any]:
    """A verdict of one link."""
    killer = Process(Key(7, 5), "sh", uid=0, user="root")
    return Verdict(
        Death(Process(Key(8, 6), "a"), Ended.SIGNAL, 10, WaitStatus.of_signal(9)),
        Cause.KILLED_BY_PROCESS,
        Certainty.LIKELY,
        "sh killed a",
        Host(Boot("b", 100), "h"),
        Mechanism.KILL,
        (Link(1, Role.SENDER, "kill", Certainty.LIKELY, killer),),
    ).to_dict()


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("schema",), "killtrail.verdict/2", "schema is 'killtrail.verdict/2'"),
        (("schema",), None, "schema is missing"),
        (("death",), None, "death is missing"),
        (("death",), [], "death is not an object"),
        (("cause",), None, "cause is missing"),
        (("links",), {}, "links is not a list"),
        (("links", 0), 4, r"links\[0\] is not an object"),
        (("links", 0, "process", "pid"), "7", r"links\[0\].process.pid is not a whole number"),
        (("links", 0, "process", "pid"), True, r"links\[0\].process.pid is not a whole number"),
        (("links", 0, "process", "argv"), [1], "argv has an item that is not text"),
        (("links", 0, "time"), "noon", r"links\[0\].time is not a time: 'noon'"),
        (("death", "signal"), 200, "death.signal is not within 0 and 127"),
        (("death", "exit_code"), -1, "death.exit_code is not within 0 and 255"),
    ],
)
def test_the_reason_names_the_place(path, value, reason):
    found = sample()
    place: Any = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=reason):
        Verdict.from_dict(found)


def test_names_of_accounts_are_not_those_of_this_host():
    found = Verdict.from_dict(sample())
    assert found.links[0].process is not None
    assert (found.links[0].process.user, found.death.process.user) == ("root", "")


def test_the_order_of_a_text_without_times_is_no_time():
    """Line 3 of a table is not 3 ns after boot."""
    untimed = Verdict(
        Death(Process(Key(8, None)), Ended.SIGNAL, 3, WaitStatus.of_signal(9)),
        Cause.KILLED_BY_PROCESS,
        Certainty.POSSIBLE,
        "killed",
        Host(Boot("", None, timed=False)),
    ).to_dict()
    assert (untimed["death"]["boot_ns"], untimed["death"]["time"]) == (None, None)


@pytest.fixture
def utc(monkeypatch):
    """The zone of the command's own output in tests."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("roxen", ("why", "26880", "--evidence")),
        ("audit-real", ("list", "--all", "-n", "200")),
        ("agent-sigkill", ("list", "--all")),
        ("ftrace-raw", ("list", "--all")),
        ("stack-corruption", ("why", "host", "--evidence")),
    ],
)
def test_real_documents(killtrail, case, words):
    """What the command prints of real files is read back whole."""
    found = killtrail.verdicts(*words, "--from", str(ROOT / "tests/cases" / case))
    assert found
    for document in found:
        records = "--evidence" in words
        assert Verdict.from_dict(document).to_dict(records=records) == document

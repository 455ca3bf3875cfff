"""Events survive being kept; anything else is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.model import codec
from killtrail.model.circumstances import Filters, MemoryLimit, ResourceLimit, Terminal
from killtrail.model.events import (
    LimitSet,
    LogContext,
    OomVictimMarked,
    OrphanedBy,
    ProcessExited,
    ProcessSeen,
    Provenance,
    Sighting,
    SignalSent,
    ThreadDied,
)
from killtrail.model.process import Argv, Creator, Key, Process
from killtrail.model.signal_context import Basis, Disposition, KernelContext
from killtrail.model.wait_status import WaitStatus

KEYS = st.builds(Key, st.integers(0, 1 << 22), st.one_of(st.none(), st.integers(0, 1 << 62)))
PROCESSES = st.builds(
    Process,
    KEYS,
    comm=st.one_of(st.none(), st.text(max_size=16)),
    argv=st.one_of(st.none(), st.builds(Argv, st.tuples(st.text(max_size=20)), cut=st.booleans())),
    uid=st.one_of(st.none(), st.integers(0, 1 << 32)),
    exiting=st.booleans(),
)
ORIGINS = st.builds(Provenance, st.just("bpf"), st.text(max_size=10))
TIMES = st.integers(0, 1 << 62)
CONTEXTS = st.builds(
    KernelContext, st.one_of(st.none(), st.sampled_from(Disposition)),
    doomed=st.one_of(st.none(), st.booleans()), lineage=st.tuples(PROCESSES),
    stack=st.one_of(st.none(), st.just(()), st.tuples(st.none(), st.just("isig"))),
)  # fmt: skip
LOGS = st.one_of(
    st.just(LogContext()),
    st.builds(LogContext, st.tuples(st.builds(ProcessSeen, TIMES, ORIGINS, PROCESSES, st.sampled_from(Sighting)))),
)  # fmt: skip
# As versions before the contexts, the enumerations and WaitStatus wrote them.
OLD_SIGNAL = (
    '["signal",{"time_ns":77,"origin":{"source":"bpf","where":"kills:7"},"sig":15,'
    '"code":0,"result":0,"group":true,"target":{"key":{"tgid":9,"start_ns":8000000000},'
    '"comm":"sleep","tid":9,"thread":"sleep","exe":"/usr/bin/sleep",'
    '"argv":{"words":["sleep","60"]},"uid":1000,"loginuid":1000,"session":3,'
    '"cgroup":"/user.slice","pidns":4026531836,"ns_pid":9},"current":{"key":{"tgid":5,'
    '"start_ns":7000000000},"comm":"sh","tid":5,"uid":0,"exiting":true},"info":"user",'
    '"si_pid":5,"si_uid":0,"disposition":"handled","blocked":true,"doomed":false,'
    '"same_group":true,"target_is_child":true,"pdeath_match":false,'
    '"syscall":{"number":62,"abi":"x86_64","name":"kill","args":[9,15,0]},'
    '"stack":["isig",null],"lineage":[{"key":{"tgid":2,"start_ns":1},"comm":"bash",'
    '"reaper":false}],"creator":{"index":1,"key":{"tgid":3,"start_ns":2}},'
    '"memory":{"cgroup":"/app","max_bytes":33554432,"used_bytes":33554432},'
    '"limit":{"resource":"RLIMIT_CPU","soft":1,"hard":2,"carriers":0,"at_exec":true},'
    '"filters":{"count":2,"carriers":1,"full_carriers":1,"at_exec":0},'
    '"terminal":{"name":"pts/1","pty":true,"holder":{"key":{"tgid":5,'
    '"start_ns":7000000000},"comm":"sh","tid":5,"uid":0,"exiting":true},"sole":true,'
    '"known":true},"pipe":4711,"ip":4096,"sp":8192,"act":"kills:3","truncated":true}]'
)
OLD_PLAIN_SIGNAL = (
    '["signal",{"time_ns":77,"origin":{"source":"bpf","where":"kills:7"},"sig":9,'
    '"code":0,"result":0,"group":true,"target":{"key":{"tgid":9,"start_ns":8000000000},'
    '"comm":"sleep","tid":9,"thread":"sleep","exe":"/usr/bin/sleep",'
    '"argv":{"words":["sleep","60"]},"uid":1000,"loginuid":1000,"session":3,'
    '"cgroup":"/user.slice","pidns":4026531836,"ns_pid":9},"current":{"key":{"tgid":5,'
    '"start_ns":7000000000},"comm":"sh","tid":5,"uid":0,"exiting":true},"info":"none",'
    '"disposition":"default","blocked":false,"doomed":true,"stack":[]}]'
)
OLD_EXIT = (
    '["exit",{"time_ns":78,"origin":{"source":"bpf","where":"kills:7"},'
    '"process":{"key":{"tgid":9,"start_ns":8000000000},"comm":"sleep","tid":9,'
    '"thread":"sleep","exe":"/usr/bin/sleep","argv":{"words":["sleep","60"]},"uid":1000,'
    '"loginuid":1000,"session":3,"cgroup":"/user.slice","pidns":4026531836,"ns_pid":9},'
    '"status":137,"parent":{"key":{"tgid":5,"start_ns":7000000000},"comm":"sh","tid":5,'
    '"uid":0,"exiting":true},"told":true}]'
)
OLD_THREAD = (
    '["thread",{"time_ns":79,"origin":{"source":"bpf","where":"kills:7"},'
    '"process":{"key":{"tgid":9,"start_ns":8000000000},"comm":"sleep","tid":9,'
    '"thread":"sleep","exe":"/usr/bin/sleep","argv":{"words":["sleep","60"]},"uid":1000,'
    '"loginuid":1000,"session":3,"cgroup":"/user.slice","pidns":4026531836,"ns_pid":9},'
    '"status":31,"stack":["__secure_computing"]}]'
)
EVENTS = st.one_of(
    st.builds(ProcessExited, TIMES, ORIGINS, PROCESSES, st.one_of(st.none(), st.builds(WaitStatus, st.integers(0, 0xFFFF)))),
    st.builds(OrphanedBy, TIMES, ORIGINS, PROCESSES, st.tuples(PROCESSES)),
    st.builds(
        LimitSet, TIMES, ORIGINS, PROCESSES, KEYS, st.just("RLIMIT_CPU"),
        st.one_of(st.none(), st.integers(0, 1 << 62)), st.one_of(st.none(), st.integers(0, 1 << 62)),
        st.tuples(PROCESSES),
    ),
    st.builds(OomVictimMarked, TIMES, ORIGINS, KEYS, PROCESSES),
    st.builds(
        SignalSent, TIMES, ORIGINS, st.integers(1, 64), st.integers(-100, 200), st.integers(0, 4),
        st.booleans(), PROCESSES, PROCESSES, basis=st.sampled_from(Basis), kernel=CONTEXTS, log=LOGS,
        call_id=st.one_of(st.none(), st.just("kills:3")),
    ),
)  # fmt: skip


@given(EVENTS)
def test_round_trip(event):
    """What was encoded comes back the same."""
    assert event == codec.decode(codec.encode(event))


@given(st.text())
def test_any_bytes_are_refused_or_read(text):
    """No text raises anything but ValueError."""
    try:
        codec.decode(text)
    except ValueError:
        pass


@given(EVENTS, st.data())
def test_damaged_json_is_refused_or_read(event, data):
    """A field of a wrong type is a ValueError, never an event that breaks later."""
    plain = json.loads(codec.encode(event))
    field = data.draw(st.sampled_from(sorted(plain[1])))
    plain[1][field] = data.draw(
        st.one_of(st.none(), st.text(), st.lists(st.integers()), st.integers())
    )
    try:
        codec.decode(json.dumps(plain))
    except ValueError:
        pass


def test_unknown_fields_are_ignored():
    """A newer writer may add fields."""
    event = ProcessExited(1, Provenance("bpf", "x"), Process(Key(1, 2)), WaitStatus(9))
    kind, plain = json.loads(codec.encode(event))

    assert event == codec.decode(json.dumps([kind, {**plain, "later": 1}]))


@pytest.mark.parametrize("text", ["[]", "{}", '["signal", []]', '["nothing", {}]', "[" * 5000])
def test_other_json_is_refused(text):
    """Valid JSON that is no event is refused."""
    with pytest.raises(ValueError, match="not an event"):
        codec.decode(text)


def test_records_of_older_versions_are_read():
    """What lies in a history file keeps its meaning: flat fields, strings and plain numbers."""
    signal = codec.decode(OLD_SIGNAL)
    assert isinstance(signal, SignalSent)
    assert (signal.basis, signal.si_pid, signal.si_uid) == (Basis.USER, 5, 0)
    assert (signal.same_task, signal.same_group, signal.call_id) == (False, True, "kills:3")
    assert signal.truncated
    holder = Process(Key(5, 7_000_000_000), comm="sh", tid=5, uid=0, exiting=True)
    assert signal.current == holder
    assert signal.kernel == KernelContext(
        disposition=Disposition.HANDLED, blocked=True, doomed=False, target_is_child=True,
        pdeath_match=False, stack=("isig", None),
        lineage=(Process(Key(2, 1), comm="bash", reaper=False),), creator=Creator(1, Key(3, 2)),
        memory=MemoryLimit("/app", 1 << 25, 1 << 25),
        limit=ResourceLimit("RLIMIT_CPU", 1, 2, 0, at_exec=True), filters=Filters(2, 1, 1, 0),
        terminal=Terminal("pts/1", pty=True, holder=holder, sole=True, known=True), pipe=4711,
        ip=4096, sp=8192,
    )  # fmt: skip
    assert signal.kernel.disposition is Disposition.HANDLED
    assert signal.log == LogContext()

    plain = codec.decode(OLD_PLAIN_SIGNAL)
    assert isinstance(plain, SignalSent)
    assert plain.basis is Basis.NONE
    assert plain.kernel == KernelContext(Disposition.DEFAULT, blocked=False, doomed=True, stack=())

    end = codec.decode(OLD_EXIT)
    assert isinstance(end, ProcessExited)
    assert isinstance(end.status, WaitStatus)
    assert (end.signal, end.exit_code, end.status.core_dumped) == (9, None, True)
    assert end.second_hand

    thread = codec.decode(OLD_THREAD)
    assert isinstance(thread, ThreadDied)
    assert thread.status.signal == 31


@pytest.mark.parametrize("text", [OLD_SIGNAL, OLD_PLAIN_SIGNAL, OLD_EXIT, OLD_THREAD])
def test_records_are_written_as_before(text):
    """An older version reads what this one writes: not a byte is different."""
    assert codec.encode(codec.decode(text)) == text


def test_an_unknown_word_is_refused():
    """A word that no enumeration has is no event, rather than one that no rule understands."""
    with pytest.raises(ValueError, match="not an event"):
        codec.decode(OLD_SIGNAL.replace('"handled"', '"juggled"'))

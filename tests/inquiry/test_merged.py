"""Several sources asked as one: every record once, on one clock, read no further than needed."""

from itertools import islice

from killtrail._slotted import replace
from killtrail.inquiry.merged import Merged, OnClock, moved
from killtrail.model.clock import NS, Boot
from killtrail.model.events import LogContext, LoginSeen, ProcessSeen, Provenance, Sighting
from killtrail.model.process import Key, Process
from killtrail.model.query import Query, Window
from killtrail.model.verdict import Host
from tests.attribution import make as recorder
from tests.inquiry.make import HOST, Memory, exited, merged, sent


def test_a_record_in_rings_and_history_is_one():
    """History is the rings, drained: the ring's record is taken, and each stands once."""
    end = recorder.exited(9)
    copy = replace(end, origin=Provenance("history", "7"))
    both = merged(Memory("bpf", end, exact=True), Memory("history", copy, exact=True))
    assert both.recorded(Query()) == [end]
    assert [e.origin.source for e in both.newest_recorded(Query())] == ["bpf"]


def test_two_threads_that_leave_together_exit_once():
    """Both may look like the last: the first record counts."""
    first = recorder.exited(9)
    second = replace(first, time_ns=first.time_ns + 1000, origin=Provenance("bpf", "deaths:10"))
    both = merged(Memory("bpf", first, second, exact=True))
    assert both.recorded(Query()) == [first]


def test_an_entry_and_its_rotated_copy_are_one():
    """An excerpt of a log beside the log adds nothing."""
    one = sent(5)
    copy = replace(one, origin=Provenance("auditlog", "audit.log.1:99"))
    assert len(merged(Memory("auditlog", one), Memory("auditlog", copy)).logged(Query())) == 1
    assert len(merged(Memory("auditlog", one, sent(5, by=8))).logged(Query())) == 2


def test_newest_first_and_no_further():
    """Who takes two events makes the sources read no more than that and one each."""
    logs = [Memory(f"log{n}", *(sent(10 * t + n, pid=t) for t in range(100))) for n in range(3)]
    found = list(islice(merged(*logs).newest_logged(Query()), 2))
    assert [e.time_ns // NS for e in found] == [992, 991]
    assert sum(log.taken for log in logs) <= 5


def test_clocks():
    """A log on the wall clock is asked and answers on the boot's clock, within the boot only."""
    wall = Memory("auditlog", sent(1000), sent(2000), host=Host(Boot("", 0)))
    seen = OnClock(wall, -1500 * NS, Window(0, None))
    assert [e.time_ns // NS for e in seen.events(Query())] == [500]
    assert wall.asked[0].window.since_ns == 1500 * NS
    assert list(seen.events(Query(window=Window(None, -1)))) == []
    assert len(wall.asked) == 1


def test_everything_in_an_event_moves():
    """The launch chain and the login of a signal go with it to the other clock."""
    process = Process(Key(3, None))
    step = ProcessSeen(5, Provenance("auditlog", "a"), process, Sighting.EXEC)
    login = LoginSeen(4, Provenance("kernlog", "b"), process)
    there = moved(sent(1, log=LogContext((step,), login)), 100)
    assert (there.time_ns, there.log.chain[0].time_ns, there.log.login.time_ns) == (
        NS + 100,
        105,
        104,
    )


def test_logs_are_opened_when_they_are_asked():
    """A list of recorded deaths opens no log."""
    opened = []
    one = Merged(
        HOST, [Memory("bpf", recorder.exited(9), exact=True)], lambda: opened.append(1) or []
    )
    list(one.newest_recorded(Query()))
    assert opened == []
    one.logged(Query())
    one.logged(Query())
    assert opened == [1]


def test_exits_of_one_pid():
    """Two processes of one PID in a log are two exits."""
    assert len(merged(Memory("auditlog", exited(1, 9), exited(90, 9))).logged(Query(pid=42))) == 2

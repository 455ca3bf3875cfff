"""Which log entries are about one process: what can't be survived splits them."""

from killtrail.inquiry.lives import split
from killtrail.model.clock import NS
from killtrail.model.events import OomKilled, ProcessSeen, Provenance, Sighting
from killtrail.model.process import Key, Process
from tests.inquiry.make import exited, sent


def started(at: float) -> ProcessSeen:
    return ProcessSeen(
        int(at * NS), Provenance("auditlog", f"exec:{at}"), Process(Key(42, None)), Sighting.EXEC
    )


def shape(*events) -> list[tuple[list[int], bool]]:
    """Signals and whether there is an exit, for each process."""
    found = split(sorted(events, key=lambda e: e.time_ns))
    return [([s.sig for s in life.signals], life.exit is not None) for life in found]


def test_a_request_and_what_follows_it_are_one_death():
    """TERM, then KILL after the timeout, then the exit."""
    assert shape(sent(0, 15), sent(90, 9), exited(90.1, 9)) == [([15, 9], True)]


def test_nothing_survives_a_kill():
    """A signal long after a SIGKILL is for the next process with that PID, or for a zombie."""
    first, second = split([sent(0, 9), sent(30, 9)])
    assert first.caveat is None
    assert "reused" in (second.caveat or "")


def test_a_program_that_starts_has_the_pid_now():
    """An exec after the end shows that the PID was used again: no zombie, no caveat."""
    lives = split([sent(0, 9), started(10), sent(30, 9)])
    assert [life.caveat for life in lives] == [None, None]
    assert len(lives[1].seen) == 1


def test_an_exit_that_a_parent_reports_frees_the_pid():
    """A shell's word about its child comes after wait(2): what is signalled later is no zombie."""
    lives = split([exited(0, 9, second_hand=True), sent(61, 15)])
    assert [life.caveat for life in lives] == [None, None]


def test_signals_right_after_the_exit_hit_a_zombie():
    """Within a minute, and without a new program, they belong to the same process."""
    assert shape(exited(0, 0), sent(5, 15)) == [([15], True)]
    assert shape(exited(0, 0), sent(61, 15)) == [([], True), ([15], False)]


def test_requests_far_apart_are_two_deaths():
    """Whoever is asked twice in a second is one process; a quarter of an hour later it is another."""
    assert shape(sent(0, 15), sent(1, 15)) == [([15, 15], False)]
    assert shape(sent(0, 15), sent(901, 15)) == [([15], False), ([15], False)]


def test_noise_begins_no_process():
    """CHLD, URG and WINCH end nothing."""
    assert shape(sent(0, 17), sent(1, 28)) == []


def test_two_logs_of_one_event_are_one_signal():
    """The second log's entry is kept as agreement, not as a second attempt."""
    (life,) = split([sent(0, 9), sent(0.4, 9, source="journal")])
    assert len(life.signals) == 1
    assert [e.origin.source for e in life.second_hand] == ["journal"]
    assert shape(sent(0, 9), sent(0.4, 9, by=8, source="journal")) == [([9, 9], False)]


def test_an_oom_report_ends_a_process():
    """What is signalled two seconds after an OOM kill is another process."""
    victim = Process(Key(42, None), comm="job")
    kill = OomKilled(0, Provenance("kernlog", "kern.log:1"), victim)
    lives = split([kill, sent(2, 15)])
    assert [len(life.reports) for life in lives] == [1, 0]

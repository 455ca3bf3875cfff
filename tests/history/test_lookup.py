"""Whatever is asked of history is what the events say, the newest first, and cheap."""

import gc
import sqlite3
from itertools import islice, pairwise

import pytest

from killtrail._slotted import replace
from killtrail.host import boot
from killtrail.model import codec
from killtrail.model import events as ev
from killtrail.model.events import ProcessExited, SignalSent
from killtrail.model.process import Key, Process
from killtrail.model.query import ALWAYS, Query, Window
from killtrail.model.target import Kind, Target
from killtrail.model.wait_status import WaitStatus
from killtrail.recorder.history import words
from killtrail.recorder.history.reader import History
from killtrail.recorder.history.writer import Progress, WritableHistory
from killtrail.sources.history import HistorySource
from tests.history.events import CONTAINERS, NAMES, Maker, expected
from tests.history.old import empty_schema_1

KINDS = (None, (ProcessExited,), (SignalSent,), (SignalSent, ProcessExited), (ev.ThreadDied, ev.ImageReplaced), (ev.KernelLine,), (ev.LimitSet,), (ev.OomVictimMarked,), (ev.OrphanedBy,))  # fmt: skip


def targets() -> list[Target]:
    """All ways to name a process."""
    found = [
        Target(kind, name) for kind in (Kind.COMM, Kind.EXE, Kind.UNIT, Kind.NAME) for name in NAMES
    ]
    found += [Target(Kind.UNIT, "nginx.service"), Target(Kind.NAME, "x.y.service")]
    found += [Target(Kind.EXE, "/usr/bin/java"), Target(Kind.NAME, "org.mozilla.java")]
    found += [Target(Kind.CONTAINER, text) for text in ("a", "docker:AB", "", CONTAINERS[3], "aa")]
    found += [
        Target(Kind.NAME, "web", (CONTAINERS[1],)),
        Target(Kind.CONTAINER, "web", (CONTAINERS[0],)),
    ]
    return [
        *found,
        Target(Kind.PID, "5"),
        Target(Kind.NAME, "absent"),
        Target(Kind.UNIT, "nginx.scope"),
    ]


def queries() -> list[Query]:
    """Queries of all kinds."""
    windows = (ALWAYS, Window(1100, 1200), Window(None, 1050), Window(1390, None))
    about = [{}, {"pid": 5}, {"pid": 77}, {"key": Key(3, 100)}, {"key": Key(3, 105)}, {"sender": Key(2, 100)}, {"parent": 4}, {"pipe": 7}, {"pipe": 9, "ordinary": False}, {"ordinary": False}]  # fmt: skip
    about += [{"target": target} for target in targets()]
    about += [{"target": Target(Kind.NAME, "java"), "pid": 5}, {"parent": 4, "pid": 5}]
    return [
        Query(kinds=kinds, window=window, **asked)
        for kinds in KINDS
        for window in windows
        for asked in about
    ]


def filled(path, events, size, *, migrated_after=None):
    """A history of these events, added in batches of so many; a step of migration after some."""
    history = WritableHistory(path)
    host = boot.this_host()
    row = history.begin_boot(host, 1)
    for number, first in enumerate(range(0, len(events), size)):
        history.add(row, host, events[first : first + size], Progress(armed_ns=1))
        if migrated_after is not None and number >= migrated_after:
            history.migrate()
    while history.migrate():
        pass
    history.close()


def source_of(path) -> HistorySource:
    history = History(path)
    row = history.boots()[0]
    return HistorySource(history, row, row.host)


def same(found, meant) -> bool:
    """As often, whatever the order of one moment."""
    return sorted(map(codec.encode, found)) == sorted(map(codec.encode, meant))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("how", ["new", "old", "migrated", "migrated while adding"])
def test_every_query_is_answered_as_meant(tmp_path, monkeypatch, seed, how):
    """Indexed, not indexed, brought up to date, and while being so: the same, the newest first."""
    monkeypatch.setattr("killtrail.recorder.history.migration._STEP", 23)
    if seed:
        monkeypatch.setattr("killtrail.recorder.history.indexer._REMEMBERED", 5)
    path = tmp_path / "h.db"
    events = Maker(seed).many(300)
    if how != "new":
        empty_schema_1(path)
    if how == "old":
        monkeypatch.setattr(WritableHistory, "migrate", lambda _: False)
    filled(path, events, 40, migrated_after=2 if how == "migrated while adding" else None)
    source = source_of(path)

    assert source._history.version == (1 if how == "old" else 2)
    for query in queries():
        found = list(source.events(query))
        assert all(a.time_ns >= b.time_ns for a, b in pairwise(found)), query
        assert same(found, expected(events, query)), query
    assert not source.coverage().problems


def test_hashes_that_meet_give_nothing_else(tmp_path, monkeypatch):
    """All words have one hash: slower, and still right."""
    monkeypatch.setattr(words, "crc32", lambda *_: 7)
    words.begun.cache_clear()
    events = Maker(9).many(80)
    filled(tmp_path / "h.db", events, 80)
    source = source_of(tmp_path / "h.db")
    for query in queries()[::3]:
        assert same(list(source.events(query)), expected(events, query)), query
    words.begun.cache_clear()


def test_an_exit_is_found_by_what_only_its_signal_holds_after_a_restart(tmp_path):
    """The signal was written by one daemon, the exit by the next, or the other way round."""
    host = boot.this_host()
    maker = Maker(3)
    signal = SignalSent(1000, maker._place(), 15, 0, 0, True, maker._process(), maker._process())
    signal = replace(signal, target=replace(signal.target, exe="/srv/onlyhere"))
    for number, order in enumerate(("signal first", "exit first")):
        path = tmp_path / f"{number}.db"
        gone = ProcessExited(1500, maker._place(), _bare(signal.target), WaitStatus.of_signal(15))
        events = [signal, gone] if order == "signal first" else [gone, signal]
        for each in events:
            with WritableHistory(path) as history:
                history.add(history.begin_boot(host, 1), host, [each], Progress())
        name = "onlyhere"
        query = Query(kinds=(ProcessExited,), target=Target(Kind.NAME, name))
        assert [e.time_ns for e in source_of(path).events(query)] == [1500], order


def _bare(process):
    return Process(process.key, comm="other")


def test_reads_no_further_than_its_caller(tmp_path, monkeypatch):
    """One answer costs few rows, however many there are."""
    filled(tmp_path / "h.db", Maker(1).many(3000), 500)
    source = source_of(tmp_path / "h.db")
    decoded = []
    monkeypatch.setattr(codec, "decode", lambda text, decode=codec.decode: decoded.append(1) or decode(text))  # fmt: skip
    for asked in ({}, {"target": Target(Kind.COMM, "java")}, {"pid": 5}, {"sender": Key(2, 100)}):
        decoded.clear()
        source._decoded.clear()
        assert len(list(islice(source.events(Query(kinds=(SignalSent,), **asked)), 3))) == 3
        assert len(decoded) <= 12, asked


def test_a_reader_may_stop_and_close(tmp_path):
    """An answer that is left unread when the file is closed raises nothing, and says nothing."""
    filled(tmp_path / "h.db", Maker(1).many(300), 300)
    source = source_of(tmp_path / "h.db")
    answer = source.events(Query())
    next(answer)
    source.close()
    del answer
    gc.collect()


def test_questions_use_indexes(tmp_path):
    """No statement reads a whole table or sorts."""
    filled(tmp_path / "h.db", Maker(1).many(50), 50)
    history = History(tmp_path / "h.db")
    plans = []
    real = history._db

    class Seen:
        def execute(self, statement, values=()):
            plans.extend(r[3] for r in real.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            return real.execute(statement, values)

        def close(self):
            real.close()

    history._db = Seen()
    row = history.boots()[0]
    source = HistorySource(history, row, row.host)
    plans.clear()
    for query in queries():
        list(source.events(query))

    assert plans and not [p for p in plans if p.startswith("SCAN") or "TEMP B-TREE" in p], set(
        plans
    )


def test_memory_stays_as_it_is(tmp_path):
    """What is kept while all is read has a limit."""
    filled(tmp_path / "h.db", Maker(1).many(2000), 500)
    source = source_of(tmp_path / "h.db")
    read = sum(1 for _ in source.events(Query()))
    gc.collect()

    assert read > 1000
    assert len(source._decoded) <= 256


def test_rows_that_are_no_events_are_counted(tmp_path):
    """Text that is no event, bytes that are no text: passed over, said."""
    path = tmp_path / "h.db"
    filled(path, Maker(1).many(50), 50)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE events SET body = 'x' WHERE id = 1")
        db.execute("UPDATE events SET body = 7 WHERE id = 2")
    db.close()
    source = source_of(path)
    kept = len(list(source.events(Query())))

    assert kept == 48
    assert len(source.coverage().problems) == 2

"""A file of the schema before: brought up to date in place, whatever happens meanwhile."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from killtrail.errors import UnavailableError
from killtrail.model import events as ev
from killtrail.model.events import ProcessExited, SignalSent
from killtrail.model.query import Query
from killtrail.model.target import Kind, Target
from killtrail.recorder.history import schema
from killtrail.recorder.history.reader import History
from killtrail.recorder.history.writer import WritableHistory
from killtrail.sources.history import HistorySource
from tests.conftest import ROOT, cannot, public_python
from tests.history.old import multiplied, real_schema_1

INSTANTS = int(os.environ.get("KILLTRAIL_KILLS", "12"))
ADM = 4
EXITS = (ProcessExited,)
CONTAINER = "4f" * 32
MIGRATE = (
    "import sys; from pathlib import Path\n"
    "from killtrail.recorder.history import migration\n"
    "from killtrail.recorder.history.writer import WritableHistory\n"
    "migration._STEP = 50\n"
    "history = WritableHistory(Path(sys.argv[1])); print('open', flush=True)\n"
    "while history.migrate(): pass\n"
    "print('done', flush=True)"
)


def answers(path: Path) -> list[list[str]]:
    """What both boots answer to questions of all kinds."""
    history = History(path)
    found = []
    for row in history.boots():
        source = HistorySource(history, row, row.host)
        for query in QUERIES:
            places = [(e.time_ns, e.origin.where) for e in source.events(query)]
            assert [t for t, _ in places] == sorted((t for t, _ in places), reverse=True)
            found.append(sorted(f"{t} {where}" for t, where in places))
        assert not source.coverage().problems
    history.close()
    return found


def _name(text: str, kind: Kind = Kind.NAME) -> Query:
    return Query(kinds=EXITS, target=Target(kind, text))


QUERIES = (
    _name("nginx"), _name("nginx.service", Kind.UNIT), _name("java"), _name("/usr/lib/jvm/bin/java", Kind.EXE),
    _name("onlysignal"), _name("firefox"), _name(f"docker:{CONTAINER[:12]}", Kind.CONTAINER), _name("absent"),
    Query(), Query(pid=4001), Query(pid=4401), Query(pid=4501), Query(kinds=EXITS, parent=900),
    Query(kinds=EXITS, pipe=777), Query(kinds=(SignalSent,), sender=ev.Key(900, 10)),
    Query(kinds=(ev.OrphanedBy,), key=ev.Key(4700, 100)), Query(kinds=EXITS, ordinary=False),
)  # fmt: skip


def migrated(path: Path) -> None:
    """All steps."""
    with WritableHistory(path) as history:
        while history.migrate():
            pass


def rows(path: Path) -> list[tuple]:
    """All that the file holds."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = [db.execute(f"SELECT * FROM {t} ORDER BY id").fetchall() for t in ("boots", "events", "exits")]  # fmt: skip
    db.close()
    return found


def version(path: Path) -> int:
    with History(path) as history:
        return history.version


def test_answers_are_those_that_the_old_file_gives(tmp_path):
    """Known answers before; the same after, from the same rows."""
    path = tmp_path / "h.db"
    real_schema_1(path)
    before, held = answers(path), rows(path)
    migrated(path)

    assert before[0] == ["1050 deaths:0", "6050 deaths:4"]
    assert before[2:5] == [["2050 deaths:1"], ["2050 deaths:1"], ["6600 deaths:5"]]
    assert before[5:8] == [["4050 deaths:3"], ["3050 deaths:2"], []]
    assert before[10:12] == [["7600 deaths:7"], ["7700 exits:0"]]
    assert before[13] == ["6600 deaths:5", "9003 exits:4"]
    assert version(path) == 2
    assert answers(path) == before
    assert rows(path) == held


def test_victims_of_one_act_share_what_the_first_record_holds(tmp_path):
    """Of the same arming, before and after."""
    path = tmp_path / "h.db"
    real_schema_1(path)
    for _ in range(2):
        history = History(path)
        row = history.boots()[0]
        source = HistorySource(history, row, row.host)
        victim = next(iter(source.events(Query(kinds=(SignalSent,), pid=4202))))
        assert victim.current.exe == "/usr/bin/bash" and victim.kernel.lineage[0].comm == "systemd"
        migrated(path)


def test_reading_changes_nothing(tmp_path):
    """Asking an old file, as root too, leaves it as it was."""
    path = tmp_path / "h.db"
    real_schema_1(path)
    before = path.read_bytes()
    answers(path)

    assert path.read_bytes() == before
    assert version(path) == 1


def test_killed_at_any_moment(tmp_path):
    """After each kill -9 the file opens, holds all, answers the same; in the end it is done."""
    path = tmp_path / "h.db"
    multiplied(path, 40)
    held, meant = rows(path), answers(path)
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    seen, delay, done = set(), 0.0, False
    for _ in range(INSTANTS * 20):
        child = subprocess.Popen([sys.executable, "-c", MIGRATE, path], env=env, stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        done = "done" in child.communicate()[0]
        assert rows(path) == held
        if version(path) not in seen or done:
            assert answers(path) == meant
        seen.add(version(path))
        if done:
            break
        delay += 0.3 / INSTANTS

    assert done and seen == {1, 2}


def test_it_goes_on_where_it_was(tmp_path, monkeypatch):
    """A second run does not begin again."""
    monkeypatch.setattr("killtrail.recorder.history.migration._STEP", 10)
    path = tmp_path / "h.db"
    multiplied(path, 3)
    steps = 0
    more = True
    while more:
        with WritableHistory(path) as history:
            more = history.migrate()
        steps += 1

    assert steps == 7 + 6 + 1
    with sqlite3.connect(path) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    db.close()
    assert "migration" not in tables and "events_by_pid" not in tables


def test_no_room(tmp_path):
    """The disk fills up meanwhile: said, all is there, and it goes on once there is room."""
    path = tmp_path / "h.db"
    multiplied(path, 60)
    held, meant = rows(path), answers(path)
    limited = (
        f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({path.stat().st_size + 20_000},) * 2)\n{MIGRATE}"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", limited, path], env=env, capture_output=True, text=True, check=False)  # fmt: skip

    assert "UnavailableError" in done.stderr and "can't be written" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert version(path) == 1
    assert rows(path) == held
    assert answers(path) == meant
    migrated(path)
    assert rows(path) == held
    assert answers(path) == meant


def test_group_adm_reads_without_writing(tmp_path, killtrail):
    """Who may only read gets answers from files of both schemas, in a folder where nothing can be made."""
    if os.geteuid() != 0:
        cannot("only root can become another user")
    folder = Path(f"/var/tmp/killtrail-test-{os.getpid()}")
    folder.mkdir()
    path = folder / "h.db"
    code = (
        "import sys; from pathlib import Path; from killtrail.recorder.history.reader import History\n"
        "h = History(Path(sys.argv[1])); print(h.version, len(h.boots()))"
    )
    run = [public_python(), "-c", code, path]
    env = {"PYTHONPATH": str(killtrail.public)}
    try:
        real_schema_1(path)
        WritableHistory(path).close()
        os.chown(folder, 0, ADM)
        folder.chmod(0o750)
        as_adm = {"user": 65534, "group": 65534, "extra_groups": (ADM,), "env": env}
        said = []
        for _ in range(2):
            said.append(
                subprocess.run(run, **as_adm, capture_output=True, text=True, check=True).stdout
            )
            with WritableHistory(path) as writer:
                # While it is being written, too.
                said.append(
                    subprocess.run(run, **as_adm, capture_output=True, text=True, check=True).stdout
                )
                while writer.migrate():
                    pass
        others = subprocess.run(
            run, **{**as_adm, "extra_groups": ()}, capture_output=True, text=True, check=False
        )
    finally:
        subprocess.run(["rm", "-r", folder], check=True)

    assert said == ["1 2\n", "1 2\n", "2 2\n", "2 2\n"]
    assert "Permission denied" in others.stderr


def test_the_killtrail_of_before_refuses_the_new_file(tmp_path):
    """Its rule, as it stands in the code of schema 1: neither 0 nor 1 is another version."""
    path = tmp_path / "h.db"
    real_schema_1(path)
    migrated(path)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        db.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    db.close()
    for kind in (History, WritableHistory):
        with pytest.raises(UnavailableError, match="another version") as error:
            kind(path)
        assert str(path) in str(error.value.remedy)


def test_killed_before_it_had_a_version(tmp_path):
    """Tables without a version are those of schema 1."""
    path = tmp_path / "h.db"
    real_schema_1(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=0")
    db.close()
    migrated(path)
    found = answers(path)

    assert version(path) == 2
    assert found[0] == ["1050 deaths:0", "6050 deaths:4"]

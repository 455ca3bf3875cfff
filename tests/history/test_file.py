"""The file: who may read it, what age means, and what happens when it breaks."""

import os
import random
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from killtrail.errors import UnavailableError
from killtrail.host import boot
from killtrail.model.clock import NS, Boot
from killtrail.model.events import ProcessExited
from killtrail.model.query import Query
from killtrail.model.target import Kind, Target
from killtrail.model.verdict import Host
from killtrail.model.wait_status import WaitStatus
from killtrail.recorder.history import daemon, files
from killtrail.recorder.history.files import DamagedError
from killtrail.recorder.history.pruning import Limits
from killtrail.recorder.history.reader import History
from killtrail.recorder.history.words import Rows
from killtrail.recorder.history.writer import Progress, WritableHistory
from killtrail.sources.history import HistorySource
from tests.conftest import cannot
from tests.history.events import Maker

DAY = 86400
MONTH = Limits(max_age_s=30 * DAY)


def _host(number: int, offset_ns: int) -> Host:
    return Host(Boot(f"{number:032x}", offset_ns), "h", "6.1")


def _exit_at(maker: Maker, time_ns: int) -> ProcessExited:
    gone = maker._process(bare=True)
    return ProcessExited(time_ns, maker._place(), gone, WaitStatus.of_signal(9))


def _kept(history: WritableHistory) -> int:
    return sum(len(list(history.rows(b.row, Rows.EXIT, Query()))) for b in history.boots())


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_no_part_of_it_is_for_everybody(tmp_path, umask):
    """Database, -wal and -shm, from before the first byte on, whatever the umask."""
    before = os.umask(umask)
    try:
        path = tmp_path / "h.db"
        with WritableHistory(path) as history:
            host = boot.this_host()
            history.add(history.begin_boot(host, 1), host, Maker(1).many(50), Progress())
            modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert set(modes) == {"h.db", "h.db-wal", "h.db-shm"}
    assert all(mode & 0o137 == 0 for mode in modes.values()), modes


def test_parts_left_open_are_closed(tmp_path):
    """Files that an older killtrail left to everybody are not any more."""
    path = tmp_path / "h.db"
    with WritableHistory(path):
        for part in tmp_path.iterdir():
            part.chmod(0o644)
        with WritableHistory(path):
            assert all(p.stat().st_mode & 0o007 == 0 for p in tmp_path.iterdir())


class TestAge:
    """Counted on the boots' own clocks."""

    def test_wall_clock_jumps_age_nothing(self, tmp_path):
        """A daemon that begins again after the clock was set forward, or back, by months."""
        maker = Maker(1)
        path = tmp_path / "h.db"
        for offset in (10**18, 10**18 + 90 * DAY * NS, 1):
            with WritableHistory(path) as history:
                host = _host(1, offset)
                row = history.begin_boot(host, 1)
                history.add(row, host, [_exit_at(maker, t * NS) for t in range(1, 100)], Progress())
                assert history.prune(MONTH, 200 * NS) == 0

    def test_a_boot_with_a_wrong_clock_ages_by_a_day_at_most(self, tmp_path):
        """A machine that comes up years later, as its clock says."""
        maker = Maker(1)
        with WritableHistory(tmp_path / "h.db") as history:
            for number, offset in enumerate((10**18, 10**18 + 900 * DAY * NS)):
                host = _host(number, offset)
                row = history.begin_boot(host, 1)
                history.add(row, host, [_exit_at(maker, 50 * NS)], Progress())

            assert history.prune(MONTH, 100 * NS) == 0
            assert history.prune(Limits(max_age_s=DAY), 100 * NS) == 1

    def test_time_goes_by(self, tmp_path):
        """In the running boot, in those before it, and between them."""
        maker = Maker(1)
        with WritableHistory(tmp_path / "h.db") as history:
            start = 10**18
            for number in range(4):
                host = _host(number, start)
                row = history.begin_boot(host, 1)
                events = [_exit_at(maker, day * DAY * NS) for day in range(1, 11)]
                history.add(row, host, events, Progress())
                start += (10 * DAY + DAY // 2) * NS

            assert history.prune(MONTH, 10 * DAY * NS) == 10
            assert _kept(history) == 30
            assert history.prune(MONTH, 35 * DAY * NS) == 24


def test_pruned_rows_leave_no_words_behind(tmp_path):
    """What went is not in the index, nor are its containers."""
    with WritableHistory(tmp_path / "h.db") as history:
        host = boot.this_host()
        row = history.begin_boot(host, 1)
        history.add(row, host, Maker(1).many(400), Progress())
        words = next(history.each("SELECT count(*) FROM lookup"))[0]
        gone = history.prune(Limits(max_age_s=1), boot.now_ns() + 100 * NS)
        left = [next(history.each(f"SELECT count(*) FROM {t}"))[0] for t in ("lookup", "containers", "events", "exits")]  # fmt: skip

    assert words > 800
    assert gone == 400
    assert left == [0, 0, 0, 0]


def test_free_pages_go_back(tmp_path):
    """A file that grew in a storm gets small again."""
    path = tmp_path / "h.db"
    with WritableHistory(path) as history:
        host = boot.this_host()
        row = history.begin_boot(host, 1)
        history.add(row, host, Maker(1).many(8000), Progress())
        history.prune(Limits(max_bytes=500_000), boot.now_ns())
    assert path.stat().st_size < 600_000


def _fill(history: WritableHistory, row: int, added: list[int]) -> None:
    maker = Maker(1)
    while True:
        history.add(row, boot.this_host(), maker.many(50), Progress())
        added.append(50)


def _damaged(work: Callable[[], object]) -> bool:
    """Whether it is said to be damaged; anything but success and what the daemon expects is raised."""
    try:
        work()
    except UnavailableError as error:
        return isinstance(error, DamagedError)
    return False


def test_full_disk_is_said_by_every_method(tmp_path):
    """No room: an error that the daemon expects, and all that was there is there after."""
    if os.geteuid() != 0:
        cannot("only root can mount")
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "none", mount], check=False
    ).returncode:
        cannot("tmpfs can't be mounted")
    added: list[int] = []
    try:
        with WritableHistory(mount / "h.db") as history:
            host = boot.this_host()
            row = history.begin_boot(host, 1)
            with pytest.raises(UnavailableError, match="can't be written"):
                _fill(history, row, added)
            assert not _damaged(lambda: history.prune(Limits(max_bytes=1 << 16), boot.now_ns()))
            assert not _damaged(lambda: history.begin_boot(_host(9, 1), 1))
        with WritableHistory(mount / "h.db") as history:
            kept = sum(
                next(history.each(f"SELECT count(*) FROM {t}"))[0] for t in ("events", "exits")
            )
            sound = next(history.each("PRAGMA integrity_check"))[0]
    finally:
        subprocess.run(["umount", mount], check=True)

    assert sum(added) > 100
    assert kept <= sum(added)
    assert sound == "ok"


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_page_is_said_by_every_method(tmp_path, seed):
    """Whatever is done to it: an error that the daemon expects."""
    path = tmp_path / "h.db"
    host = boot.this_host()
    with WritableHistory(path) as history:
        history.add(history.begin_boot(host, 1), host, Maker(1).many(2000), Progress())
    raw = bytearray(path.read_bytes())
    rng = random.Random(seed)
    page = rng.randrange(1, len(raw) // 4096)
    raw[page * 4096 : page * 4096 + 4096] = rng.randbytes(4096)
    path.write_bytes(raw)
    said = 0
    for work in (
        lambda h, row: h.add(row, host, Maker(2).many(500), Progress(armed_ns=2)),
        lambda h, _row: h.prune(Limits(max_bytes=1 << 16), boot.now_ns()),
        lambda h, row: list(h.rows(row, Rows.EXIT, Query())),
    ):
        try:
            with WritableHistory(path) as history:
                work(history, history.begin_boot(host, 1))
        except DamagedError:
            said += 1
    assert said


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path, monkeypatch):
    """Once, with its name said; a second damage in a row is an error."""
    path = tmp_path / "h.db"
    monkeypatch.setenv("KILLTRAIL_HISTORY", str(path))
    path.write_bytes(b"no database" * 1000)
    complaints: list[str] = []

    def work() -> daemon.Report:
        with WritableHistory():
            return daemon.Report(0, 0, 0)

    assert daemon._undamaged(work, complaints.append) == daemon.Report(0, 0, 0)
    assert Path(f"{path}.damaged").read_bytes().startswith(b"no database")
    assert f"{path}.damaged" in complaints[0]

    def broken() -> daemon.Report:
        raise files.unreadable(path, sqlite3.DatabaseError("database disk image is malformed"))

    with pytest.raises(DamagedError):
        daemon._undamaged(broken, complaints.append)


@pytest.mark.parametrize("seed", range(20))
def test_randomised_bytes_give_answers_or_errors(tmp_path, seed):
    """Bytes flipped anywhere: rows that are no events are counted, a file that is none is said to be so."""
    path = tmp_path / "h.db"
    host = boot.this_host()
    with WritableHistory(path) as history:
        history.add(history.begin_boot(host, 1), host, Maker(1).many(400), Progress())
    raw = bytearray(path.read_bytes())
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 20, 200))):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    path.write_bytes(raw)
    try:
        with History(path) as history:
            for row in history.boots():
                source = HistorySource(history, row, host)
                for query in (Query(), Query(pid=5), Query(target=Target(Kind.NAME, "java"))):
                    list(source.events(query))
    except UnavailableError as error:
        said = str(error)
    else:
        said = str(path)
    assert str(path) in said

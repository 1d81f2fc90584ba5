"""The page store under kills, damage, locks, a full disk and forks, with real files and processes."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.read import read_session
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.pages.write import write_bars
from kaboom.bars.store import StoreHealth
from kaboom.errors import StoreError
from tests.fixtures.bars.page_kills import kill_writers
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, at, bar, frame, full_day

run = asyncio.run
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[PageFiles]:
    made = PageFiles(tmp_path / "bars", busy_timeout_s=0.01)
    yield made
    made.close()


@pytest.fixture
def path(files: PageFiles) -> Path:
    write_bars(files, MINUTES, full_day(["1301", "7203"], JUNE_2))
    return files.path(MINUTES, "2025-06")


def verify(root: Path) -> StoreHealth:
    async def look() -> StoreHealth:
        store = PageBarStore(root)
        try:
            return await store.verify()
        finally:
            await store.close()

    return run(look())


def tamper(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(sql, values).rowcount == 1


def test_killed_writers_lose_nothing_acknowledged_and_tear_nothing(tmp_path: Path) -> None:
    report = kill_writers(tmp_path / "bars", kills=5)

    assert report.kills == 10
    assert report.acknowledged >= 10
    assert report.reads > 0
    assert report.lost == []
    assert report.torn == []


def test_a_damaged_blob_is_named_by_verify_and_by_read(files: PageFiles, path: Path) -> None:
    tamper(path, "UPDATE page SET data = CAST(substr(data, 1, length(data) - 1) || x'ff' AS BLOB) WHERE sid = 2")

    health = verify(files.root)
    assert [f.where for f in health.faults] == ["synthetic/1m/2025-06.sqlite 7203 2025-06-02"]
    assert "crc32" in health.faults[0].message
    assert (health.pages, health.bars) == (2, 327)
    with pytest.raises(StoreError, match="7203 2025-06-02 is damaged") as refusal:
        read_session(files, MINUTES, JUNE_2)
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((f"{column} = {column} + 1", "its header was") for column in ("n", "first_ts", "last_ts")),
        *((f"{column} = {column} + 1", "its header was") for column in ("o", "h", "l", "c", "v")),
        *(
            (f"{column} = {column} + 1", "its header was")
            for column in ("flags", "flagged", "last_flags", "newest_sum", "cover_sum")
        ),
        ("bucket = bucket + 1", "its bars were of the buckets"),
        ("sid = 99", "has no symbol"),
        ("id = id + 5", "its id was"),
        ("id = -id", "its crc32 was"),
    ],
)
def test_a_header_that_differs_from_its_page_is_found(files: PageFiles, path: Path, change: str, said: str) -> None:
    tamper(path, f"UPDATE page SET {change} WHERE sid = 1")

    (fault, *others) = verify(files.root).faults
    assert said in fault.message
    assert others == []


def test_a_file_damaged_in_the_middle_is_a_fault_and_not_an_exception(files: PageFiles, path: Path) -> None:
    files.close()  # the last connection folds the WAL into the file
    content = path.read_bytes()
    path.write_bytes(content[:8192] + bytes(len(content) - 8192))

    assert verify(files.root).faults
    with pytest.raises(StoreError) as refusal:
        read_session(files, MINUTES, JUNE_2)
    assert not refusal.value.retryable


def test_a_file_that_is_no_database_is_refused(files: PageFiles) -> None:
    path = files.path(MINUTES, "2025-06")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all\n" * 1000)

    with pytest.raises(StoreError, match=r"2025-06\.sqlite: file is not a database") as refusal:
        write_bars(files, MINUTES, full_day(["7203"], JUNE_2))
    assert not refusal.value.retryable
    assert str(path) in [f.where for f in verify(files.root).faults]


@pytest.mark.parametrize("version", [0, 3])
def test_another_format_version_is_refused(files: PageFiles, path: Path, version: int) -> None:
    files.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(StoreError, match=f"has format version {version}, expected") as refusal:
        read_session(files, MINUTES, JUNE_2)
    assert not refusal.value.retryable


def test_a_root_that_is_a_file_says_so(tmp_path: Path) -> None:
    root = tmp_path / "bars"
    root.write_text("not a folder")
    files = PageFiles(root)

    for attempt in (
        lambda: write_bars(files, MINUTES, full_day(["7203"], JUNE_2)),
        lambda: read_session(files, MINUTES, JUNE_2),
        lambda: verify(root),
    ):
        with pytest.raises(StoreError, match="Not a directory") as refusal:
            attempt()
        assert not refusal.value.retryable


def test_a_lock_held_too_long_is_worth_a_retry(files: PageFiles, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked") as refusal:
            write_bars(files, MINUTES, full_day(["9984"], JUNE_2))
        assert refusal.value.retryable
        assert len(read_session(files, MINUTES, JUNE_2)) == 2 * 327  # readers go on
    assert write_bars(files, MINUTES, full_day(["9984"], JUNE_2)).written == 327


def test_a_writer_waits_for_the_lock_and_keeps_the_connection_as_it_was(path: Path, tmp_path: Path) -> None:
    patient = PageFiles(tmp_path / "bars", busy_timeout_s=30)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as thread:
        other.execute("BEGIN IMMEDIATE")
        waiting = thread.submit(write_bars, patient, MINUTES, full_day(["9984"], JUNE_2))
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.1)
        other.execute("ROLLBACK")
        assert waiting.result(timeout=10).written == 327
        opened = thread.submit(patient.open_or_create, path).result()
        assert opened.sql.execute("PRAGMA busy_timeout").fetchone() == (30_000,)
    patient.close()


def test_a_full_disk_is_worth_a_retry_and_leaves_nothing_behind(files: PageFiles, path: Path) -> None:
    opened = files.open_or_create(path)
    (pages,) = opened.sql.execute("PRAGMA page_count").fetchone()
    opened.sql.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full") as refusal:
        write_bars(files, MINUTES, full_day([str(n) for n in range(2000, 2050)], JUNE_2))
    assert refusal.value.retryable
    assert set(read_session(files, MINUTES, JUNE_2)["symbol"]) == {"1301", "7203"}

    opened.sql.execute("PRAGMA max_page_count = 100000")
    write_bars(files, MINUTES, full_day(["2000"], JUNE_2))
    assert set(read_session(files, MINUTES, JUNE_2)["symbol"]) == {"1301", "2000", "7203"}


def test_a_replaced_file_is_opened_anew(files: PageFiles, path: Path, tmp_path: Path) -> None:
    other = PageFiles(tmp_path / "other")
    write_bars(other, MINUTES, frame(bar("9984", at(JUNE_2))))
    other.close()
    assert len(read_session(files, MINUTES, JUNE_2)) == 2 * 327

    path.with_name(f"{path.name}-wal").unlink()
    path.with_name(f"{path.name}-shm").unlink()
    other.path(MINUTES, "2025-06").replace(path)
    assert read_session(files, MINUTES, JUNE_2)["symbol"].to_list() == ["9984"]


def test_a_file_cut_short_while_it_is_open_is_refused_and_nobody_dies(files: PageFiles) -> None:
    symbols = [str(n) for n in range(2000, 2200)]
    write_bars(files, MINUTES, full_day(symbols, JUNE_2))
    path = files.path(MINUTES, "2025-06")
    opened = files.open(path)
    assert opened is not None
    opened.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert len(read_session(files, MINUTES, JUNE_2)) == len(symbols) * 327

    os.truncate(path, path.stat().st_size // 2)

    # The file was mapped, and to touch what is beyond its end kills a process.
    with pytest.raises(StoreError, match="SQLITE_CORRUPT") as refusal:
        read_session(files, MINUTES, JUNE_2)
    assert not refusal.value.retryable


def test_a_log_without_its_file_is_not_replayed_into_a_new_one(files: PageFiles) -> None:
    path = files.path(MINUTES, "2025-06")
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}-wal").write_bytes(b"of a file that is gone")

    with pytest.raises(StoreError, match="its WAL exists"):
        write_bars(files, MINUTES, full_day(["7203"], JUNE_2))


def test_a_compaction_empties_the_log(tmp_path: Path) -> None:
    async def write_and_fold() -> int:
        store = PageBarStore(tmp_path)
        await store.write(MINUTES, full_day(["7203"], JUNE_2))
        log = tmp_path / "synthetic" / "1m" / "2025-06.sqlite-wal"
        before = log.stat().st_size
        await store.compact(MINUTES, "2025-06", before=None)
        after = log.stat().st_size
        await store.close()
        return before - after if after == 0 else -1

    assert run(write_and_fold()) > 0


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = PageBarStore(tmp_path)
    run(store.close())
    with pytest.raises(StoreError, match="closed"):
        run(store.latest(MINUTES))


def test_more_months_than_connections_are_read(files: PageFiles) -> None:
    days = [JUNE_2.replace(year=year, month=month) for year in (2024, 2025) for month in range(1, 13)]
    write_bars(files, MINUTES, frame(*(bar("7203", at(d), d.month) for d in days)))
    for _ in range(2):
        assert [read_session(files, MINUTES, d)["close"].item() for d in days] == [d.month for d in days]
    assert len(files._mine()) <= 8


FORK = """
import os, sys
from pathlib import Path
from kaboom.bars.pages.files import PageFiles
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval

files = PageFiles(Path(sys.argv[1]))
path = files.path(BarSeries("synthetic", Interval.M1), "2025-06")
mine = files.open_or_create(path)
child = os.fork()
if child == 0:
    theirs = files.open(path)
    theirs.sql.execute("INSERT INTO sym (symbol) VALUES ('7203')")
    files.close()
    os._exit(0 if theirs.sql is not mine.sql else 1)
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
mine.sql.execute("INSERT INTO sym (symbol) VALUES ('1301')")
print(ended, [symbol for symbol, in mine.sql.execute("SELECT symbol FROM sym ORDER BY rowid")])
files.close()
"""


def test_a_forked_child_opens_its_own_connections(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-W", "error", "-c", FORK, str(tmp_path)]
    said = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("0 ['7203', '1301']\n", "")

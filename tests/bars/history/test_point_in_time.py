"""Bars as of a moment: exact through kills, cheap where nothing changes, refused where the history does not reach."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio
import polars as pl
import pytest

from kaboom.bars.history import pin_moment, reader_at
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.history import moments
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.pages.write import write_bars
from kaboom.bars.store import BarReader
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, StoreError
from kaboom.market.bar import BarSeries
from tests.fixtures.bars import corrections
from tests.fixtures.bars.damage import flip_page
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day
from tests.fixtures.influx.influx_stores import fake_store

pytestmark = pytest.mark.anyio

OLD, NEW = frame(bar("7203", at(JUNE_2), 100)), frame(bar("7203", at(JUNE_2), 200))
_US = timedelta(microseconds=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[PageBarStore]:
    made = PageBarStore(tmp_path)
    yield made
    await made.close()


async def read_day(reader: BarReader, day: date = JUNE_2) -> pl.DataFrame:
    return await reader.read_session(MINUTES, day)


async def read_planted(reader: BarReader) -> pl.DataFrame:
    days = [await reader.read_session(MINUTES, session) for session in corrections.SESSIONS]
    return pl.concat(days).sort("symbol", "opened_at")


def table(root: Path, name: str, shard: str = "synthetic/1m/2025-06.sqlite") -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(root / shard)) as sql:
        return sql.execute(f"SELECT * FROM {name}").fetchall()


async def test_200_corrections_are_exact_at_every_moment_through_kill_9(store: PageBarStore, tmp_path: Path) -> None:
    planted = corrections.planted_bars()
    await store.write(MINUTES, planted)
    before = utc_now()
    kills, moments = corrections.correct_under_kills(tmp_path, seed=3)
    after = utc_now()

    made = corrections.corrections(planted)
    assert kills >= 4
    assert (await read_planted(store.known_at(before))).equals(planted.sort("symbol", "opened_at"))
    assert (await read_planted(store.known_at(after))).equals(corrections.apply(planted, made))
    for number in range(0, corrections.MOST, 13):
        seen = await read_planted(store.known_at(moments[number]))
        assert seen.equals(corrections.apply(planted, made[: number + 1])), number
    assert (await read_planted(store)).equals(corrections.apply(planted, made))
    assert (await store.verify()).faults == ()


async def test_identical_rewrites_keep_nothing(store: PageBarStore, tmp_path: Path) -> None:
    day = full_day(["1301", "7203"], JUNE_2)
    await store.write(MINUTES, day)
    before = table(tmp_path, "moment")
    await store.write(MINUTES, day)
    await store.write(MINUTES, day.filter(pl.col("symbol") == "1301").head(7))

    assert table(tmp_path, "moment") == before
    assert table(tmp_path, "replaced") == []


async def test_only_the_replaced_bars_are_kept(store: PageBarStore, tmp_path: Path) -> None:
    await store.write(MINUTES, full_day(["1301", "7203"], JUNE_2))
    await store.write(MINUTES, frame(bar("7203", at(JUNE_2), 1.0), bar("7203", at(JUNE_2, 5), 1.0)))

    ((_, no, data),) = table(tmp_path, "replaced")
    assert no == 2
    assert len(bytes(data)) < 80


async def test_a_write_that_corrects_several_symbols_keeps_the_bars_of_each(store: PageBarStore) -> None:
    before, after = (frame(*(bar(each, at(JUNE_2), close) for each in ("6758", "7203"))) for close in (100, 200))
    await store.write(MINUTES, before)
    moment = utc_now()
    await store.write(MINUTES, after)
    assert (await read_day(store.known_at(moment))).equals(before)
    assert (await read_day(store)).equals(after)


async def test_a_bar_added_later_is_absent_before(store: PageBarStore) -> None:
    await store.write(DAILY, frame(bar("7203", at(date(2025, 6, 2)))))
    moments = [utc_now()]
    for day in (3, 5, 4):  # the last one in the middle
        await store.write(DAILY, frame(bar("7203", at(date(2025, 6, day)))))
        moments.append(utc_now())

    days = [
        (await store.known_at(m).read(DAILY, "7203", start=at(date(2025, 1, 1)), end=at(date(2026, 1, 1))))["opened_at"]
        .dt.day()
        .to_list()
        for m in moments
    ]
    assert days == [[2], [2, 3], [2, 3, 5], [2, 3, 4, 5]]


@pytest.mark.parametrize("series", [MINUTES, DAILY])
async def test_coverage_of_one_session_is_that_of_its_moment(store: PageBarStore, series: BarSeries) -> None:
    await store.write(series, frame(bar("7203", at(JUNE_2))))
    moments = [utc_now()]
    await store.write(series, frame(bar("1301", at(JUNE_2)), bar("7203", at(date(2025, 6, 3)))))
    moments.append(utc_now())
    held = [await store.known_at(moment).coverage(series, first=JUNE_2, last=JUNE_2) for moment in moments]
    assert [each["symbol"].to_list() for each in held] == [["7203"], ["1301", "7203"]]


async def test_a_correction_of_an_added_bar_does_not_bring_it_back(store: PageBarStore) -> None:
    await store.write(DAILY, frame(bar("7203", at(date(2025, 6, 2)))))
    moment = utc_now()
    for close in (1.0, 2.0):
        await store.write(DAILY, frame(bar("7203", at(date(2025, 6, 3)), close)))

    assert (await store.known_at(moment).latest(DAILY))["opened_at"].to_list() == [at(date(2025, 6, 2))]


async def test_moments_increase_even_if_the_clock_is_set_back(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 2, tzinfo=UTC)]
    store = PageBarStore(tmp_path, clock=lambda: now[0])
    await store.write(MINUTES, OLD)
    now[0] -= timedelta(hours=1)
    await store.write(MINUTES, NEW)
    await store.close()

    (_, (_, first), (_, second)) = table(tmp_path, "moment")
    assert second == first + 1


async def test_history_days_drop_what_is_older_and_refuse_earlier_moments(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    store = PageBarStore(tmp_path, history_days=10, clock=lambda: now[0])
    moments = []
    for close in range(4):
        await store.write(MINUTES, frame(bar("7203", at(JUNE_2), close)))
        moments.append(now[0])
        now[0] += timedelta(days=6)
    await store.compact(MINUTES, "2025-06", before=None)

    assert [row[1] for row in table(tmp_path, "replaced")] == [4]
    with pytest.raises(InvalidRequest, match=r"as_of was 2026-01-01.*expected 2026-01-15T00:00:00\+00:00 or later"):
        await read_day(store.known_at(moments[0]))
    for moment, expected in ((moments[2] + timedelta(days=2), 2.0), (moments[3], 3.0)):
        assert (await read_day(store.known_at(moment)))["close"].to_list() == [expected]
    await store.close()


async def test_bars_that_retention_dropped_are_gone_at_every_moment(store: PageBarStore, tmp_path: Path) -> None:
    await store.write(MINUTES, OLD)
    await store.write(MINUTES, NEW)
    moment = utc_now()
    await store.compact(MINUTES, "2025-06", before=date(2025, 6, 3))

    assert table(tmp_path, "replaced") == []
    assert (await read_day(store.known_at(moment))).is_empty()


async def test_moments_before_a_repair_are_refused_for_the_page_that_it_moved(
    store: PageBarStore, tmp_path: Path
) -> None:
    await store.write(MINUTES, pl.concat([OLD, frame(bar("1301", at(JUNE_2)))]))
    moment = utc_now()
    flip_page(tmp_path / "synthetic/1m/2025-06.sqlite", "7203")
    await store.repair(is_dry=False)
    await store.write(MINUTES, NEW)

    with pytest.raises(InvalidRequest, match=r"a repair moved the damaged page synthetic/1m/2025-06\.sqlite 7203"):
        await store.known_at(moment).read(MINUTES, "7203", start=at(JUNE_2), end=at(JUNE_2, 1))
    for read in (read_day(store.known_at(moment)), store.known_at(moment).latest(MINUTES)):
        with pytest.raises(InvalidRequest):
            await read
    others = await store.known_at(moment).read(MINUTES, "1301", start=at(JUNE_2), end=at(JUNE_2, 1))
    assert others.height == 1
    assert (await read_day(store.known_at(utc_now())))["close"].to_list() == [100.0, 200.0]


async def test_newest_bars_before_a_repair_are_refused_though_others_are_newer(
    store: PageBarStore, tmp_path: Path
) -> None:
    await store.write(
        MINUTES, pl.concat([OLD, frame(bar("1301", at(JUNE_2))), frame(bar("9984", at(date(2025, 6, 3))))])
    )
    moment = utc_now()
    flip_page(tmp_path / "synthetic/1m/2025-06.sqlite", "7203")
    await store.repair(is_dry=False)

    with pytest.raises(InvalidRequest, match=r"moved the damaged page synthetic/1m/2025-06\.sqlite 7203"):
        await store.known_at(moment).latest(MINUTES)
    assert (await store.known_at(utc_now()).latest(MINUTES))["symbol"].to_list() == ["1301", "9984"]


async def test_a_file_put_in_place_by_a_repair_begins_its_history_then(store: PageBarStore, tmp_path: Path) -> None:
    await store.write(MINUTES, OLD)
    moment = utc_now()
    (tmp_path / "synthetic/1m/2025-06.sqlite").write_bytes(b"not a database" * 1000)
    await store.repair(is_dry=False)
    await store.write(MINUTES, NEW)

    with pytest.raises(InvalidRequest, match=r"the history of synthetic/1m/2025-06\.sqlite begins there"):
        await read_day(store.known_at(moment))
    assert (await read_day(store.known_at(utc_now())))["close"].to_list() == [200.0]


async def test_damaged_history_is_found_and_marked_by_a_repair(store: PageBarStore, tmp_path: Path) -> None:
    await store.write(MINUTES, OLD)
    moment = utc_now()
    await store.write(MINUTES, NEW)
    with closing(sqlite3.connect(tmp_path / "synthetic/1m/2025-06.sqlite")) as sql:
        sql.execute("UPDATE replaced SET data = CAST(substr(data, 1, 20) || x'ff' || substr(data, 22) AS BLOB)")
        sql.commit()

    (fault,) = (await store.verify()).faults
    assert fault.where.endswith("7203 2025-06-02 (history)")
    with pytest.raises(StoreError, match="is damaged"):
        await read_day(store.known_at(moment))
    (item,) = await store.repair(is_dry=False)
    assert item.kept.endswith("2025-06.pages.jsonl")
    assert (await store.verify()).faults == ()
    with pytest.raises(InvalidRequest):
        await read_day(store.known_at(moment))
    assert (await read_day(store))["close"].to_list() == [200.0]


def make_old(path: Path) -> None:
    """Turn a page file into one of a Kaboom that kept no history, changed an hour ago."""
    with closing(sqlite3.connect(path)) as sql:
        sql.executescript(
            "DROP TABLE moment; DROP TABLE replaced; ALTER TABLE page DROP COLUMN since;"
            "ALTER TABLE page DROP COLUMN grown;"
        )
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)


async def test_a_file_without_history_has_one_from_its_last_change_on(tmp_path: Path) -> None:
    files, path = PageFiles(tmp_path), tmp_path / "synthetic/1m/2025-06.sqlite"
    write_bars(files, MINUTES, OLD)
    files.close()
    make_old(path)
    moment, earlier = utc_now() - timedelta(minutes=30), utc_now() - timedelta(hours=2)
    store = PageBarStore(tmp_path)

    for write in (None, NEW):
        if write is not None:
            await store.write(MINUTES, write)
        past = store.known_at(moment)
        assert (await read_day(past)).equals(OLD)
        assert (await past.latest(MINUTES)).equals(OLD)
        with pytest.raises(InvalidRequest, match=r"the history of synthetic/1m/2025-06\.sqlite begins there"):
            await read_day(store.known_at(earlier))
    assert (await read_day(store)).equals(NEW)
    await store.close()


async def test_a_reader_of_a_recent_moment_waits_for_the_writer_before_it(tmp_path: Path) -> None:
    seen, reader = list[float](), PageBarStore(tmp_path)

    def read_now() -> None:
        bars = asyncio.run(reader.known_at(utc_now()).read_session(MINUTES, JUNE_2))
        seen.extend(bars["close"].to_list())

    def clock() -> datetime:
        # Asked under the write lock. Without waiting, the reader would be done in this time, and see the old bar.
        now, thread = utc_now(), threading.Thread(target=read_now)
        thread.start()
        thread.join(0.2)
        threads.append(thread)
        return now

    threads = list[threading.Thread]()
    await reader.write(MINUTES, OLD)
    writer = PageBarStore(tmp_path, clock=clock)
    await writer.write(MINUTES, NEW)
    threads[0].join()
    await writer.close()
    await reader.close()
    assert seen == [200.0]


async def test_a_reader_of_an_older_moment_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    store = PageBarStore(tmp_path, clock=lambda: now[0])
    await store.write(MINUTES, OLD)
    now[0] += timedelta(days=1)
    with closing(sqlite3.connect(tmp_path / "synthetic/1m/2025-06.sqlite", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with anyio.fail_after(20):
            # A writer commits within half of this time after its moment.
            bars = await store.known_at(now[0] - timedelta(seconds=60)).read_session(MINUTES, JUNE_2)
        writer.execute("ROLLBACK")
    assert bars.equals(OLD)
    await store.close()


async def test_a_commit_too_long_after_its_moment_is_not_made(
    store: PageBarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.write(MINUTES, OLD)
    monkeypatch.setattr(moments, "MOST_COMMIT_S", -1.0)
    with pytest.raises(StoreError, match="between its moment and its commit") as failed:
        await store.write(MINUTES, NEW)
    assert failed.value.retryable
    assert (await read_day(store)).equals(OLD)


async def test_a_future_moment_is_refused(store: PageBarStore) -> None:
    with pytest.raises(InvalidRequest, match="or earlier"):
        reader_at(store, utc_now() + timedelta(minutes=1))
    with pytest.raises(InvalidRequest, match="expected a time with a zone"):
        reader_at(store, datetime(2026, 1, 1))  # noqa: DTZ001  the case


async def test_a_pinned_moment_reads_the_same_bars_after_a_correction(store: PageBarStore) -> None:
    await store.write(MINUTES, OLD)
    moment = pin_moment(store)
    assert moment is not None
    await store.write(MINUTES, NEW)

    assert (await read_day(reader_at(store, moment))).equals(OLD)
    assert pin_moment(store, moment) == moment


async def test_influxdb_refuses_a_moment_and_pins_none(tmp_path: Path) -> None:
    with fake_store(tmp_path) as server:
        with pytest.raises(InvalidRequest, match="InfluxDB overwrites a corrected bar"):
            reader_at(server, utc_now())
        assert pin_moment(server) is None
        assert reader_at(server, None) is server
        await server.close()

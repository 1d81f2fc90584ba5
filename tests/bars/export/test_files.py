"""Files hold what the store holds, under the provider's name, and are there whole or as they were."""

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from kaboom.bars.export.files import export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.plan import PlannedFile, Selection, newest_files, plan_file, plan_folder
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.store import BarStore
from kaboom.errors import InvalidRequest, StoreError
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from tests.fixtures.bars.kept_bars import read_series
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day

pytestmark = pytest.mark.anyio
DAYS = [date(2025, 10, 30), date(2025, 10, 31), date(2025, 11, 4)]
SYMBOLS = ["285A", "6758", "7203"]
ALL = Selection(MINUTES, date(2025, 1, 1), date(2025, 12, 31))
READERS = {"parquet": pl.read_parquet, "arrow": pl.read_ipc, "feather": pl.read_ipc}


@pytest.fixture
async def store() -> MemoryBarStore:
    store = MemoryBarStore()
    for seed, day in enumerate(DAYS):
        await store.write(MINUTES, full_day(SYMBOLS, day, seed))
        await store.write(DAILY, frame(bar("7203", at(day))))
    return store


def test_the_newest_month_may_have_its_first_day_alone() -> None:
    days = (date(2025, 11, 28), date(2025, 12, 1))
    november, december = (PlannedFile(Path("x"), Format.CSV, Selection(MINUTES, day, day), 1) for day in days)
    assert newest_files([november, december], 1) == [december]
    assert newest_files([november, december], 2) == [november, december]


def test_a_month_that_ends_with_its_first_day_is_one_of_the_newest() -> None:
    days = (date(2025, 10, 31), date(2025, 11, 1), date(2025, 12, 30))
    october, november, december = (PlannedFile(Path("x"), Format.CSV, Selection(MINUTES, day, day), 1) for day in days)
    assert newest_files([october, november, december], 2) == [november, december]


def without_labels(rows: pl.DataFrame, series: BarSeries = MINUTES) -> pl.DataFrame:
    assert set(rows.select("provider", "interval").rows()) == {(series.source, series.interval.value)}
    return rows.drop("provider", "interval")


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather", "csv"])
async def test_one_file_holds_all(store: BarStore, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"bars.{suffix}"
    seen: list[int] = []
    planned = await plan_file(store, ALL, path)
    (written,) = await export_files(store, planned, seen.append)
    assert (written.path, written.bars, written.bytes) == (path, 3 * 3 * 327, path.stat().st_size)
    assert planned[0].bars == written.bars
    assert seen == [981, 1962, 2943]
    if suffix == "csv":
        rows = pl.read_csv(path, schema_overrides={"symbol": pl.String, "flags": pl.UInt16})
        at_utc = pl.col("opened_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
        rows = rows.with_columns(at_utc, pl.col("open", "high", "low", "close").cast(pl.Float64))
    else:
        rows = READERS[suffix](path)
    bars = without_labels(rows)
    assert bars.equals(bars.sort(pl.col("opened_at").dt.date(), "symbol", "opened_at"))
    assert bars.sort("symbol", "opened_at").cast(BAR_SCHEMA).equals(await read_series(store, MINUTES))
    assert [p.name for p in path.parent.iterdir()] == [path.name], "something is left aside"


async def test_a_folder_gets_a_file_for_each_month(store: BarStore, tmp_path: Path) -> None:
    written = await export_files(store, await plan_folder(store, ALL, tmp_path, Format.PARQUET))
    names = [str(f.path.relative_to(tmp_path)) for f in written]
    assert names == ["synthetic/1m/2025-10.parquet", "synthetic/1m/2025-11.parquet"]
    assert [f.bars for f in written] == [2 * 981, 981]
    whole = pl.scan_parquet(tmp_path / "synthetic/1m/*.parquet").collect()
    assert without_labels(whole).sort("symbol", "opened_at").equals(await read_series(store, MINUTES))
    (newest,) = newest_files(await plan_folder(store, ALL, tmp_path, Format.CSV), 1)
    assert newest.path == tmp_path / "synthetic/1m/2025-11.csv"


@pytest.mark.parametrize("others", [0, 60])
async def test_symbols_and_sessions_are_chosen(store: BarStore, tmp_path: Path, others: int) -> None:
    # Few symbols are read one by one, many are picked out of whole sessions: nobody can tell.
    symbols = ("6758", "7203", *(f"9{n:03}" for n in range(others)))
    chosen = Selection(MINUTES, DAYS[1], DAYS[2], symbols)
    (file,) = await export_files(store, await plan_file(store, chosen, tmp_path / "some.parquet"))
    assert file.bars == 2 * 2 * 327
    rows = pl.read_parquet(file.path)
    assert rows.group_by("symbol", pl.col("opened_at").dt.date()).len().sort("symbol", "opened_at").rows() == [
        (symbol, day, 327) for symbol in ("6758", "7203") for day in DAYS[1:]
    ]
    assert rows["symbol"][:327].unique().to_list() == ["6758"]
    assert await plan_file(store, Selection(MINUTES, DAYS[0], DAYS[1], ("9999",)), file.path) == []


async def test_some_symbols_are_sorted_by_session_then_symbol(store: BarStore, tmp_path: Path) -> None:
    some = Selection(MINUTES, DAYS[0], DAYS[1], ("7203", "6758"))
    (file,) = await export_files(store, await plan_file(store, some, tmp_path / "some.parquet"))
    blocks = pl.read_parquet(file.path).select(pl.col("opened_at").dt.date(), "symbol")
    assert blocks.unique(maintain_order=True).rows() == [(d, s) for d in DAYS[:2] for s in ("6758", "7203")]
    assert blocks.height == 4 * 327


async def test_daily_bars_go_by_year_and_replace_the_files_of_its_months(store: BarStore, tmp_path: Path) -> None:
    next_year = date(2026, 1, 5)
    await store.write(DAILY, frame(bar("7203", at(next_year))))
    folder = tmp_path / "synthetic/1d"
    folder.mkdir(parents=True)
    # Of a month without bars in the year's file nothing is lost.
    strangers = {"2025-notes.txt", "2025-11.csv", "2024-12.parquet", "2025-09.parquet"}
    for name in (*strangers, "2025-10.parquet", "2025-11.parquet"):
        (folder / name).touch()
    daily = Selection(DAILY, date(2025, 1, 1), date(2026, 12, 31))
    planned = await plan_folder(store, daily, tmp_path, Format.PARQUET)
    written = await export_files(store, planned)
    assert [(f.path.name, f.bars) for f in written] == [("2025.parquet", 3), ("2026.parquet", 1)]
    assert without_labels(pl.read_parquet(written[0].path), DAILY)["opened_at"].dt.date().to_list() == DAYS
    assert {path.name for path in folder.iterdir()} == strangers | {"2025.parquet", "2026.parquet"}
    assert [file.path.stem for file in newest_files(planned, 2)] == ["2026"]
    assert [file.path.stem for file in newest_files(planned, 3)] == ["2025", "2026"]


async def test_a_file_that_its_user_names_replaces_no_other(store: BarStore, tmp_path: Path) -> None:
    (tmp_path / "bars-10.parquet").touch()
    await export_files(store, await plan_file(store, ALL, tmp_path / "bars.parquet"))
    assert (tmp_path / "bars-10.parquet").exists()


async def test_what_other_tools_need_stands_in_the_file(store: BarStore, tmp_path: Path) -> None:
    (file,) = await export_files(store, await plan_file(store, ALL, tmp_path / "bars.parquet"))
    schema = pq.read_schema(file.path)
    assert str(schema.field("opened_at").type) == "timestamp[us, tz=UTC]"
    assert [str(schema.field(n).type) for n in ("open", "volume", "flags")] == ["double", "int64", "uint16"]


async def test_csv_file_holds_no_formula(tmp_path: Path) -> None:
    store = MemoryBarStore()
    for start in "=+-@\t\r":
        await store.write(MINUTES, frame(bar(f"{start}1+2", at(DAYS[0]))))
    path = tmp_path / "bars.csv"
    await export_files(store, await plan_file(store, ALL, path))
    symbols = pl.read_csv(path)["symbol"].to_list()
    assert sorted(symbols) == sorted(f"'{start}1+2" for start in "=+-@\t\r")


async def test_old_files_stay_until_the_new_one_is_in_place(store: BarStore, tmp_path: Path) -> None:
    folder = tmp_path / "synthetic/1d"
    # A folder where the new file goes, so that it cannot be put in place.
    (folder / "2025.parquet" / "full").mkdir(parents=True)
    (folder / "2025-10.parquet").write_bytes(b"the old one")
    daily = Selection(DAILY, date(2025, 1, 1), date(2025, 12, 31))
    planned = await plan_folder(store, daily, tmp_path, Format.PARQUET)
    with pytest.raises(OSError, match=r"2025\.parquet"):
        await export_files(store, planned)
    assert (folder / "2025-10.parquet").read_bytes() == b"the old one"


class Broken(MemoryBarStore):
    """A store that fails in the middle of an export."""

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        """Give the first session alone."""
        if session > DAYS[0]:
            raise StoreError("the disk is gone")
        return await super().read_session(series, session)


async def test_what_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    store = Broken()
    for day in DAYS:
        await store.write(MINUTES, full_day(SYMBOLS, day))
    path = tmp_path / "bars.parquet"
    path.write_bytes(b"the old one")
    with pytest.raises(StoreError, match="the disk is gone"):
        await export_files(store, await plan_file(store, ALL, path))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"the old one"]  # noqa: ASYNC240  one small file


@pytest.mark.parametrize("name", ["bars.xlsx", "bars", "bars.parquet.gz"])
async def test_a_suffix_of_no_format_is_refused(store: BarStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"expected a suffix of \.parquet, \.csv"):
        await plan_file(store, ALL, tmp_path / name)


async def test_days_out_of_order_are_refused(store: BarStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=f"first was {DAYS[1]} and last {DAYS[0]}, expected them in order"):
        await plan_folder(store, Selection(MINUTES, DAYS[1], DAYS[0]), tmp_path, Format.CSV)

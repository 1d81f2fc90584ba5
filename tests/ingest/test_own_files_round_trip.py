"""Real daily bars go in as a file and come out as files, bit for bit, whoever reads them."""

import gzip
from collections.abc import Callable
from datetime import date
from importlib.resources import files
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from kaboom.bars.export.files import export_files
from kaboom.bars.export.plan import Selection, plan_file
from kaboom.bars.open import build_bar_store
from kaboom.domain_settings import BatchSettings
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome

pytestmark = pytest.mark.anyio
DAYS = BarSeries("file", Interval.D1)
COLUMNS = ["symbol", "day", "open", "high", "low", "close", "volume"]
SPAN = date(2012, 10, 1), date(2012, 11, 30)


def read_pandas(path: Path) -> pl.DataFrame:
    read = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return pl.DataFrame({name: read[name].to_list() for name in read.columns})


def read_polars(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)


def read_duckdb(path: Path) -> pl.DataFrame:
    read = duckdb.read_parquet if path.suffix == ".parquet" else duckdb.read_csv
    frame: pl.DataFrame = read(str(path)).pl()
    return frame


def in_order(rows: pl.DataFrame, opened: str) -> pl.DataFrame:
    day = pl.col(opened).cast(pl.String).str.slice(0, 10).alias("day")
    typed = rows.with_columns(day, pl.col("volume").cast(pl.Int64))
    return typed.select(COLUMNS).sort("symbol", "day")


async def test_a_rejected_row_names_its_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "more").mkdir(parents=True)
    lines = ["Date,Open,High,Low,Close,Volume", "2024-11-01,1,2,1,2,100", "2024-11-05,1,2,1,oops,100"]
    (folder / "7203.csv").write_text("\n".join(lines))
    (folder / "more" / "6758.csv").write_text("\n".join([*lines[:2], "2024-11-05,1,2,3,2,100", ""]))
    settings = BatchSettings(data_dir=tmp_path / "data", provider="file", file_dir=folder, bar_store="pages")
    await run_daily_ingest(IngestRequest(intervals={Interval.D1: 5}, provider="file"), settings=settings)
    store = build_bar_store(settings)
    rejected = await store.read_quarantine(DAYS)
    await store.close()
    assert rejected["symbol", "reason", "file", "line"].rows() == [
        ("6758", "ohlc_order", "more/6758.csv", 3),
        ("7203", "bad_price", "7203.csv", 3),
    ]


async def test_a_file_of_decimal_commas_stores_nothing_and_is_not_ok(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    days = [f"2024-11-{day:02};2504,0;2550,5;2480,0;2504,5;1.000" for day in range(5, 9)]
    (folder / "7203.csv").write_text("\n".join(["Date;Open;High;Low;Close;Volume", *days]))
    minutes = [f"7011,2024-11-05 00:0{minute}:00,1,2,1,2,9" for minute in range(3)]
    (folder / "all.csv").write_text("\n".join(["symbol,timestamp,open,high,low,close,volume", *minutes]))
    settings = BatchSettings(data_dir=tmp_path / "data", provider="file", file_dir=folder, bar_store="pages")
    report = await run_daily_ingest(IngestRequest(intervals={Interval.D1: 9}, provider="file"), settings=settings)
    found = {each.symbol: (each.outcome, each.rows, each.message.partition(",")[0]) for each in report.outcomes}
    assert found == {"7011": (Outcome.INVALID, 0, "all.csv"), "7203": (Outcome.INVALID, 0, "7203.csv")}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("read", [read_pandas, read_polars, read_duckdb])
async def test_real_days_come_out_as_they_went_in(
    tmp_path: Path, suffix: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    packed = (files("bokeh_sampledata") / "_data" / "stocks.csv.gz").read_bytes()
    (folder / "stocks.csv.gz").write_bytes(packed)
    settings = BatchSettings(data_dir=tmp_path / "data", provider="file", file_dir=folder, bar_store="pages")
    report = await run_daily_ingest(IngestRequest(intervals={Interval.D1: 5_000}, provider="file"), settings=settings)
    store = build_bar_store(settings)
    (planned,) = await plan_file(store, Selection(DAYS, *SPAN), tmp_path / f"bars{suffix}")
    await export_files(store, [planned])
    await store.close()
    source = pl.read_csv(gzip.decompress(packed)).rename(str.lower).rename({"ticker": "symbol"})
    given = in_order(source, "date")
    wanted = given.filter(pl.col("day").is_between(pl.lit(str(SPAN[0])), pl.lit(str(SPAN[1]))))
    assert report.rows == given.height == 12_154
    assert wanted.height == 5 * 42
    assert in_order(read(planned.path), "opened_at").equals(wanted)

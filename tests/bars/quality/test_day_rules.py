"""Closes that are wrong for a day, and volumes that do not fit: how many of real bars are found, also wrongly."""

import gzip
from datetime import UTC, date, datetime
from importlib.resources import files
from itertools import cycle
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.quality.checks import QualityContext, check_bars
from kaboom.market.bar import RAW_BAR_SCHEMA, BarFlag
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from tests.fixtures.bars.raw_bars import asking

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "quality.md"
#: One bar in so many is changed.
EACH = 25
WRONG = pl.int_range(pl.len()) % EACH == EACH - 1


@pytest.fixture(scope="module")
def real() -> pl.DataFrame:
    """12,154 real daily bars of five shares, as they came."""
    packed = (files("bokeh_sampledata") / "_data" / "stocks.csv.gz").read_bytes()
    rows = pl.read_csv(gzip.decompress(packed)).rename(str.lower).rename({"ticker": "symbol", "date": "opened_at"})
    rows = rows.with_columns(pl.col("opened_at").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC"))
    typed = rows.select(pl.col(name).cast(kind) for name, kind in RAW_BAR_SCHEMA.items())
    return typed.sort("symbol", "opened_at")


def asked_of(rows: pl.DataFrame, market: Market = Market.FILE, interval: Interval = Interval.D1) -> QualityContext:
    days: list[date] = sorted(rows["opened_at"].dt.date().unique().to_list())
    return asking(set(rows["symbol"]), days, interval=interval, market=market)


def flagged(rows: pl.DataFrame, flag: BarFlag, market: Market = Market.FILE) -> pl.Series:
    bars = check_bars(rows, asked_of(rows, market)).bars
    assert bars.height == rows.height
    return (bars["flags"] & flag.value) != 0


def with_closes(rows: pl.DataFrame) -> pl.DataFrame:
    factors = cycle([1.08, 0.92])
    wrong = rows.select(WRONG).to_series()
    closes = [close * next(factors) if bad else close for close, bad in zip(rows["close"], wrong, strict=True)]
    return rows.with_columns(close=pl.Series(closes)).with_columns(
        high=pl.max_horizontal("high", "close"), low=pl.min_horizontal("low", "close")
    )


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ("close times 1.08 or 0.92", BarFlag.SPIKE),
        ("volume times 1,000", BarFlag.VOLUME_JUMP),
        ("volume 0", BarFlag.NO_VOLUME),
    ],
)
def test_what_is_found_is_what_the_page_says(real: pl.DataFrame, changed: str, flag: BarFlag) -> None:
    clean = int(flagged(real, flag).sum())
    wrong = {
        BarFlag.SPIKE: with_closes(real),
        BarFlag.VOLUME_JUMP: real.with_columns(
            volume=pl.when(WRONG).then(pl.col("volume") * 1_000).otherwise("volume")
        ),
        BarFlag.NO_VOLUME: real.with_columns(volume=pl.when(WRONG).then(0.0).otherwise("volume")),
    }[flag]
    is_wrong, found = wrong.select(WRONG).to_series(), flagged(wrong, flag)
    caught, planted = (found & is_wrong).arg_true().len(), is_wrong.arg_true().len()
    suspected = (found & ~is_wrong).arg_true().len()
    caught_of = f"{caught / planted:.1%} of {planted:,}"
    good = f"{suspected / (real.height - planted):.3%}"
    came = f"{clean} of {real.height:,}" if clean else "0"
    assert (
        f"| {changed} | `{flag.name.lower() if flag.name else ''}` | {caught_of} | {good} | {came} |"
        in PAGE.read_text()
    )


def bars_of(closes: list[float], volumes: list[float]) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        ("AAA", start.replace(day=n + 1), close, close + 1, close - 1, close, volume)
        for n, (close, volume) in enumerate(zip(closes, volumes, strict=True))
    ]
    return pl.DataFrame(rows, schema=RAW_BAR_SCHEMA, orient="row")


def test_a_symbol_of_files_without_any_volume_is_not_flagged() -> None:
    nothing = bars_of([100.0] * 12, [0.0] * 12)
    assert not flagged(nothing, BarFlag.NO_VOLUME).any()
    assert flagged(bars_of([100.0] * 12, [0.0] + [5.0] * 11), BarFlag.NO_VOLUME).to_list() == [True] + [False] * 11


@pytest.mark.parametrize("days", [1, 2, 3, 5])
def test_volumes_of_another_unit_are_flagged_on_each_of_their_days(days: int) -> None:
    bars = bars_of([100.0] * (20 + days), [5.0] * 10 + [5_000.0] * days + [5.0] * 10)
    assert flagged(bars, BarFlag.VOLUME_JUMP).arg_true().to_list() == list(range(10, 10 + days))


def test_a_close_that_stays_is_no_spike() -> None:
    steady = [100.0] * 11
    volumes = [5.0] * 23
    there_and_back = bars_of([*steady, 109.0, *steady], volumes)
    assert flagged(there_and_back, BarFlag.SPIKE).arg_true().to_list() == [11]
    assert not flagged(bars_of([*steady, 109.0, *([109.0] * 11)], volumes), BarFlag.SPIKE).any()


def test_a_close_among_moving_days_is_no_spike() -> None:
    moving = [100.0, 103.0] * 6
    assert not flagged(bars_of([*moving, 109.0, *moving], [5.0] * 25), BarFlag.SPIKE).any()

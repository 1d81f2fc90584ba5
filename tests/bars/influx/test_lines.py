"""Bars as line protocol: what a strict reader of it gets back is what was written."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.bars.influx.layout import InfluxBuckets, bar_lines, quarantine_lines, series_tags
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day, refused
from tests.fixtures.influx.fake_influx_lines import parse_line
from tests.fixtures.repo.repository import load_text

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_a_line_is_as_the_reference_page_says() -> None:
    rows = frame(bar("7203", at(JUNE_2, 1), 2850.5, volume=1200, flags=16))
    (line,) = bar_lines(MINUTES, rows).to_list()
    assert f"```\n{line}\n```" in load_text("docs/reference/influxdb-layout.md")


def test_the_measurement_names_the_interval() -> None:
    (line,) = bar_lines(DAILY, frame(bar("285A", at(JUNE_2)))).to_list()
    assert line.startswith("ohlcv_1d,")


@given(prices=st.lists(FINITE, min_size=4, max_size=4), volume=st.integers(0, 2**53), flags=st.integers(0, 65_535))
def test_every_number_reads_back_as_itself(prices: list[float], volume: int, flags: int) -> None:
    (line,) = bar_lines(MINUTES, frame(("7203", at(JUNE_2), *prices, volume, flags))).to_list()
    point = parse_line(line)
    assert [point.fields[n] for n in ("open", "high", "low", "close")] == prices
    assert point.fields["volume"] == float(volume)
    assert isinstance(point.fields["volume"], float)
    assert point.fields["flags"] == flags
    assert point.time == at(JUNE_2).timestamp()


def test_a_volume_that_a_float_would_round_is_refused() -> None:
    with pytest.raises(StoreError, match="volume"):
        bar_lines(MINUTES, frame(bar("7203", at(JUNE_2), volume=2**53 + 1)))


def test_every_bar_of_a_day_is_one_line() -> None:
    bars = full_day(["1301", "7203"], JUNE_2)
    points = [parse_line(line) for line in bar_lines(MINUTES, bars).to_list()]
    assert [(dict(p.tags)["symbol"], p.time * 1_000_000) for p in points] == list(
        bars.select("symbol", pl.col("opened_at").to_physical()).iter_rows()
    )


@given(symbol=st.text(), reason=st.text(min_size=1))
def test_a_refused_row_is_a_line_whatever_its_symbol(symbol: str, reason: str) -> None:
    row = refused((symbol, at(JUNE_2) + timedelta(microseconds=7), 1.0, None, -3.5, 4.0, 0.5, reason))
    (line,) = quarantine_lines(MINUTES, row).to_list()
    assert "\n" not in line
    assert parse_line(line).time == at(JUNE_2).timestamp() * 1_000_000 + 7


def test_a_row_without_a_time_is_not_that_of_1970() -> None:
    rows = refused(
        ("7203", None, 1.0, 1.0, 1.0, 1.0, 1.0, "no_time"),
        ("7203", datetime(1970, 1, 1, tzinfo=UTC), 1.0, 1.0, 1.0, 1.0, 1.0, "no_time"),
    )
    one, other = (parse_line(line) for line in quarantine_lines(MINUTES, rows).to_list())
    assert one.time == other.time == 0
    assert one.tags != other.tags


def test_what_files_hold_is_not_called_tokyo_or_yen() -> None:
    assert series_tags(BarSeries("file", Interval.M1)) == {"currency": "XXX", "exchange": "FILE", "source": "file"}


def test_every_interval_has_its_bucket() -> None:
    buckets = InfluxBuckets("raw", "agg", "day")
    assert [buckets.of(i) for i in Interval] == ["raw", "agg", "agg", "agg", "day"]
    assert InfluxBuckets("one", "one", "one").names() == ("one",)

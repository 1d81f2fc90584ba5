"""Longer bars from minutes: exact, whole, and the same whichever way they are made."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from kaboom.market.bar import BAR_SCHEMA, BarFlag, empty_bars
from kaboom.market.calendar import grid, minute_grid
from kaboom.market.interval import Interval
from kaboom.market.roll_up import compare_days, flag_days, roll_up_bars
from kaboom.providers.synthetic.generator import aggregate_minutes
from kaboom.providers.synthetic.minutes import BarColumns
from tests.fixtures.bars.stored_bars import at, bar, frame

#: The day before the afternoon was lengthened, and the day from which it is.
BEFORE, SINCE = date(2024, 11, 1), date(2024, 11, 5)
STEPS = [
    (Interval.M5, Interval.H1),
    (Interval.M5, Interval.M15),
    (Interval.M15, Interval.H1),
    (Interval.H1, Interval.D1),
]


def reduced(bars: pl.DataFrame, interval: Interval) -> list[tuple[object, ...]]:
    """Return longer bars as the synthetic provider once made them, by numpy's reduceat over sorted minutes."""
    rows = bars.sort("symbol", "opened_at")
    stamps = rows["opened_at"].to_physical().to_numpy() // 1_000_000
    stamps -= stamps % interval.seconds
    turns = (rows["symbol"].to_numpy()[1:] != rows["symbol"].to_numpy()[:-1]) | (np.diff(stamps) != 0)
    starts = np.flatnonzero(np.append(True, turns))
    ends = np.append(starts[1:], rows.height) - 1
    columns = {name: rows[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    return list(
        zip(
            rows["symbol"].gather(starts),
            stamps[starts].tolist(),
            columns["open"][starts].tolist(),
            np.maximum.reduceat(columns["high"], starts).tolist(),
            np.minimum.reduceat(columns["low"], starts).tolist(),
            columns["close"][ends].tolist(),
            np.add.reduceat(columns["volume"], starts).tolist(),
            strict=True,
        )
    )


@st.composite
def minutes(draw: st.DrawFn) -> pl.DataFrame:
    """Some minutes of one or two sessions of some symbols, in any order."""
    stamps = [*minute_grid(BEFORE), *minute_grid(SINCE)]
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["1301", "7203", "285A"]),
                st.sampled_from(stamps),
                st.tuples(*[st.integers(1, 900_000)] * 4),
                st.integers(0, 10**12),
                st.integers(0, 1023),
            ),
            unique_by=lambda row: row[:2],
            max_size=120,
        )
    )
    return frame(
        *(
            (
                symbol,
                datetime.fromtimestamp(stamp, UTC),
                o / 10,
                max(o, h, low, c) / 10,
                min(o, h, low, c) / 10,
                c / 10,
                v,
                f,
            )
            for symbol, stamp, (o, h, low, c), v, f in rows
        )
    )


@pytest.mark.parametrize(("middle", "longer"), STEPS)
@given(bars=minutes())
def test_every_path_of_rolling_up_gives_the_same_bars(middle: Interval, longer: Interval, bars: pl.DataFrame) -> None:
    assert_frame_equal(roll_up_bars(roll_up_bars(bars, middle), longer), roll_up_bars(bars, longer), check_exact=True)


@pytest.mark.parametrize("interval", [*Interval])
@given(bars=minutes())
def test_nothing_is_lost_and_nothing_is_made_up(interval: Interval, bars: pl.DataFrame) -> None:
    longer = roll_up_bars(bars, interval)
    assert longer.schema == BAR_SCHEMA
    key = ("symbol", pl.col("opened_at").dt.date())
    whole = [pl.col("volume").sum(), pl.col("high").max(), pl.col("low").min(), pl.col("flags").bitwise_or()]
    assert_frame_equal(longer.group_by(*key).agg(whole), bars.group_by(*key).agg(whole), check_row_order=False)
    assert longer.height <= bars.height
    assert longer.is_sorted(["symbol", "opened_at"])
    assert longer.select("symbol", "opened_at").is_unique().all()


@given(bars=minutes())
def test_minutes_of_minutes_are_the_same(bars: pl.DataFrame) -> None:
    assert_frame_equal(roll_up_bars(bars, Interval.M1), bars.sort("symbol", "opened_at"))


@pytest.mark.parametrize("session", [BEFORE, SINCE])
@pytest.mark.parametrize("interval", [*Interval])
def test_a_full_session_stands_on_the_grid(session: date, interval: Interval) -> None:
    stamps = [datetime.fromtimestamp(stamp, UTC) for stamp in minute_grid(session)]
    longer = roll_up_bars(frame(*(bar("7203", stamp) for stamp in stamps)), interval)
    assert [int(stamp.timestamp()) for stamp in longer["opened_at"]] == list(grid(session, interval))


@pytest.mark.parametrize("interval", [Interval.M5, Interval.M15, Interval.H1])
def test_no_bar_holds_both_halves(interval: Interval) -> None:
    noon = int(at(SINCE, 180).timestamp())
    halves = [
        {stamp - stamp % interval.seconds for stamp in half}
        for half in ([s for s in minute_grid(SINCE) if s < noon], [s for s in minute_grid(SINCE) if s >= noon])
    ]
    assert halves[0].isdisjoint(halves[1])


def test_the_auctions_end_their_halves() -> None:
    day = frame(bar("7203", at(SINCE, 0), 100), bar("7203", at(SINCE, 150), 101), bar("7203", at(SINCE, 390), 102))
    assert roll_up_bars(day, Interval.M5)["opened_at"].to_list() == [at(SINCE, 0), at(SINCE, 150), at(SINCE, 390)]
    assert roll_up_bars(day, Interval.H1)["opened_at"].to_list() == [at(SINCE, 0), at(SINCE, 120), at(SINCE, 360)]
    assert roll_up_bars(day, Interval.D1).rows() == [("7203", at(SINCE), 99.0, 104.0, 97.0, 102.0, 300, 0)]


def test_no_bars_give_none() -> None:
    assert_frame_equal(roll_up_bars(empty_bars(), Interval.H1), empty_bars())


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_a_day_that_differs_in_one_value_is_found_and_flagged(name: str) -> None:
    ours = frame(bar("7203", at(BEFORE), flags=8), bar("7203", at(SINCE)), bar("9984", at(SINCE)))
    theirs = ours.head(2).with_columns(pl.when(opened_at=at(BEFORE)).then(pl.col(name) + 1).otherwise(pl.col(name)))
    found = compare_days(ours, theirs)
    assert found.select("symbol", "opened_at").rows() == [("7203", at(BEFORE))]
    assert found[f"their_{name}"][0] - found[name][0] == 1
    assert flag_days(ours, found)["flags"].to_list() == [8 | BarFlag.DAY_DIFFERS, 0, 0]


def test_days_that_only_one_side_has_do_not_differ() -> None:
    one, other = frame(bar("7203", at(SINCE))), frame(bar("7203", at(BEFORE), 7), bar("9984", at(SINCE), 7))
    assert compare_days(one, other).is_empty()


@given(minutes(), st.sampled_from([Interval.M5, Interval.M15, Interval.H1]))
def test_one_roll_up_gives_what_the_synthetic_provider_made(bars: pl.DataFrame, interval: Interval) -> None:
    if bars.is_empty():
        return
    expected = reduced(bars, interval)
    longer = roll_up_bars(bars, interval)
    stamped = longer.with_columns(pl.col("opened_at").to_physical() // 1_000_000).drop("flags")
    assert stamped.rows() == expected
    symbols = sorted(bars["symbol"].unique())
    rows = bars.sort("symbol", "opened_at")
    numbers = rows["symbol"].replace_strict(symbols, list(range(len(symbols))), return_dtype=pl.Int64).to_numpy()
    stamps = rows["opened_at"].to_physical().to_numpy() // 1_000_000
    values = [rows[name].cast(pl.Float64).to_numpy() for name in ("open", "high", "low", "close", "volume")]
    made = aggregate_minutes(BarColumns(numbers, stamps, *values), interval)
    columns = (made.stamp, made.open, made.high, made.low, made.close, made.volume)
    named = zip((symbols[row] for row in made.row), *(column.tolist() for column in columns), strict=True)
    assert list(named) == expected

"""The hard quality rules refuse what cannot be a bar, and pass everything else whole and sorted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from kaboom.bars.quality.checks import Checked, check_bars
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.errors import ProviderError
from kaboom.market.bar import BAR_SCHEMA, RAW_BAR_SCHEMA, BarFlag
from kaboom.market.calendar import grid, minute_grid
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from tests.fixtures.bars.raw_bars import NOW, SESSIONS, asking, clean_session, raw_bar, raw_frame

FIRST, SECOND = SESSIONS
STAMPS = minute_grid(FIRST)


def reasons(checked: Checked) -> list[str]:
    return checked.quarantined["reason"].to_list()


def check_one(row: dict[str, Any], **asked: Any) -> Checked:
    return check_bars(raw_frame([row]), asking(**asked))


@pytest.mark.parametrize("interval", Interval)
def test_clean_sessions_pass_whole_sorted_and_without_a_flag(interval: Interval) -> None:
    rows = [row for s in ("9984", "7203") for day in SESSIONS for row in clean_session(s, day, interval=interval)]
    shuffled = raw_frame(rows).sample(fraction=1, shuffle=True, seed=7)
    checked = check_bars(shuffled, asking(("7203", "9984"), interval=interval))
    assert checked.bars.schema == BAR_SCHEMA
    assert checked.quarantined.schema == QUARANTINE_SCHEMA
    assert checked.quarantined.height == 0
    assert dict(checked.flags) == {}
    expected = raw_frame(rows).sort("symbol", "opened_at").with_columns(pl.col("volume").cast(pl.Int64))
    assert checked.bars.drop("flags").equals(expected)
    assert checked.bars["flags"].unique().to_list() == [0]


def test_a_sorted_frame_gives_the_same_as_a_shuffled_one() -> None:
    rows = raw_frame(clean_session("7203", FIRST) + clean_session("9984", FIRST))
    asked = asking(("7203", "9984"))
    mixed = check_bars(rows.reverse(), asked)
    assert check_bars(rows, asked).bars.equals(mixed.bars)


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf"), 0.0, -1.0])
def test_a_bad_price_is_refused(column: str, value: float | None) -> None:
    assert reasons(check_one(raw_bar("7203", STAMPS[0], **{column: value}))) == ["bad_price"]


@pytest.mark.parametrize(
    "values",
    [{"high": 1999.0}, {"low": 2001.0}, {"open": 2001.0}, {"close": 1999.0}, {"high": 1.0, "low": 3000.0}],
)
def test_prices_out_of_order_are_refused(values: dict[str, float]) -> None:
    assert reasons(check_one(raw_bar("7203", STAMPS[0], **values))) == ["ohlc_order"]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -100.0, 0.5, 1e300])
def test_a_bad_volume_is_refused(value: float | None) -> None:
    assert reasons(check_one(raw_bar("7203", STAMPS[0], volume=value))) == ["bad_volume"]


def test_a_volume_of_nothing_is_a_volume() -> None:
    assert check_one(raw_bar("7203", STAMPS[0], volume=0.0)).bars["volume"].to_list() == [0]


@pytest.mark.parametrize("clock", ["08:59", "11:31", "12:29", "15:25", "15:29", "15:31", "20:00"])
def test_a_minute_without_trading_is_off_the_grid(clock: str) -> None:
    at = datetime.fromisoformat(f"{FIRST}T{clock}+09:00")
    assert reasons(check_one(raw_bar("7203", at))) == ["off_grid"]


@pytest.mark.parametrize("clock", ["09:00", "11:29", "11:30", "12:30", "15:24", "15:30"])
def test_a_minute_of_trading_and_an_auction_are_on_the_grid(clock: str) -> None:
    at = datetime.fromisoformat(f"{FIRST}T{clock}+09:00")
    assert check_one(raw_bar("7203", at)).bars["opened_at"].to_list() == [at.astimezone(UTC)]


@pytest.mark.parametrize(
    ("session", "clock", "refused"),
    [("2024-11-01", "15:00", []), ("2024-11-01", "15:30", ["off_grid"]), ("2024-11-05", "15:00", [])],
)
def test_the_grid_is_that_of_the_day(session: str, clock: str, refused: list[str]) -> None:
    at = datetime.fromisoformat(f"{session}T{clock}+09:00")
    assert reasons(check_one(raw_bar("7203", at), sessions=(date.fromisoformat(session),))) == refused


@pytest.mark.parametrize(
    ("interval", "shift_s"),
    [(Interval.M1, 1), (Interval.M5, 60), (Interval.M15, 300), (Interval.H1, 60), (Interval.D1, -32_400)],
)
def test_a_bar_out_of_line_is_off_the_grid(interval: Interval, shift_s: int) -> None:
    stamp = grid(SECOND, interval)[0]
    good = check_one(raw_bar("7203", stamp), interval=interval)
    shifted = check_one(raw_bar("7203", stamp + shift_s), interval=interval)
    assert (reasons(good), good.bars.height) == ([], 1)
    assert reasons(shifted) == (["closed_day"] if interval is Interval.D1 else ["off_grid"])


def test_a_microsecond_is_enough_to_be_off_the_grid() -> None:
    at = datetime.fromtimestamp(STAMPS[5], UTC) + timedelta(microseconds=1)
    assert reasons(check_one(raw_bar("7203", at))) == ["off_grid"]


def test_a_row_without_a_time_is_off_the_grid() -> None:
    checked = check_one(raw_bar("7203", None))
    assert reasons(checked) == ["off_grid"]
    assert checked.quarantined["opened_at"].to_list() == [None]


@pytest.mark.parametrize(
    ("interval", "clock", "now", "refused"),
    [
        (Interval.M1, "10:00", "10:00:59", ["future"]),
        (Interval.M1, "10:00", "10:01", []),
        (Interval.M1, "15:30", "15:30", []),
        (Interval.H1, "15:00", "15:29", ["future"]),
        (Interval.H1, "15:00", "15:30", []),
        (Interval.D1, "09:00", "15:29", ["future"]),
        (Interval.D1, "09:00", "15:30", []),
        (Interval.M1, "23:00", "15:30", ["future"]),
    ],
)
def test_a_bar_that_is_not_over_is_of_the_future(interval: Interval, clock: str, now: str, refused: list[str]) -> None:
    at = datetime.fromisoformat(f"{SECOND}T{clock}+09:00")
    checked = check_one(raw_bar("7203", at), interval=interval, now=datetime.fromisoformat(f"{SECOND}T{now}+09:00"))
    assert reasons(checked) == refused


def test_future_days_and_unrequested_days_are_rejected() -> None:
    assert reasons(check_one(raw_bar("7203", NOW + timedelta(days=1)))) == ["future"]
    assert reasons(check_one(raw_bar("7203", STAMPS[0]), sessions=(SECOND,))) == ["closed_day"]
    assert reasons(check_one(raw_bar("7203", STAMPS[0]), sessions=())) == ["closed_day"]


def test_a_holiday_has_no_bars_even_if_it_was_asked_for() -> None:
    holiday = date(2026, 11, 3)
    at = datetime(2026, 11, 3, 1, tzinfo=UTC)
    assert reasons(check_one(raw_bar("7203", at), sessions=(holiday,))) == ["closed_day"]
    assert reasons(check_one(raw_bar("SPY", at), symbols=("SPY",), sessions=(holiday,), market=Market.FILE)) == []


@pytest.mark.parametrize("symbol", ["9984", "7203.T", "", None])
def test_a_symbol_not_asked_for_is_wrong(symbol: str | None) -> None:
    checked = check_one(raw_bar("7203", STAMPS[0]) | {"symbol": symbol})
    assert reasons(checked) == ["wrong_symbol"]
    assert checked.quarantined["symbol"].to_list() == [symbol or ""]


def test_a_row_without_values_says_no_trades_and_leaves_no_trace() -> None:
    empty = raw_bar("7203", STAMPS[0], None, volume=None)
    nan = raw_bar("7203", STAMPS[1], float("nan"), volume=float("nan"))
    checked = check_bars(raw_frame([empty, nan, raw_bar("7203", STAMPS[2])]), asking())
    assert (checked.bars.height, checked.quarantined.height) == (1, 0)


def test_exact_copies_collapse_in_silence() -> None:
    checked = check_bars(raw_frame([raw_bar("7203", STAMPS[0])] * 3), asking())
    assert (checked.bars.height, checked.quarantined.height, dict(checked.flags)) == (1, 0, {})


def test_of_two_bars_with_other_values_the_last_is_kept_and_flagged() -> None:
    rows = [
        raw_bar("7203", STAMPS[1], 2002.0),
        raw_bar("7203", STAMPS[0], 2000.0),
        raw_bar("7203", STAMPS[0], 2001.0),
        raw_bar("7203", STAMPS[0], 2000.0),
        raw_bar("7203", STAMPS[0], 2000.0, volume=200.0),
    ]
    checked = check_bars(raw_frame(rows), asking())
    assert checked.bars["volume"].to_list() == [200, 100]
    assert checked.bars["flags"].to_list() == [BarFlag.DUPLICATE, 0]
    assert reasons(checked) == ["duplicate"] * 3
    assert checked.quarantined["open"].to_list() == [2000.0, 2001.0, 2000.0]
    assert dict(checked.flags) == {"duplicate": 1}


def test_each_loser_is_judged_by_the_winner_of_its_own_bar() -> None:
    rows = [
        raw_bar("7203", STAMPS[0], 2000.0),
        raw_bar("7203", STAMPS[1], 2001.0),
        raw_bar("7203", STAMPS[1], 2001.0),
        raw_bar("7203", STAMPS[2], 2003.0),
        raw_bar("7203", STAMPS[2], 2000.0),
    ]
    checked = check_bars(raw_frame(rows), asking())
    assert checked.bars["flags"].to_list() == [0, 0, BarFlag.DUPLICATE]
    assert checked.quarantined["open"].to_list() == [2003.0]


def test_the_last_of_many_wins_however_many_there_are() -> None:
    rows = [raw_bar("7203", stamp, 2000.0 + turn) for turn in range(50) for stamp in STAMPS[:20]]
    checked = check_bars(raw_frame(rows), asking())
    assert checked.bars["close"].to_list() == [2049.0] * 20
    assert checked.quarantined.height == 49 * 20


def test_a_refused_row_never_displaces_a_good_one() -> None:
    rows = [raw_bar("7203", STAMPS[0]), raw_bar("7203", STAMPS[0], high=1.0)]
    checked = check_bars(raw_frame(rows), asking())
    assert (checked.bars.height, reasons(checked), dict(checked.flags)) == (1, ["ohlc_order"], {})


def test_refused_rows_come_as_they_were_and_in_their_order() -> None:
    rows = [
        raw_bar("7203", STAMPS[3], -1.0),
        raw_bar("9984", STAMPS[2]),
        raw_bar("7203", STAMPS[1]),
        raw_bar("7203", STAMPS[0], volume=-5.0),
    ]
    checked = check_bars(raw_frame(rows), asking())
    assert reasons(checked) == ["bad_price", "wrong_symbol", "bad_volume"]
    assert checked.quarantined.drop("reason", "file", "line").equals(raw_frame([rows[0], rows[1], rows[3]]))


def test_an_empty_frame_gives_empty_frames() -> None:
    checked = check_bars(pl.DataFrame(schema=RAW_BAR_SCHEMA), asking())
    assert (checked.bars.schema, checked.bars.height) == (BAR_SCHEMA, 0)
    assert (checked.quarantined.schema, checked.quarantined.height) == (QUARANTINE_SCHEMA, 0)


def test_columns_may_come_in_any_order_but_not_with_other_types() -> None:
    rows = raw_frame(clean_session("7203", FIRST))
    assert check_bars(rows.select(reversed(rows.columns)), asking()).bars.schema == BAR_SCHEMA
    naive = rows.with_columns(pl.col("opened_at").dt.replace_time_zone(None))
    for wrong in (naive, rows.drop("open"), rows.with_columns(pl.col("volume").cast(pl.Int64))):
        with pytest.raises(ProviderError, match="expected"):
            check_bars(wrong, asking())


def test_the_input_is_left_as_it_was() -> None:
    rows = raw_frame([*clean_session("7203", FIRST), raw_bar("7203", STAMPS[0], -1.0)])
    copy = rows.clone()
    check_bars(rows, asking())
    assert rows.equals(copy)


def test_a_file_may_hold_any_minute_of_the_day_but_only_whole_ones() -> None:
    asked = asking(("SPY",), market=Market.FILE)
    opened = datetime(2026, 11, 13, 20, 59, tzinfo=UTC)
    rows = [raw_bar("SPY", opened, 412.37), raw_bar("SPY", opened + timedelta(seconds=30), 412.37)]
    checked = check_bars(raw_frame(rows), asked)
    assert (checked.bars.height, reasons(checked), dict(checked.flags)) == (1, ["off_grid"], {})


@pytest.mark.parametrize(("now_s", "refused"), [(59, ["future"]), (60, [])])
def test_a_minute_of_a_file_is_over_after_a_minute(now_s: int, refused: list[str]) -> None:
    opened = datetime(2026, 11, 16, 20, 59, tzinfo=UTC)
    asked = {"symbols": ("SPY",), "market": Market.FILE, "now": opened + timedelta(seconds=now_s)}
    assert reasons(check_one(raw_bar("SPY", opened), **asked)) == refused


def test_the_day_of_a_file_is_that_of_utc() -> None:
    late = datetime(2026, 11, 13, 23, 59, tzinfo=UTC)
    rows = raw_frame([raw_bar("SPY", late), raw_bar("SPY", late + timedelta(minutes=1))])
    checked = check_bars(rows, asking(("SPY",), (FIRST,), market=Market.FILE))
    assert (checked.bars["opened_at"].to_list(), reasons(checked)) == ([late], ["closed_day"])


def test_a_daily_bar_of_a_file_counts_from_its_date() -> None:
    asked = {"symbols": ("SPY",), "market": Market.FILE, "interval": Interval.D1}
    stamp = datetime(2026, 11, 16, tzinfo=UTC)
    assert reasons(check_one(raw_bar("SPY", stamp), now=stamp + timedelta(hours=21), **asked)) == []
    assert reasons(check_one(raw_bar("SPY", stamp), now=stamp - timedelta(hours=1), **asked)) == ["future"]


def test_a_large_frame_is_checked_as_a_small_one() -> None:
    symbols = tuple(f"{n}" for n in range(1301, 1401))
    one = raw_frame(clean_session("1301", FIRST))
    frame = pl.concat([one.with_columns(symbol=pl.lit(symbol)) for symbol in symbols])
    checked = check_bars(frame, asking(symbols))
    assert checked.bars.height == len(symbols) * len(STAMPS)
    assert np.all(checked.bars["symbol"].to_numpy()[:: len(STAMPS)] == np.array(symbols))

"""The soft quality rules flag what is odd, and only that."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from kaboom.bars.quality.checks import Checked, check_bars
from kaboom.market.bar import BarFlag
from kaboom.market.calendar import JST, auction_stamps, grid, minute_grid
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from tests.fixtures.bars.raw_bars import SESSIONS, asking, clean_session, raw_bar, raw_frame

FIRST, SECOND = SESSIONS
STAMPS = minute_grid(FIRST)


def flagged(checked: Checked, flag: BarFlag) -> list[int]:
    carrying = (pl.col("flags") & flag.value) != 0
    return [int(at.timestamp()) for at in checked.bars.filter(carrying)["opened_at"].to_list()]


def check(rows: list[dict[str, Any]], **asked: Any) -> Checked:
    checked = check_bars(raw_frame(rows), asking(**asked))
    assert checked.quarantined.height == 0
    return checked


def daily(*bars: tuple[float, float], sessions: tuple[date, ...]) -> list[dict[str, Any]]:
    """Return daily bars from (open, close)."""
    return [
        raw_bar(
            "7203",
            grid(day, Interval.D1)[0],
            opened,
            high=max(opened, close),
            low=min(opened, close),
            close=close,
        )
        for day, (opened, close) in zip(sessions, bars, strict=True)
    ]


def at(clock: str, session: date = FIRST) -> int:
    return int(datetime.fromisoformat(f"{session}T{clock}").replace(tzinfo=JST).timestamp())


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_a_price_between_two_ticks_is_flagged(column: str) -> None:
    rows = [raw_bar("7203", STAMPS[0], 4000.0, high=4010.0, low=3990.0), raw_bar("7203", STAMPS[1], 4000.0)]
    rows[0][column] += {"open": 2, "high": 1, "low": 4, "close": -3}[column]
    assert flagged(check(rows), BarFlag.OFF_TICK) == [STAMPS[0]]


def test_topix500_has_finer_ticks_and_a_bar_may_straddle_two_classes() -> None:
    # Below 3,000 the tick is 0.5 (1 for the others), above it 1 (5).
    rows = [raw_bar("7203", STAMPS[0], 2999.5, high=3001.0, close=3001.0)]
    assert flagged(check(rows), BarFlag.OFF_TICK) == [STAMPS[0]]
    assert flagged(check(rows, topix500=frozenset({"7203"})), BarFlag.OFF_TICK) == []
    assert flagged(check([raw_bar("7203", STAMPS[0], 2999.0, high=3005.0)]), BarFlag.OFF_TICK) == []


def test_a_file_has_no_ticks_and_no_limits() -> None:
    rows = [raw_bar("SPY", STAMPS[0], 4000.123)]
    checked = check(rows, symbols=("SPY",), market=Market.FILE, previous_closes={"SPY": 2500.0})
    assert dict(checked.flags) == {}


@pytest.mark.parametrize(("price", "breach"), [(1364.0, False), (1365.0, True), (764.0, False), (763.0, True)])
def test_a_price_beyond_the_daily_limit_is_flagged(price: float, breach: bool) -> None:  # noqa: FBT001
    # The official example: a base of 1,064 yen allows 300 either way.
    rows = [raw_bar("7203", STAMPS[0], 1064.0), raw_bar("7203", STAMPS[1], price)]
    checked = check(rows, previous_closes={"7203": 1064.0})
    assert flagged(checked, BarFlag.LIMIT_BREACH) == ([STAMPS[1]] if breach else [])
    assert flagged(check(rows), BarFlag.LIMIT_BREACH) == []


def test_a_float32_underneath_is_no_breach() -> None:
    rows = [raw_bar("7203", STAMPS[0], 1149.9000244140625)]
    checked = check(rows, previous_closes={"7203": 999.9}, topix500=frozenset({"7203"}))
    assert flagged(checked, BarFlag.LIMIT_BREACH) == []


def test_the_base_is_the_close_of_the_session_before() -> None:
    sessions = (date(2026, 11, 12), *SESSIONS)
    rows = daily((2000, 2000), (2000, 2400), (2900, 2900), sessions=sessions)
    asked = {"sessions": sessions, "interval": Interval.D1}
    assert flagged(check(rows, **asked), BarFlag.LIMIT_BREACH) == []
    # Without the day between, 2,000 is no base of the third day.
    assert flagged(check([rows[0], rows[2]], **asked), BarFlag.LIMIT_BREACH) == []
    rows = daily((2000, 2000), (2600, 2600), (2600, 2600), sessions=sessions)
    assert flagged(check(rows, **asked), BarFlag.LIMIT_BREACH) == [grid(FIRST, Interval.D1)[0]]


@pytest.mark.parametrize("ratio", [1.5, 2, 2.5, 3, 4, 5, 10, 20])
@pytest.mark.parametrize("off", [0.972, 1.0, 1.028])
def test_an_open_at_a_splits_ratio_is_suspect(ratio: float, off: float) -> None:
    asked = {"previous_closes": {"7203": 3000.0}}
    for price in (3000 / ratio * off, 3000 * ratio * off):
        rows = [raw_bar("7203", STAMPS[0], price), raw_bar("7203", STAMPS[1], price)]
        checked = check(rows, **asked)
        assert flagged(checked, BarFlag.SPLIT_SUSPECT) == [STAMPS[0]]
        assert flagged(checked, BarFlag.LIMIT_BREACH) == []


@pytest.mark.parametrize("price", [3000.0, 2730.0, 2500.0, 2200.0, 1600.0, 1400.0, 3700.0])
def test_an_open_at_another_ratio_is_not(price: float) -> None:
    checked = check([raw_bar("7203", STAMPS[0], price)], previous_closes={"7203": 3000.0})
    assert flagged(checked, BarFlag.SPLIT_SUSPECT) == []


def test_a_split_is_found_between_two_sessions_of_one_frame() -> None:
    rows = clean_session("7203", FIRST, price=2500.0) + clean_session("7203", SECOND, price=500.0)
    assert flagged(check(rows), BarFlag.SPLIT_SUSPECT) == [minute_grid(SECOND)[0]]


def test_closes_of_another_symbol_are_no_base() -> None:
    rows = clean_session("7203", FIRST, price=2500.0) + clean_session("7204", SECOND, price=1250.0)
    checked = check(rows, symbols=("7203", "7204"), previous_closes={"9984": 5000.0})
    assert dict(checked.flags) == {}


@pytest.mark.parametrize("close", [0.0, -1.0, float("nan"), float("inf")])
def test_a_senseless_known_close_is_not_used(close: float) -> None:
    rows = [raw_bar("7203", STAMPS[0], 1000.0)]
    assert dict(check(rows, previous_closes={"7203": close}).flags) == {}


@pytest.mark.parametrize(("length", "stale"), [(19, 0), (20, 20), (45, 45)])
def test_twenty_equal_bars_in_a_row_are_stale(length: int, stale: int) -> None:
    rows = clean_session("7203", FIRST)
    for row in rows[30 : 30 + length]:
        row.update(raw_bar("7203", row["opened_at"], 2000.0))
    checked = check(rows)
    assert flagged(checked, BarFlag.STALE) == list(STAMPS[30 : 30 + length])[:stale]
    assert checked.flags.get("stale", 0) == stale


def test_two_runs_are_two_and_a_third_too_short_stays_out() -> None:
    rows = clean_session("7203", FIRST)
    for row in rows[10:30] + rows[50:75] + rows[100:115]:
        row.update(raw_bar("7203", row["opened_at"], 2000.0))
    assert flagged(check(rows), BarFlag.STALE) == [*STAMPS[10:30], *STAMPS[50:75]]


def test_constant_prices_with_changing_volume_are_not_stale() -> None:
    moving = [raw_bar("7203", stamp, volume=100.0 + n % 2) for n, stamp in enumerate(STAMPS[:40])]
    assert flagged(check(moving), BarFlag.STALE) == []
    assert flagged(check([raw_bar("7203", stamp) for stamp in STAMPS[:80:2]]), BarFlag.STALE) == []


def test_bars_without_volume_or_of_two_symbols_are_not_stale() -> None:
    quiet = [raw_bar("7203", stamp, volume=0.0) for stamp in STAMPS[:40]]
    assert flagged(check(quiet), BarFlag.STALE) == []
    halves = [raw_bar("7203", stamp) for stamp in STAMPS[:10]] + [raw_bar("7204", stamp) for stamp in STAMPS[:10]]
    assert flagged(check(halves, symbols=("7203", "7204")), BarFlag.STALE) == []


@pytest.mark.parametrize(
    ("before", "clock", "jump"),
    [
        ("10:00", "10:01", True),
        ("15:23", "15:24", True),
        ("11:29", "11:30", False),
        ("15:24", "15:30", False),
        ("11:29", "12:30", False),
        ("11:30", "12:45", False),
        ("12:30", "12:31", True),
    ],
)
def test_a_minute_that_moves_over_a_tenth_jumps_unless_it_may(before: str, clock: str, jump: bool) -> None:  # noqa: FBT001
    rows = [raw_bar("7203", at(before), 2000.0), raw_bar("7203", at(clock), 2210.0)]
    assert flagged(check(rows), BarFlag.JUMP) == ([at(clock)] if jump else [])
    rows[1] = raw_bar("7203", at(clock), 2200.0)
    assert flagged(check(rows), BarFlag.JUMP) == []


def test_the_first_bar_of_a_session_and_longer_bars_may_jump() -> None:
    rows = [raw_bar("7203", STAMPS[0], 2000.0), raw_bar("7203", minute_grid(SECOND)[0], 2300.0)]
    assert flagged(check(rows), BarFlag.JUMP) == []
    stamps = grid(FIRST, Interval.M5)
    rows = [raw_bar("7203", stamps[0], 2000.0), raw_bar("7203", stamps[1], 2300.0)]
    assert flagged(check(rows, interval=Interval.M5), BarFlag.JUMP) == []


def test_a_file_has_no_auction_that_may_jump() -> None:
    rows = [raw_bar("SPY", at("11:29"), 200.0), raw_bar("SPY", at("11:30"), 230.0)]
    assert flagged(check(rows, symbols=("SPY",), market=Market.FILE), BarFlag.JUMP) == [at("11:30")]


def test_a_session_without_its_closing_auction_is_flagged_on_its_last_bar() -> None:
    rows = clean_session("7203", FIRST)[:-1] + clean_session("7203", SECOND)
    assert flagged(check(rows), BarFlag.AUCTION_MISSING) == [at("15:24")]


def test_a_session_that_ended_early_or_is_not_over_misses_no_auction() -> None:
    assert flagged(check(clean_session("7203", FIRST)[:-6]), BarFlag.AUCTION_MISSING) == []
    assert flagged(check(clean_session("7203", FIRST)[:-5]), BarFlag.AUCTION_MISSING) == [at("15:20")]
    now = datetime(2026, 11, 13, 15, 26, tzinfo=JST)
    assert flagged(check(clean_session("7203", FIRST)[:-1], now=now), BarFlag.AUCTION_MISSING) == []


def without(begin: str, end: str, keep: int = 1) -> list[int]:
    """Return where a session with a hole, of whose minutes every `keep`th traded, is flagged for it."""
    gone = range(at(begin), at(end))
    rows = [row for row in clean_session("7203", FIRST)[::keep] if int(row["opened_at"].timestamp()) not in gone]
    return flagged(check(rows), BarFlag.GAP)


def test_a_hole_in_a_session_is_flagged_on_the_bar_after_it() -> None:
    assert without("10:00", "10:04") == [at("10:04")]
    assert without("10:00", "10:03") == []
    assert without("11:25", "12:31") == [at("12:31")]
    assert without("09:00", "10:00") == []  # a special quote at the opening looks the same


def test_a_gap_at_the_close_is_flagged_on_the_last_bar() -> None:
    assert without("15:00", "15:31") == [at("14:59")]
    rows = clean_session("7203", FIRST)[:200]
    assert flagged(check(rows, now=datetime(2026, 11, 13, 14, tzinfo=JST)), BarFlag.GAP) == []


def test_a_thin_issue_needs_a_longer_hole() -> None:
    assert without("10:00", "10:10", keep=2) == []
    assert without("10:00", "10:50", keep=2) == [at("10:50")]
    assert without("10:00", "14:00", keep=30) == []  # 8 bars a day tell nothing


@pytest.mark.parametrize(("traded", "places"), [(19, []), (20, ["09:19"])])
def test_of_fewer_than_twenty_bars_nobody_knows_how_often_their_symbol_trades(traded: int, places: list[str]) -> None:
    assert flagged(check(clean_session("7203", FIRST)[:traded]), BarFlag.GAP) == [at(place) for place in places]


def test_the_auction_of_the_old_hours_is_at_15_00() -> None:
    day = date(2024, 11, 1)
    rows = clean_session("7203", day)
    assert auction_stamps(day)[1] == at("15:00", day)
    assert flagged(check(rows, sessions=(day,)), BarFlag.AUCTION_MISSING) == []
    assert flagged(check(rows[:-1], sessions=(day,)), BarFlag.AUCTION_MISSING) == [at("14:59", day)]


def test_flags_add_up_and_are_counted_by_name() -> None:
    rows = [
        raw_bar("7203", STAMPS[0], 4000.0),
        raw_bar("7203", STAMPS[1], 4803.0),
        raw_bar("7203", STAMPS[2], 4805.0),
    ]
    checked = check(rows, previous_closes={"7203": 4000.0})
    assert checked.bars["flags"].to_list() == [
        0,
        BarFlag.OFF_TICK | BarFlag.LIMIT_BREACH | BarFlag.JUMP,
        BarFlag.LIMIT_BREACH,
    ]
    assert dict(checked.flags) == {"off_tick": 1, "limit_breach": 2, "jump": 1}


def test_a_first_session_is_not_held_against_another_symbols_bars() -> None:
    rows = [{**row, "symbol": symbol} for symbol in ("7203", "7204") for row in clean_session("7203", FIRST)]
    checked = check(rows, symbols=("7203", "7204"), previous_closes=dict.fromkeys(("7203", "7204"), rows[-1]["close"]))
    assert flagged(checked, BarFlag.STALE) == []

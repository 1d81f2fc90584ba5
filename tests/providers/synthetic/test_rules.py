"""Synthetic bars obey the rules of the TSE as long as nothing wrong is planted."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kaboom.market.calendar import JST, auction_stamps, grid, minute_grid, sessions_between
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from kaboom.market.outcome import Outcome
from kaboom.market.rules import is_on_tick, limit_bounds
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.synthetic.anchors import QUIET_SESSIONS, anchor_prices, build_traits, draw_splits
from kaboom.providers.synthetic.daily import YearKey, build_year
from kaboom.providers.synthetic.provider import SyntheticProvider
from kaboom.providers.synthetic.returns import SessionKind, draw_events, draw_returns
from tests.fixtures.providers.synthetic_faults.splits import find_splits

UNIVERSE = load_universe(Market.TSE_PRIME, date(2024, 11, 5))
SYMBOLS = UNIVERSE.symbols[::5]
DAYS = (date(2024, 11, 1), date(2024, 11, 5))
# The longest closure of the year lies between: the limits must hold across it.
TURN = sessions_between(date(2023, 12, 1), date(2024, 1, 31))
VALUES = ("open", "high", "low", "close")


def fetch(
    interval: Interval,
    sessions: tuple[date, ...],
    symbols: tuple[str, ...] = SYMBOLS,
    now: datetime = datetime(2026, 11, 1, tzinfo=UTC),
) -> FetchedBars:
    provider = SyntheticProvider(seed=11, clock=lambda: now)
    return asyncio.run(provider.fetch_bars(BarRequest(symbols, interval, sessions)))


@pytest.fixture(scope="module")
def minutes() -> pl.DataFrame:
    return fetch(Interval.M1, DAYS).bars


@pytest.fixture(scope="module")
def turn() -> pl.DataFrame:
    return fetch(Interval.D1, TURN).bars.sort("symbol", "opened_at")


@pytest.mark.parametrize("session", DAYS)
@pytest.mark.parametrize("interval", [i for i in Interval if i.is_intraday])
def test_stamps_lie_on_the_grid_of_the_day(interval: Interval, session: date) -> None:
    stamps = fetch(interval, (session,)).bars["opened_at"].dt.epoch("s").unique()
    assert sorted(stamps) == list(grid(session, interval))


def test_afternoon_is_longer_from_2024_11_05(minutes: pl.DataFrame) -> None:
    day = pl.col("opened_at").dt.date().alias("day")
    counts = minutes.group_by(day).agg(pl.col("opened_at").n_unique())
    assert sorted(counts.rows()) == [(DAYS[0], 302), (DAYS[1], 327)]


def test_auctions_have_one_price(minutes: pl.DataFrame) -> None:
    stamps = [stamp for day in DAYS for stamp in auction_stamps(day)]
    auctions = minutes.filter(pl.col("opened_at").dt.epoch("s").is_in(stamps))
    assert auctions.height > len(SYMBOLS)
    assert auctions.filter(pl.any_horizontal(pl.col(v) != pl.col("close") for v in VALUES)).is_empty()


def test_prices_are_ordered_on_ticks_and_clean(minutes: pl.DataFrame, turn: pl.DataFrame) -> None:
    for bars in (minutes, turn):
        fine = bars["symbol"].is_in(UNIVERSE.topix500).to_numpy()
        assert 0.1 < fine.mean() < 0.9
        for value in VALUES:
            prices = bars[value].to_numpy()
            assert is_on_tick(prices, fine).all()
            assert (prices == np.round(prices, 1)).all()
        assert bars.filter(pl.col("high") < pl.max_horizontal(VALUES)).is_empty()
        assert bars.filter(pl.col("low") > pl.min_horizontal(VALUES)).is_empty()
        assert bars.filter((pl.col("volume") <= 0) | (pl.col("volume") % 100 != 0)).is_empty()


def test_limits_hold_from_close_to_close_across_the_year(turn: pl.DataFrame) -> None:
    # Prices before a split are divided as the base price is.
    splits = find_splits(SYMBOLS, 11, first=TURN[0], last=TURN[-1])
    assert splits.is_empty() or splits["session"].is_between(TURN[0], TURN[-1]).all()
    base = pl.col("close").shift(1).over("symbol")
    bars = turn.with_columns(base=base, session=pl.col("opened_at").dt.date())
    bars = bars.join(splits, on=["symbol", "session"], how="anti").drop_nulls("base")
    # 591.2 - 100 is 491.20000000000005: compare what can be printed.
    lower, upper = (np.round(bound, 1) for bound in limit_bounds(bars["base"].to_numpy()))
    assert bars.filter(pl.col("session") == date(2024, 1, 4)).height > 0.98 * len(SYMBOLS)
    assert (bars["low"].to_numpy() >= lower).all()
    assert (bars["high"].to_numpy() <= upper).all()


def test_year_ends_on_the_next_anchor_even_for_a_thousand_symbols() -> None:
    codes = tuple(f"S{n}" for n in range(1000))
    for year in (2019, 2024):
        block = build_year(YearKey(5, codes, ("",) * len(codes), year))
        following = build_year(YearKey(5, codes, ("",) * len(codes), year + 1))
        assert (block.close[:, -1] == following.base[:, 0]).all()
        assert (following.base[:, 0] == np.rint(anchor_prices(block.traits, year + 1) * 10)).all()


def aggregate(bars: pl.DataFrame, key: pl.Expr) -> pl.DataFrame:
    return (
        bars.sort("symbol", "opened_at")
        .group_by("symbol", key.alias("opened_at"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )


@pytest.mark.parametrize("interval", [Interval.M5, Interval.M15, Interval.H1])
def test_longer_bars_are_exact_sums_of_minutes(minutes: pl.DataFrame, interval: Interval) -> None:
    longer = fetch(interval, DAYS).bars.sort("symbol", "opened_at")
    assert aggregate(minutes, pl.col("opened_at").dt.truncate(interval.value)).equals(longer)


def test_days_are_exact_sums_of_minutes(minutes: pl.DataFrame) -> None:
    days = fetch(Interval.D1, DAYS).bars.sort("symbol", "opened_at")
    assert aggregate(minutes, pl.col("opened_at").dt.truncate("1d")).equals(days)


def test_a_day_has_about_the_bars_of_the_real_market(minutes: pl.DataFrame) -> None:
    day = minutes.filter(pl.col("opened_at").dt.date() == DAYS[1])
    counts = day.group_by("symbol").len()["len"].to_numpy()
    assert 240 < counts.mean() < 310
    assert np.median(counts) > 270
    # The thinnest issues must have gaps, or nothing downstream learns to bear them.
    assert np.quantile(counts, 0.05) < 140


def test_out_of_the_ordinary_sessions_occur_and_look_it() -> None:
    listings = load_universe(Market.TSE_PRIME, date(2025, 6, 30)).listings[:400]
    codes = tuple(listing.symbol for listing in listings)
    block = build_year(YearKey(5, codes, tuple(listing.scale for listing in listings), 2025))
    shares = {kind: float((block.kind == kind).mean()) for kind in SessionKind}
    assert 0.0003 < shares[SessionKind.HALTED] < 0.0007
    assert 0.0006 < shares[SessionKind.LOCKED] < 0.0014
    row, number = (int(x[0]) for x in np.nonzero(block.kind == SessionKind.LOCKED))
    locked = fetch_one(codes[row], block.sessions[number], seed=5)
    assert locked.bars.height == 1
    assert locked.bars["opened_at"].dt.epoch("s")[0] == auction_stamps(block.sessions[number])[1]
    row, number = (int(x[0]) for x in np.nonzero(block.kind == SessionKind.HALTED))
    halted = fetch_one(codes[row], block.sessions[number], seed=5)
    assert halted.outcomes[codes[row]].outcome is Outcome.NO_TRADES
    row, number = (int(x[0]) for x in np.nonzero(block.delay > 0))
    late = fetch_one(codes[row], block.sessions[number], seed=5)
    assert (
        min(late.bars["opened_at"].dt.epoch("s")) >= minute_grid(block.sessions[number])[int(block.delay[row, number])]
    )


def fetch_one(symbol: str, session: date, *, seed: int) -> FetchedBars:
    provider = SyntheticProvider(seed=seed, clock=lambda: datetime(2026, 11, 1, tzinfo=UTC))
    return asyncio.run(provider.fetch_bars(BarRequest((symbol,), Interval.M1, (session,))))


def test_splits_divide_the_raw_price() -> None:
    splits = find_splits(SYMBOLS, 11, first=date(2024, 2, 1), last=date(2024, 12, 31))
    assert 0.05 < splits.height / len(SYMBOLS) < 0.15
    for symbol, session, ratio in splits.rows():
        around = sessions_between(session - timedelta(days=15), session)[-2:]
        bars = fetch(Interval.D1, around, (symbol,)).bars.sort("opened_at")
        assert bars["open"][-1] / (bars["close"][0] / ratio) == pytest.approx(1, abs=0.25)


def test_splits_are_reported_with_the_bars_of_their_session() -> None:
    provider = SyntheticProvider(seed=11, clock=lambda: datetime(2026, 11, 1, tzinfo=UTC))
    days = sessions_between(date(2024, 9, 2), date(2024, 11, 29))
    splits = find_splits(SYMBOLS, 11, first=days[0], last=days[-1])
    fetched = asyncio.run(provider.fetch_bars(BarRequest(SYMBOLS, Interval.D1, days)))
    told = sorted((action.symbol, action.ex_session, round(1 / action.factor, 9)) for action in fetched.actions)
    assert told == splits.rows()
    assert len(told) > 3
    early = SyntheticProvider(seed=11, clock=lambda: datetime(2024, 9, 1, tzinfo=UTC))
    assert asyncio.run(early.fetch_bars(BarRequest(SYMBOLS, Interval.D1, days))).actions == ()


@pytest.mark.parametrize(
    ("clock", "last"), [("08:59:59", None), ("09:01:00", "09:00"), ("11:31:00", "11:30"), ("15:30:59", "15:24")]
)
def test_only_closed_bars_of_a_running_session(clock: str, last: str | None) -> None:
    now = datetime.fromisoformat(f"2024-11-05T{clock}").replace(tzinfo=JST)
    fetched = fetch(Interval.M1, DAYS[1:], now=now)
    if last is None:
        assert fetched.bars.is_empty()
        assert {o.outcome for o in fetched.outcomes.values()} == {Outcome.NO_TRADES}
    else:
        newest = fetched.bars["opened_at"].max()
        assert newest == datetime.fromisoformat(f"2024-11-05T{last}:00").replace(tzinfo=JST)
    whole = fetch(Interval.M1, DAYS[1:]).bars
    assert fetched.bars.join(whole, on=whole.columns, how="anti").is_empty()


def test_day_is_closed_a_minute_after_the_closing_auction() -> None:
    assert fetch(Interval.D1, DAYS[1:], now=datetime(2024, 11, 5, 15, 30, 59, tzinfo=JST)).bars.is_empty()
    assert fetch(Interval.D1, DAYS[1:], now=datetime(2024, 11, 5, 15, 31, tzinfo=JST)).bars.height > 300


def test_future_session_has_nothing() -> None:
    fetched = fetch(Interval.M1, DAYS[1:], SYMBOLS[:3], now=datetime(2024, 11, 4, tzinfo=UTC))
    assert fetched.bars.is_empty()


def test_symbol_is_not_listed_before_its_listing_or_after_its_end() -> None:
    gone = sorted(load_universe(Market.TSE_PRIME, date(2026, 10, 30)).delisted)[:3]
    late = fetch(Interval.D1, (date(2026, 10, 30),), tuple(gone))
    assert {o.outcome for o in late.outcomes.values()} == {Outcome.NOT_LISTED}
    assert fetch(Interval.D1, DAYS, tuple(gone)).bars.height == 6
    # Codes with a letter exist since 2024.
    early = fetch(Interval.D1, (date(2023, 6, 1),), ("130A",))
    assert early.outcomes["130A"].outcome is Outcome.NOT_LISTED


def test_the_last_sessions_of_a_year_are_quiet() -> None:
    codes = [f"S{n}" for n in range(400)]
    traits = build_traits(5, codes, [""] * len(codes))
    days = np.array([day.toordinal() for day in sessions_between(date(2025, 1, 1), date(2025, 12, 31))])
    events = draw_events(traits.keys, days, draw_splits(traits, 2025, len(days)))
    moves = np.abs(draw_returns(5, traits, days, events).total).max(axis=0)
    assert (moves[-QUIET_SESSIONS:] <= 0.03).all()
    assert (moves[:-QUIET_SESSIONS] > 0.03).all()


def test_traits_are_drawn_each_on_its_own_and_fill_their_spans() -> None:
    codes = [str(code) for code in range(1300, 9300)]
    traits = build_traits(11, [*codes, "285A"], [""] * (len(codes) + 1))
    listed = traits.listed_on[:-1]
    young = listed >= date(2010, 1, 4).toordinal()
    assert 0.08 < young.mean() < 0.12
    for group, first, last in (
        (young, date(2010, 1, 4), date(2020, 1, 1)),
        (~young, date(1990, 1, 4), date(2010, 1, 1)),
    ):
        share = (listed[group] - first.toordinal()) / (last - first).days
        assert share.min() < 0.02
        assert share.max() > 0.98
        assert abs(share.mean() - 0.5) < 0.05
    assert date(2024, 1, 4).toordinal() <= traits.listed_on[-1] < date(2024, 3, 15).toordinal()
    drawn = [traits.price[:-1], traits.beta[:-1], traits.volatility[:-1], traits.lots[:-1], listed]
    related = np.corrcoef([np.argsort(np.argsort(each)) for each in drawn])
    assert np.abs(related - np.eye(len(drawn))).max() < 0.05

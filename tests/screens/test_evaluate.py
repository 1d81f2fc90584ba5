"""Screens over stored bars: their values are those of the indicators, their conditions those of polars by hand."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.disclosures.store import MemoryDisclosureStore
from kaboom.errors import InvalidRequest
from kaboom.indicators.expression import parse_expression
from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.table import parse_indicators
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from kaboom.market.calendar import last_sessions, utc_midnight
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.screens.evaluate import Answer, Screener, Stores
from kaboom.screens.model import Question

pytestmark = pytest.mark.anyio
LAST = date(2025, 10, 31)
DAYS = last_sessions(420, LAST)
SERIES = BarSeries("synthetic", Interval.D1)
SYMBOLS = ["1301", "1332", "1333", "7203"]


def make_bars(symbols: list[str] = SYMBOLS, days: tuple[date, ...] = DAYS) -> pl.DataFrame:
    draw, frames = np.random.default_rng(34), []
    for symbol in symbols:
        close = 1000 * np.exp(np.cumsum(draw.normal(0, 0.02, len(days))))
        frames.append(
            pl.DataFrame(
                {
                    "symbol": symbol, "opened_at": [utc_midnight(day) for day in days], "open": close,
                    "high": close * 1.01, "low": close * 0.99, "close": close,
                    "volume": draw.integers(1000, 100_000, len(days)), "flags": 0,
                }
            )
        )  # fmt: skip
    return pl.concat(frames).cast(BAR_SCHEMA).select(list(BAR_SCHEMA))


class Bench:
    """A store of pages, and a screener on it."""

    def __init__(self, folder: Path) -> None:
        self.store = PageBarStore(folder)
        self.actions = MemoryActionStore()
        now = datetime(2025, 11, 1, tzinfo=UTC)
        self.screener = Screener(
            Stores(self.store, self.actions, MemoryDisclosureStore()), symbols_dir=folder, delay_s=0, clock=lambda: now
        )

    async def ask(self, text: str, session: date | None = LAST, market: Market | None = None) -> Answer:
        return await self.screener.ask(Question(parse_expression(text), "synthetic", market, session))

    async def passes(self, text: str, session: date | None = LAST) -> set[str]:
        return set((await self.ask(text, session)).rows["symbol"])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """An empty store."""
    bench = Bench(tmp_path)
    yield bench
    await bench.store.close()


async def test_values_are_those_of_the_indicators(bench: Bench) -> None:
    bars = make_bars()
    await bench.store.write(SERIES, bars)
    texts = ["sma:75", "ema:20", "wma", "rsi:14", "macd", "bbands", "atr", "stoch", "adx", "cci", "roc", "mfi"]
    wanted = parse_indicators(texts, Interval.D1)
    names = [name for indicator in wanted for name in indicator.columns]
    got = pl.DataFrame({"symbol": SYMBOLS})
    for n in range(0, len(names), 10):
        part = (await bench.ask(" or ".join(f"{name} > -1e9" for name in names[n : n + 10]))).rows
        got = got.join(part.select("symbol", *names[n : n + 10]), on="symbol")
    for symbol in SYMBOLS:
        whole = compute_indicators(bars.filter(pl.col("symbol") == symbol), wanted).row(-1, named=True)
        row = got.row(by_predicate=pl.col("symbol") == symbol, named=True)
        assert [row[name] for name in names] == pytest.approx([whole[name] for name in names], rel=1e-9)


async def test_spans_of_bars_are_as_polars_says_by_hand(bench: Bench) -> None:
    bars = make_bars()
    await bench.store.write(SERIES, bars)
    rows = (await bench.ask("change_5d > -1e9 and high_20d > 0 and low_20d > 0 and volume_sma_25 > 0")).rows
    closes = pl.col("close")
    by_hand = bars.sort("symbol", "opened_at").group_by("symbol").agg(
        change_5d=(closes.last() / closes.get(-6) - 1) * 100,
        high_20d=pl.col("high").tail(21).head(20).max(),
        low_20d=pl.col("low").tail(21).head(20).min(),
        volume_sma_25=pl.col("volume").tail(25).mean(),
        turnover=closes.last() * pl.col("volume").last(),
    )  # fmt: skip
    both = rows.sort("symbol").select(by_hand.columns).rows(), by_hand.sort("symbol").rows()
    for one, other in zip(*both, strict=True):
        assert one[1:] == pytest.approx(other[1:], rel=1e-12)
    assert rows["turnover"].to_list() == sorted(rows["turnover"].to_list(), reverse=True)


async def test_conditions_join_as_their_words_say(bench: Bench) -> None:
    closes = {"1301": 100.0, "1332": 200.0, "1333": 300.0, "7203": 400.0}
    bars = make_bars().with_columns(close=pl.col("symbol").replace_strict(closes))
    await bench.store.write(SERIES, bars.cast(BAR_SCHEMA))
    assert await bench.passes("close > 150 and close < 350") == {"1332", "1333"}
    assert await bench.passes("close < 150 or not close < 350") == {"1301", "7203"}
    assert await bench.passes("150 < close < 350") == {"1332", "1333"}
    assert await bench.passes("close * 2 - 100 == 300") == {"1332"}
    assert await bench.passes("close / 0 > 1 or close != 200") == {"1301", "1333", "7203"}
    assert await bench.passes('symbol in ("1301", "9999") or symbol == "7203"') == {"1301", "7203"}
    assert await bench.passes('symbol not in ("1301",) and symbol != "7203"') == {"1332", "1333"}


async def test_a_short_history_is_unknown_and_a_symbol_without_a_bar_is_not_seen(bench: Bench) -> None:
    await bench.store.write(SERIES, make_bars(["1301"]))
    await bench.store.write(SERIES, make_bars(["1332"], DAYS[-10:]))
    await bench.store.write(SERIES, make_bars(["1333"], DAYS[:-1]))
    answer = await bench.ask("sma_75 > 0")
    assert (answer.rows["symbol"].to_list(), answer.seen, answer.unknown) == (["1301"], 2, 1)
    # What is false without it, or true, is known.
    assert (await bench.ask("sma_75 > 0 and close < 0")).unknown == 0
    assert await bench.passes("sma_75 > 0 or close > 0") == {"1301", "1332"}
    assert (await bench.ask("close > 0", market=Market.TSE_PRIME)).seen == 2


@pytest.mark.parametrize("column", ["sma_249", "sma_250", "sma_251"])
async def test_a_window_of_about_a_year_has_all_of_its_bars(bench: Bench, column: str) -> None:
    await bench.store.write(SERIES, make_bars())
    assert (await bench.ask(f"{column} > 0")).unknown == 0


@pytest.mark.parametrize("column", ["change_5d", "high_5d", "volume_sma_6"])
async def test_a_column_over_days_needs_all_of_them(bench: Bench, column: str) -> None:
    await bench.store.write(SERIES, make_bars(["1301"]))
    await bench.store.write(SERIES, make_bars(["1332"], DAYS[-5:]))
    assert await bench.passes(f"{column} > -100") == {"1301"}
    await bench.store.write(SERIES, make_bars(["1332"], DAYS[-6:]))
    assert await bench.passes(f"{column} > -100") == {"1301", "1332"}


async def test_a_session_sees_no_bar_and_no_split_of_a_later_one(bench: Bench) -> None:
    bars = make_bars(["7203"])
    await bench.store.write(SERIES, bars)
    before, close = DAYS[-3], bars["close"][-3]
    assert (await bench.ask("close > 0", before)).rows["close"].to_list() == [close]
    split = CorporateAction("7203", LAST, 0.5)
    notes = build_notes([split], Origin.PROVIDER, ActionState.REPORTED, noted_at=datetime(2025, 10, 1, tzinfo=UTC))
    await bench.actions.save("synthetic", notes)
    assert (await bench.ask("close > 0", before)).rows["close"].to_list() == [close]
    after = (await bench.ask("change_1d > -1e9")).rows["change_1d"][0]
    assert after == pytest.approx((bars["close"][-1] / (bars["close"][-2] * 0.5) - 1) * 100)


async def test_bars_that_were_written_since_are_seen(bench: Bench) -> None:
    await bench.store.write(SERIES, make_bars(["1301"]))
    assert await bench.passes("close > 0") == {"1301"}
    await bench.store.write(SERIES, make_bars(["1332"]))
    assert await bench.passes("close > 0") == {"1301", "1332"}


async def test_bars_rolled_up_from_minutes_stand_in_where_there_are_none(bench: Bench) -> None:
    await bench.store.write(SERIES, make_bars(["1301"]))
    await bench.store.write(BarSeries("synthetic_from_1m", Interval.D1), make_bars(["1332", "1333"]))
    answer = await bench.ask("close > 0")
    assert (answer.source, sorted(answer.rows["symbol"])) == ("synthetic_from_1m", ["1301", "1332", "1333"])


async def test_a_session_that_was_rolled_up_goes_on_with_the_providers_history(bench: Bench) -> None:
    bars = make_bars()
    last = bars.filter(pl.col("opened_at") == utc_midnight(LAST))
    other = last.with_columns(close=pl.col("close") * 2).filter(pl.col("symbol") == "7203")
    await bench.store.write(SERIES, pl.concat([bars.filter(pl.col("opened_at") < utc_midnight(LAST)), other]))
    await bench.store.write(BarSeries("synthetic_from_1m", Interval.D1), last)
    answer = await bench.ask("sma_75 > 0")
    assert (answer.source, answer.seen, answer.unknown) == ("synthetic_from_1m", 4, 0)
    # The provider's own bar counts where both are held.
    wanted = pl.concat([last.filter(pl.col("symbol") != "7203"), other]).sort("symbol")["close"]
    assert answer.rows.sort("symbol")["close"].to_list() == wanted.to_list()


async def test_a_session_without_bars_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest, match="no daily bars of synthetic are held of 2025-10-31") as caught:
        await bench.ask("close > 0")
    assert caught.value.pointer == "/session"
    with pytest.raises(InvalidRequest, match="2025-11-03"):
        await bench.ask("close > 0", date(2025, 11, 3))


async def test_without_a_session_the_newest_held_stands_in_for_one_that_is_not_here_yet(bench: Bench) -> None:
    question = Question(parse_expression("close > 0"), "synthetic")
    with pytest.raises(InvalidRequest, match="held of any session"):
        await bench.screener.ask(question, or_older=True)
    await bench.store.write(SERIES, make_bars(["1301"], DAYS[:-1]))
    await bench.store.write(BarSeries("synthetic_from_1m", Interval.D1), make_bars(["1332", "1333"], DAYS[:-2]))
    answer = await bench.screener.ask(question, or_older=True)
    assert (answer.session, answer.awaited, answer.rows["symbol"].to_list()) == (DAYS[-2], LAST, ["1301"])
    # A job of a session does not take another one.
    with pytest.raises(InvalidRequest, match=f"held of {LAST}"):
        await bench.screener.ask(question)
    await bench.store.write(SERIES, make_bars(["1301"], (LAST,)))
    answer = await bench.screener.ask(question, or_older=True)
    assert (answer.session, answer.awaited) == (LAST, None)

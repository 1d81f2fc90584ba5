"""Columns of statements in screens: no session sees a statement that came at its close or later."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.disclosures.store import MemoryDisclosureStore
from kaboom.indicators.expression import parse_expression
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from kaboom.market.calendar import JST, closes_at, is_session, utc_midnight
from kaboom.market.disclosure import Disclosures, Statement
from kaboom.market.interval import Interval
from kaboom.screens.evaluate import Answer, Screener, Stores
from kaboom.screens.model import Question
from tests.fixtures.disclosures.made import make_statement
from tests.fixtures.disclosures.planted import DAYS, close_by_hand, moments

pytestmark = pytest.mark.anyio
SERIES = BarSeries("synthetic", Interval.D1)


class Bench:
    """A store of pages, statements in memory, and a screener on both."""

    def __init__(self, folder: Path) -> None:
        self.store, self.actions = PageBarStore(folder), MemoryActionStore()
        self.disclosures = MemoryDisclosureStore()
        now = datetime(2025, 1, 6, tzinfo=UTC)
        self.screener = Screener(
            Stores(self.store, self.actions, self.disclosures), symbols_dir=folder, delay_s=0, clock=lambda: now
        )

    async def write(self, closes: Mapping[str, float]) -> None:
        rows = [
            {
                "symbol": symbol, "opened_at": utc_midnight(day), "open": close, "high": close, "low": close,
                "close": close, "volume": 1000, "flags": 0,
            }
            for symbol, close in closes.items()
            for day in DAYS
        ]  # fmt: skip
        await self.store.write(SERIES, pl.DataFrame(rows).cast(BAR_SCHEMA).select(list(BAR_SCHEMA)))

    async def plant(self, *statements: Statement) -> None:
        await self.disclosures.save("synthetic", Disclosures(statements), now=datetime(2025, 1, 6, tzinfo=UTC))

    async def ask(self, text: str, session: date, as_of: datetime | None = None) -> Answer:
        question = Question(parse_expression(text), "synthetic", None, session, as_of)
        return await self.screener.ask(question)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.store.close()


async def test_no_session_sees_one_of_two_hundred_statements_early_or_late(bench: Bench) -> None:
    planted = {f"{1301 + n}": at for n, at in enumerate(moments())}
    assert len(planted) == 200
    await bench.write(dict.fromkeys(planted, 1000.0))
    await bench.plant(*(make_statement(symbol, disclosed_at=at) for symbol, at in planted.items()))
    for day in DAYS:
        known = {symbol for symbol, at in planted.items() if at < close_by_hand(day)}
        answer = await bench.ask("per > 0", day)
        assert set(answer.rows["symbol"]) == known, day
        assert answer.unknown == 200 - len(known)
    assert not all(is_session(at.astimezone(JST).date()) for at in planted.values())


async def test_the_values_are_those_of_the_close_and_the_statement(bench: Bench) -> None:
    await bench.write({"7203": 1500.0, "6758": 3000.0})
    await bench.plant(make_statement(at="2024-10-01 15:00"), make_statement("6758", at="2024-10-01 15:00", eps=-1.0))
    everything = "per > -1 or forward_per > -1 or pbr > 0 or dividend_yield > 0 or eps < 0 or bps > 0 or dividend > 0"
    rows = (await bench.ask(everything, DAYS[0])).rows.sort("symbol")
    assert rows["per"].to_list() == [None, 15.0]
    assert rows["forward_per"].to_list() == pytest.approx([3000 / 110, 1500 / 110])
    assert rows["pbr"].to_list() == [3.0, 1.5]
    assert rows["dividend_yield"].to_list() == pytest.approx([1.1, 2.2])
    assert rows["eps"].to_list() == [-1.0, 100.0]


async def test_figures_that_the_provider_changed_later_do_not_change_an_earlier_session(bench: Bench) -> None:
    await bench.write({"7203": 1000.0})
    first = make_statement(at="2024-10-28 15:00")
    await bench.plant(first)
    changed = Disclosures([make_statement(at="2024-10-28 15:00", eps=10.0)])
    await bench.disclosures.save("synthetic", changed, now=datetime(2024, 11, 6, 15, 30, tzinfo=UTC))
    assert (await bench.ask("eps > 0", date(2024, 11, 6))).rows["eps"].to_list() == [100.0]
    assert (await bench.ask("eps > 0", date(2024, 11, 7))).rows["eps"].to_list() == [10.0]


async def test_a_split_after_the_statement_leaves_the_ratio_of_price_and_profit(bench: Bench) -> None:
    await bench.write({"7203": 500.0})
    await bench.plant(make_statement(at="2024-10-01 15:00"))
    split = CorporateAction("7203", date(2024, 11, 5), 0.5)
    notes = build_notes([split], Origin.PROVIDER, ActionState.REPORTED, noted_at=datetime(2024, 10, 1, tzinfo=UTC))
    await bench.actions.save("synthetic", notes)
    before = (await bench.ask("per > 0 and eps > 0", date(2024, 11, 1))).rows
    after = (await bench.ask("per > 0 and eps > 0", date(2024, 11, 6))).rows
    assert (before["per"][0], before["eps"][0]) == (5.0, 100.0)
    assert (after["per"][0], after["eps"][0]) == (10.0, 50.0)


async def test_statements_of_another_provider_do_not_count(bench: Bench) -> None:
    await bench.write({"7203": 500.0})
    await bench.disclosures.save("jquants", Disclosures([make_statement(at="2024-10-01 15:00")]), now=datetime.now(UTC))
    assert (await bench.ask("per > 0", DAYS[0])).unknown == 1


async def test_a_moment_before_the_close_sees_what_was_public_then(tmp_path: Path) -> None:
    store, disclosures, session = PageBarStore(tmp_path), MemoryDisclosureStore(), date(2031, 5, 8)
    screener = Screener(
        Stores(store, MemoryActionStore(), disclosures), symbols_dir=tmp_path, delay_s=0, clock=lambda: session_end
    )
    session_end = closes_at(session) + timedelta(hours=3)
    row = {"symbol": "7203", "opened_at": utc_midnight(session), "volume": 1, "flags": 0}
    prices = dict.fromkeys(("open", "high", "low", "close"), 1000.0)
    await store.write(SERIES, pl.DataFrame([row | prices]).cast(BAR_SCHEMA).select(list(BAR_SCHEMA)))
    old = make_statement(at="2026-05-08 09:00", year_end=date(2026, 3, 31))
    new = make_statement(at="2031-05-08 11:00", year_end=date(2031, 3, 31), eps=50.0)
    await disclosures.save("synthetic", Disclosures([old, new]), now=datetime.now(UTC))
    question = Question(parse_expression("eps > 0"), "synthetic", None, session)
    assert (await screener.ask(question)).rows["eps"].to_list() == [50.0]
    # The bars were written just now.
    known = replace(question, as_of=datetime.now(UTC))
    assert (await screener.ask(known)).rows["eps"].to_list() == [100.0]
    await store.close()

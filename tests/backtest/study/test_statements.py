"""Statements in backtests: no bar sees one that came at its close or later, and a result names what it read."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from kaboom.backtest.context import Context
from kaboom.backtest.lookahead import check_lookahead
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Panel
from kaboom.backtest.request import BacktestRequest
from kaboom.backtest.run import run_bars
from kaboom.backtest.strategies.files import StrategyKind, find_strategy, load_strategy_file
from kaboom.backtest.strategies.registry import ValueRank
from kaboom.backtest.study.bars import BarTools, StudyBars, load_bars
from kaboom.backtest.study.fingerprint import fingerprint_of
from kaboom.backtest.study.made_up import make_panel
from kaboom.backtest.study.single import run_backtest
from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.disclosures.ratios import COLUMNS
from kaboom.disclosures.store import MemoryDisclosureStore
from kaboom.errors import InvalidRequest
from kaboom.market.action import ActionState, CorporateAction
from kaboom.market.bar import BAR_SCHEMA, BarSeries
from kaboom.market.calendar import sessions_between, utc_midnight
from kaboom.market.disclosure import Disclosures, Statement
from kaboom.market.interval import Interval
from tests.fixtures.backtest.own import opened
from tests.fixtures.disclosures.made import jst, make_statement
from tests.fixtures.disclosures.planted import DAYS, close_by_hand, moments

OWN = """
import numpy as np


class Strategy:
    statements = ("per", "eps")

    def prepare(self, panel):
        self.per = panel.statement("per")

    def on_bar(self, context):
        for symbol in context.symbols:
            is_cheap = self.per[context.bar, context.symbols.index(symbol)] < 12
            if is_cheap and context.statement(symbol, "eps") > 0 and not context.position(symbol):
                context.target(symbol, 0.2)
"""


def rows_of(symbols: Sequence[str], opened_at: Sequence[datetime], closes: Sequence[float]) -> pl.DataFrame:
    rows = [
        (symbol, at, close, close, close, close, 1_000_000, 0)
        for symbol in symbols
        for at, close in zip(opened_at, closes, strict=True)
    ]
    return pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row")


def daily(symbols: Sequence[str], days: Sequence[date] = DAYS, closes: Sequence[float] | None = None) -> pl.DataFrame:
    return rows_of(symbols, [utc_midnight(day) for day in days], closes or [1000.0] * len(days))


def asked(bars: pl.DataFrame, **values: Any) -> BacktestRequest:
    days = {"first": bars["opened_at"].min().date(), "last": bars["opened_at"].max().date()}  # type: ignore[union-attr]
    symbols = sorted(set(bars["symbol"]))
    return BacktestRequest.parse(
        {"strategy": "value_rank", "provider": "synthetic", "symbols": symbols} | days | values
    )


def load(
    bars: pl.DataFrame,
    disclosures: MemoryDisclosureStore,
    names: Sequence[str] = COLUMNS,
    *,
    splits: Sequence[CorporateAction] = (),
    **values: Any,
) -> StudyBars:
    request = asked(bars, **values)

    async def write_and_read() -> StudyBars:
        store, actions = MemoryBarStore(), MemoryActionStore()
        noted_at = datetime(2024, 1, 4, tzinfo=UTC)
        if splits:
            notes = build_notes(splits, Origin.PROVIDER, ActionState.REPORTED, noted_at=noted_at)
            await actions.save("synthetic", notes)
        await store.write(BarSeries(request.source, Interval(request.interval)), bars)
        return await load_bars(request, BarTools(store, actions, Path("nowhere"), disclosures), statements=names)

    return asyncio.run(write_and_read())


def kept(*statements: Statement, now: datetime | None = None) -> MemoryDisclosureStore:
    store = MemoryDisclosureStore()
    keep(store, *statements, now=now)
    return store


def keep(store: MemoryDisclosureStore, *statements: Statement, now: datetime | None = None) -> None:
    asyncio.run(store.save("synthetic", Disclosures(statements), now=now or datetime(2025, 1, 6, tzinfo=UTC)))


class Announced:
    """Buys each symbol at the first open after a decision in which its profit is known."""

    def prepare(self, panel: Panel) -> None:
        pass

    def on_bar(self, context: Context) -> None:
        for symbol in context.symbols:
            if context.statement(symbol, "eps") > 0 and not context.position(symbol):
                context.buy(symbol, 100)


@pytest.fixture(scope="module")
def planted() -> dict[str, datetime]:
    """200 symbols, each with the moment of its first statement."""
    return {f"{1301 + n}": at for n, at in enumerate(moments())}


def test_no_backtest_trades_on_one_of_two_hundred_statements_before_it_was_public(planted: dict[str, datetime]) -> None:
    assert len(planted) == 200
    store = kept(*(make_statement(symbol, disclosed_at=at) for symbol, at in planted.items()))
    panel = load(daily(list(planted)), store, ["eps"]).panel
    fills = run_bars(panel, Announced(), FillModel().to_rules(), 1e9).journal.filter(pl.col("shares") > 0)
    bought = {symbol: at.date() for symbol, at in fills.select("symbol", "at").iter_rows()}
    for symbol, at in planted.items():
        decided = [day for day in DAYS if at < close_by_hand(day)]
        # The order of the last session has no open to be filled at.
        assert bought.get(symbol) == (decided[1] if len(decided) > 1 else None), at


@pytest.mark.parametrize("seed", range(3))
def test_each_bar_has_the_version_and_the_correction_that_were_public(planted: dict[str, datetime], seed: int) -> None:
    draw, store, public_at = random.Random(seed), MemoryDisclosureStore(), {}
    for symbol, at in planted.items():
        later = [moment for moment in planted.values() if moment >= at]
        changed_at, corrected_at = draw.choice(later), draw.choice(later)
        public_at[symbol] = at, changed_at, corrected_at
        first = make_statement(symbol, disclosed_at=at)
        # The provider changes its figures, and the company publishes a correction, in either order.
        keep(store, first, make_statement(symbol, document="correction", disclosed_at=corrected_at, eps=50.0))
        keep(store, replace(first, eps=25.0), now=changed_at)
    panel = load(daily(list(planted)), store).panel
    eps = panel.statement("eps")
    for bar, day in enumerate(DAYS):
        close = close_by_hand(day)
        for column, symbol in enumerate(panel.symbols):
            at, changed_at, corrected_at = public_at[symbol]
            expected = 100.0 if at < close else np.nan
            expected = 25.0 if changed_at < close else expected
            expected = 50.0 if corrected_at < close else expected
            assert np.array_equal(eps[bar, column], expected, equal_nan=True), (symbol, day, public_at[symbol])
    assert panel.statement("per") == pytest.approx(1000 / eps, nan_ok=True)


def test_a_minute_sees_what_was_public_before_its_end_and_no_minute_the_close() -> None:
    minutes = ["10:00", "10:01", "10:02", "15:29", "15:30"]
    bars = rows_of(["7203"], [jst(f"2024-11-06 {minute}") for minute in minutes], [1000.0] * 5)
    store = kept(
        make_statement(at="2024-11-06 10:00", disclosed_at=jst("2024-11-06 10:00:59.999999"), eps=1.0),
        make_statement(at="2024-11-06 10:02", eps=2.0),
        make_statement(at="2024-11-06 15:30", eps=3.0),
    )
    panel = load(bars, store, ["eps"], interval="1m").panel
    assert panel.statement("eps")[:, 0].tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]


def test_figures_are_those_of_the_shares_of_the_day_and_end_when_they_are_old() -> None:
    days = sessions_between(date(2024, 10, 29), date(2024, 11, 11))
    statement = make_statement(at="2023-07-01 12:00")
    early, late = CorporateAction("7203", date(2024, 1, 4), 0.5), CorporateAction("7203", date(2024, 11, 6), 0.25)
    closes = [1000.0 if day < date(2024, 11, 6) else 250.0 for day in days]
    panel = load(daily(["7203"], days, closes), kept(statement), splits=[early, late]).panel
    # 500 days after 2023-07-01 are over on 2024-11-12.
    assert panel.statement("eps")[:, 0].tolist() == [50.0 if close == 1000 else 12.5 for close in closes]
    assert set(panel.statement("per")[:, 0].tolist()) == {20.0}
    old = load(daily(["7203"], days, closes), kept(replace(statement, disclosed_at=jst("2023-06-25 12:00")))).panel
    # Those after 2023-06-25 12:00 were over at noon of 2024-11-06.
    expected = [100.0 if day < date(2024, 11, 6) else np.nan for day in days]
    np.testing.assert_array_equal(old.statement("eps")[:, 0], expected)


def test_a_moment_sees_no_version_that_became_known_later() -> None:
    bars, changed_at = daily(["7203"]), jst("2025-02-03 12:00")
    store, first = MemoryDisclosureStore(), make_statement(at="2024-10-01 12:00")
    keep(store, first)
    before = load(bars, store)
    keep(store, replace(first, eps=1.0, known_at=None), now=changed_at)
    assert fingerprint_of(load(bars, store)) == fingerprint_of(before)
    keep(store, make_statement(at="2024-10-30 12:00", eps=2.0))
    assert fingerprint_of(load(bars, store)) != fingerprint_of(before)
    # Without a strategy that reads statements nothing changes.
    assert fingerprint_of(load(bars, store, ())) == fingerprint_of(load(bars, kept(), ()))
    assert fingerprint_of(load(bars, store, ["eps"])) != fingerprint_of(load(bars, store, ["bps"]))


def test_nothing_to_read_is_said_with_a_command() -> None:
    with pytest.raises(InvalidRequest, match=r"kaboom market-data fundamentals --provider synthetic --symbol 7203"):
        load(daily(["7203"]), kept(make_statement(at="2024-11-11 15:30")))
    with pytest.raises(InvalidRequest, match="provider was yahoo, which has no statements"):
        load(daily(["7203"]), kept(), provider="yahoo")


def test_a_column_that_is_not_named_is_refused() -> None:
    panel = make_panel(bars=50, statements=["eps"])
    with pytest.raises(InvalidRequest, match="statement was 'per', and the strategy names eps"):
        panel.statement("per")
    with pytest.raises(ValueError, match="read-only"):
        panel.statement("eps")[0] = 1.0


@pytest.mark.parametrize("named", ['"per"', '("per", "close")', "3", "[[]]"])
def test_a_file_that_names_no_columns_of_statements_is_refused(tmp_path: Path, named: str) -> None:
    (tmp_path / "mine.py").write_text(OWN.replace('("per", "eps")', named))
    with pytest.raises(InvalidRequest, match=r"mine.py: statements were .*, supported are eps, forecast_eps"):
        load_strategy_file(tmp_path / "mine.py")


def values_of(*eps: float) -> tuple[pl.DataFrame, MemoryDisclosureStore]:
    symbols = [f"{1301 + n}" for n in range(len(eps))]
    store = kept(
        *(make_statement(symbol, "2024-10-30 12:00", eps=each) for symbol, each in zip(symbols, eps, strict=True))
    )
    return daily(symbols), store


def test_value_rank_holds_the_cheapest_and_nothing_without_a_ratio() -> None:
    panel = load(*values_of(100.0, -5.0, 80.0, 200.0)).panel
    weights = ValueRank(every=2, top=2).targets(panel)
    assert np.flatnonzero(~np.isnan(weights).all(axis=1)).tolist() == [0, 2, 4, 6, 8]
    assert weights[0].tolist() == [0.0] * 4
    assert weights[2].tolist() == [0.5, 0.0, 0.0, 0.5]
    assert ValueRank(top=9, by="pbr").targets(panel)[0].tolist() == [0.0] * 4
    assert ValueRank(top=1, every=1, by="dividend_yield").targets(panel)[3].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert check_lookahead(ValueRank(every=7, top=1), make_panel(statements=ValueRank.statements)).found is None


def test_a_run_of_statements_is_the_same_in_the_process_of_a_strategy_and_names_them(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    bars, store = values_of(100.0, -5.0, 80.0, 200.0)
    loaded = load(bars, store, ("per", "eps"), strategy="mine")
    request = asked(bars, strategy="mine")
    with opened(tmp_path, OWN, request=request) as kind:
        assert kind.statements == ("per", "eps")
        apart = run_backtest(loaded, kind, request)
    here = run_backtest(loaded, load_strategy_file(tmp_path / "mine.py"), request)
    assert apart.files == here.files
    assert apart.summary.statements == ["per", "eps"]
    assert pl.read_csv(apart.files["trades.csv"]).height or apart.summary.metrics["exposure"]


def test_a_strategy_that_reads_statements_in_advance_is_found(tmp_path: Path) -> None:
    source = OWN.replace('self.per = panel.statement("per")', 'self.per = np.roll(panel.statement("per"), -1, axis=0)')
    (tmp_path / "mine.py").write_text(source)
    kind: StrategyKind = load_strategy_file(tmp_path / "mine.py")
    panel = make_panel(statements=kind.statements)
    assert check_lookahead(kind.parse({}), panel).found is not None
    (tmp_path / "mine.py").write_text(OWN)
    assert check_lookahead(load_strategy_file(tmp_path / "mine.py").parse({}), panel).found is None


def test_strategies_of_kaboom_say_what_they_read() -> None:
    assert find_strategy("value_rank", None).statements == ("per", "forward_per", "pbr", "dividend_yield")
    assert find_strategy("sma_cross", None).statements == ()

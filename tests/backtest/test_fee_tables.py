"""The fees of brokers: their steps on both sides, totals of sessions, and what the pages say about them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kaboom.backtest.engine.fills import added_fee, affordable, fee_of
from kaboom.backtest.engine.rules import MAX_STEPS, Rules
from kaboom.backtest.fee_tables import FEE_TABLES, FeeTableName
from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.panel import Panel
from kaboom.backtest.report.conventions import describe_costs
from kaboom.backtest.run import run_targets
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BAR_SCHEMA
from kaboom.market.interval import Interval
from kaboom.text.tables import CODES

PAGE = Path(__file__).parents[2] / "docs/reference/backtests.md"


def rules_of(name: str) -> Rules:
    return FillModel(fees=Fees.parse({"table": name})).to_rules()


@pytest.mark.parametrize(
    ("name", "value", "fee"),
    [
        *(("sbi-zero", value, 0) for value in (0, 1, 1e12)),
        *(("rakuten-zero", value, 0) for value in (0, 1, 1e12)),
        *(("monex", value, fee) for value, fee in ((50_000, 55), (50_001, 99), (1_000_000, 535), (1_000_001, 640))),
        *(("monex", value, fee) for value, fee in ((3e7, 1013), (3e7 + 1, 1070), (1e12, 1070))),
        *(("matsui-box", value, fee) for value, fee in ((500_000, 0), (500_001, 1100), (1_000_000, 1100))),
        *(("matsui-box", value, fee) for value, fee in ((1_000_001, 2200), (1e8, 110_000), (1e12, 110_000))),
    ],
)
def test_a_table_has_the_fees_that_its_broker_publishes(name: str, value: float, fee: float) -> None:
    assert fee_of(value, rules_of(name)) == fee


@pytest.mark.parametrize("name", FEE_TABLES)
def test_a_table_ascends_and_fits(name: FeeTableName) -> None:
    steps = FEE_TABLES[name].steps
    assert list(steps) == sorted(steps)
    assert [fee for _, fee in steps] == sorted(fee for _, fee in steps)
    assert len(steps) <= MAX_STEPS


def test_a_fee_by_the_total_of_a_session_is_what_the_fill_adds() -> None:
    rules = rules_of("matsui-box")
    assert [added_fee(300_000, traded, rules) for traded in (0.0, 300_000.0, 600_000.0, 900_000.0)] == [
        0,
        1100,
        0,
        1100,
    ]
    assert affordable(300_000, 1000.0, rules, 0.0) == 300
    assert affordable(300_000, 1000.0, rules, 300_000.0) == 200
    assert affordable(301_100, 1000.0, rules, 300_000.0) == 300


@pytest.mark.parametrize("other", [{"rate": 0.001}, {"fixed": 1}, {"least": 1}, {"most": 1}, {"steps": [[1, 1]]}])
def test_a_table_has_nothing_beside_it(other: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="expected no rate, fixed, least, most or steps beside it"):
        Fees.parse({"table": "monex"} | other)


def minutes_of(*days: int) -> Panel:
    """Return a panel of one symbol at 1,000 yen, with so many minutes on each day."""
    opens = [
        datetime(2025, 1, 6 + day, tzinfo=UTC) + timedelta(minutes=n)
        for day, count in enumerate(days)
        for n in range(count)
    ]
    rows = [("7203", opened, 1000.0, 1000.0, 1000.0, 1000.0, 100_000, 0) for opened in opens]
    return Panel.of(pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row"), Interval.M1)


@pytest.mark.parametrize("engine", ["numba", "python"])
def test_the_box_rate_adds_up_the_fills_of_a_session(engine: str) -> None:
    panel = minutes_of(4, 2)
    targets = np.full(panel.shape, np.nan)
    targets[:, 0] = (0.3, 0.6, 0.25, 0.55, np.nan, np.nan)
    model = FillModel(has_limits=False, volume_cap=0.0, slippage=Slippage(), fees=Fees(table="matsui-box"))
    result = run_targets(panel, targets, model, cash=1e6, engine=engine)  # type: ignore[arg-type]
    found = result.journal.select("bar", "shares", "fee").rows()
    # 0.3, 0.6 and 1 million yen so far; the next day begins with nothing.
    assert found == [(1, 300, 0), (2, 300, 1100), (3, -400, 0), (4, 300, 0)]
    assert result.fees == 1100
    assert result.equity[-1] == 998_900


def test_every_result_says_its_table_with_its_day_and_source() -> None:
    for name, table in FEE_TABLES.items():
        english, japanese = describe_costs({"symbols": ["7203"], "model": {"fees": {"table": name}}})
        by = "by the total of each session" if table.is_daily else "by the value of each fill"
        assert f"Fees of {CODES['fee_table'][name]} since {table.since} ({table.source}), {by}." in english
        assert f"{table.since}" in japanese
        assert table.source in japanese


def test_the_page_lists_the_tables_with_their_days() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .* \| (\d{4}-\d\d-\d\d) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(name, table.since.isoformat()) for name, table in FEE_TABLES.items()]
    assert list(CODES["fee_table"]) == list(FEE_TABLES)

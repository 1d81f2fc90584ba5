"""Figures for a share: of the newest full year, of its forecast, after splits; never of a year that is over."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from kaboom.disclosures.columns import state_columns
from kaboom.market.adjust import FACTOR_SCHEMA
from kaboom.market.disclosure import Statement
from tests.fixtures.disclosures.made import make_statement

YEAR, NEXT = date(2025, 3, 31), date(2026, 3, 31)


def columns_of(*statements: Statement, close: float = 1000.0, splits: pl.DataFrame | None = None) -> dict[str, float]:
    none = pl.DataFrame(schema=FACTOR_SCHEMA)
    versions = [replace(each, known_at=each.disclosed_at) for each in statements]
    moment = max(each.disclosed_at for each in statements) + timedelta(days=60)
    closes = np.array([[close]])
    found = state_columns(versions, ["7203"], [moment], closes, none if splits is None else splits)
    return {name: float(values[0, 0]) for name, values in found.items()}


def quarter(at: str, **values: Any) -> Statement:
    defaults: dict[str, Any] = {
        "period": "1Q", "period_end": date(2025, 6, 30), "year_end": NEXT, "eps": 25.0, "bps": None,
        "dividend": None, "forecast_year_end": NEXT,
    }  # fmt: skip
    return make_statement(at=at, **(defaults | values))


def test_ratios_are_of_the_newest_full_year_and_its_forecast() -> None:
    found = columns_of(make_statement())
    assert found == pytest.approx(
        {
            "eps": 100.0, "forecast_eps": 110.0, "bps": 1000.0, "dividend": 33.0, "per": 10.0,
            "forward_per": 1000 / 110, "pbr": 1.0, "dividend_yield": 3.3,
        }
    )  # fmt: skip


def test_a_quarter_changes_the_forecast_and_not_the_profit_of_the_year() -> None:
    found = columns_of(make_statement(), quarter("2025-08-07 14:00", forecast_eps=90.0, forecast_dividend=20.0))
    assert (found["eps"], found["forecast_eps"], found["bps"], found["dividend"]) == (100.0, 90.0, 1000.0, 20.0)


def test_a_forecast_of_a_year_that_is_over_does_not_count() -> None:
    forecast = quarter("2025-02-07 14:00", year_end=YEAR, forecast_year_end=YEAR, forecast_eps=80.0)
    said_nothing = make_statement(forecast_year_end=NEXT, forecast_eps=None, forecast_dividend=None)
    found = columns_of(forecast, said_nothing)
    assert np.isnan(found["forecast_eps"])
    assert found["dividend"] == 30.0
    assert columns_of(forecast)["forecast_eps"] == 80.0


def test_a_late_correction_of_an_older_year_does_not_replace_the_newest() -> None:
    old = make_statement(
        at="2025-06-01 15:00", year_end=date(2024, 3, 31), period_end=date(2024, 3, 31), eps=1.0, bps=2.0
    )
    found = columns_of(make_statement(), old)
    assert (found["eps"], found["bps"]) == (100.0, 1000.0)
    corrected = make_statement(at="2025-06-02 15:00", eps=90.0)
    assert columns_of(make_statement(), old, corrected)["eps"] == 90.0


def test_a_price_has_no_ratio_to_a_loss() -> None:
    found = columns_of(make_statement(eps=-5.0, bps=0.0))
    assert np.isnan(found["per"])
    assert np.isnan(found["pbr"])
    assert found["eps"] == -5.0


def test_a_split_after_the_disclosure_divides_what_is_for_a_share() -> None:
    splits = pl.DataFrame(
        {
            "symbol": ["7203", "7203", "6758"],
            "ex_session": [date(2025, 5, 8), date(2025, 6, 27), date(2025, 6, 27)],
            "factor": [0.1, 0.5, 0.2],
        },
        schema=FACTOR_SCHEMA,
    )
    found = columns_of(make_statement(at="2025-05-08 15:00"), close=500.0, splits=splits)
    assert (found["eps"], found["bps"], found["per"]) == (50.0, 500.0, 10.0)


def test_a_symbol_without_statements_has_no_figures() -> None:
    assert all(np.isnan(value) for value in columns_of(make_statement("6758")).values())

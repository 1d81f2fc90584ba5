"""Facts are computed from bars, rounded, and named by their source."""

import pytest

from kaboom.analysis.facts.market import gather_risk, gather_technical
from kaboom.analysis.facts.model import unit_of
from tests.analysis.cases import ingest_facts, make_history, technical_facts


def test_changes_are_those_of_the_closes() -> None:
    facts = gather_technical(make_history([100.0] * 20 + [110.0, 99.0], asked=30))
    assert facts.get("change_pct") == -10.0
    assert facts.get("return_20_pct") == -1.0
    assert facts.get("missing") == 8


def test_the_newest_volume_is_compared_with_those_of_the_twenty_sessions_before_it() -> None:
    history = make_history([100.0] * 22, {"volume": [9_000.0, *[1_000.0] * 20, 3_000.0]})
    assert gather_technical(history).get("volume_ratio_20") == 3.0
    assert gather_risk(history).get("turnover_20") == 100 * (19 * 1_000 + 3_000) / 20


def test_risks_are_those_of_the_closes() -> None:
    facts = gather_risk(make_history([100.0, 120.0, 60.0, 90.0]))
    assert facts.get("max_drawdown_pct") == -50.0
    assert facts.get("worst_day_pct") == -50.0
    assert facts.get("volatility_20_pct") is None


def test_sources_name_the_symbol_the_kind_of_row_and_the_session() -> None:
    assert [row.id for row in technical_facts().rows] == [
        "7203/bar/2026-11-27",
        "7203/changes/2026-11-27",
        "7203/indicators/2026-11-27",
        "7203/coverage",
    ]


def test_fields_of_facts_are_unique() -> None:
    for facts in (technical_facts(), ingest_facts()):
        names = [name for row in facts.rows for name in row.values]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "unit"),
    [("close", "yen"), ("sma_25", "yen"), ("return_20_pct", "percent"), ("volume", "shares"), ("rsi_14", "")],
)
def test_units_follow_from_names(name: str, unit: str) -> None:
    assert unit_of(name) == unit

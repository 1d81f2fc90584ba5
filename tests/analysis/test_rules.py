"""The rules analyst says the same of the same facts, and passes the checks that models must pass."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.analysis.checks.judge import judge_answer, judge_opinion
from kaboom.analysis.facts.jobs import gather_ingest
from kaboom.analysis.facts.market import History, Holding, gather_risk, gather_technical
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.rules import give_opinion
from kaboom.analysis.vocabulary import VERDICTS, Verdict
from kaboom.text.catalogue import Language
from tests.analysis.cases import backtest_facts, ingest_facts, make_history, risk_facts, technical_facts

LANGUAGES: tuple[Language, ...] = ("ja", "en")
PRICES = st.lists(st.floats(min_value=0.5, max_value=200_000), min_size=1, max_size=120)
ENDS = st.one_of(st.none(), st.floats(min_value=-5_000, max_value=200_000))
COUNTS = st.integers(min_value=0, max_value=4_000)


def check(facts: Facts) -> None:
    for language in LANGUAGES:
        opinion = give_opinion(facts, language)
        assert judge_opinion(opinion, facts).words == ""
        assert judge_answer(opinion.model_dump_json(), facts).opinion == opinion
        assert opinion == give_opinion(facts, language)
        assert opinion.verdict in VERDICTS[facts.kind]


@given(PRICES, st.tuples(ENDS, ENDS, ENDS, ENDS, ENDS))
def test_its_opinions_of_any_history_pass_the_checks(closes: list[float], ends: tuple[float | None, ...]) -> None:
    names = ("sma_25", "sma_75", "rsi_14", "macd_12_26_9_histogram", "atr_14")
    before: list[float | None] = [None] * (len(closes) - 1)
    columns = {name: [*before, end] for name, end in zip(names, ends, strict=True)}
    history = make_history(closes, columns, asked=250)
    check(gather_technical(history))
    check(gather_risk(history))


@given(st.dictionaries(st.sampled_from(["ok", "provider_error", "invalid", "write_failed", "not_listed"]), COUNTS))
def test_its_opinions_of_any_job_pass_the_checks(outcomes: dict[str, int]) -> None:
    failed = sum(count for name, count in outcomes.items() if name not in {"ok", "not_listed"})
    progress = {"total": sum(outcomes.values()), "done": sum(outcomes.values()) - failed, "failed": failed}
    check(gather_ingest("b" * 32, progress, outcomes, [("provider_error", "502")] * min(failed, 5)))


def test_a_history_without_bars_has_too_few() -> None:
    empty = History("7203", (), dict.fromkeys(("open", "high", "low", "close", "volume"), ()), 250)
    for facts in (gather_technical(empty), gather_risk(empty)):
        check(facts)
        assert give_opinion(facts, "en").points[0].text.startswith("Only 0 bars of 250 sessions")


@pytest.mark.parametrize(
    ("sma_25", "sma_75", "histogram", "rsi", "verdict", "confidence"),
    [
        # The mean of the signals that are known, from -1 to 1; of less than 0.4 either way it is neutral.
        (99.0, 98.0, 1.0, 29.0, Verdict.BULLISH, 0.9),
        (99.0, 98.0, 1.0, 50.0, Verdict.BULLISH, 0.78),
        (99.0, 98.0, -1.0, 50.0, Verdict.NEUTRAL, 0.57),
        (99.0, 101.0, 1.0, 70.0, Verdict.NEUTRAL, 0.7),
        (101.0, 100.0, -1.0, 50.0, Verdict.NEUTRAL, 0.57),
        (101.0, 102.0, -1.0, 69.9, Verdict.BEARISH, 0.78),
        (101.0, 102.0, -1.0, 70.0, Verdict.BEARISH, 0.9),
        (None, 102.0, -1.0, 70.0, Verdict.NEUTRAL, 0.1),
    ],
)
def test_a_lean_of_the_signals_is_a_verdict(
    sma_25: float | None, sma_75: float, histogram: float, rsi: float, verdict: Verdict, confidence: float
) -> None:
    ends = {"sma_25": sma_25, "sma_75": sma_75, "rsi_14": rsi, "macd_12_26_9_histogram": histogram}
    history = make_history([100.0] * 30, {name: [None] * 29 + [end] for name, end in ends.items()})
    opinion = give_opinion(gather_technical(history), "en")
    assert (opinion.verdict, opinion.confidence) == (verdict, confidence)


def test_a_rising_share_is_bullish() -> None:
    opinion = give_opinion(technical_facts(), "ja")
    assert opinion.verdict == Verdict.BULLISH
    assert "終値2,871.5円は25日移動平均2,829.5円を上回っています。" in [point.text for point in opinion.points]


def test_the_risk_of_a_swinging_share_is_high() -> None:
    opinion = give_opinion(risk_facts(), "en")
    assert opinion.verdict == Verdict.HIGH
    assert {claim.field for point in opinion.points for claim in point.claims} >= {"volatility_20_pct", "turnover_20"}


def test_a_job_is_explained_by_its_causes() -> None:
    opinion = give_opinion(ingest_facts(), "en")
    assert opinion.verdict == Verdict.PROVIDER
    assert [point.text for point in opinion.points][:2] == [
        "37 of 1,651 items failed.",
        "The provider failed for 30 items.",
    ]


SHARES = st.one_of(st.none(), st.floats(min_value=-0.99, max_value=9.0))


@given(st.tuples(SHARES, SHARES, SHARES), st.integers(0, 500), st.sampled_from(["run", "sweep"]))
def test_its_opinions_of_any_backtest_pass_the_checks(
    shares: tuple[float | None, float | None, float | None], trades: int, kind: str
) -> None:
    found, other, tested = shares
    metrics = {"total_return": found, "sharpe": found, "max_drawdown": -0.3, "trades": float(trades), "fees": 10.5}
    benchmark = {"name": "7203", "total_return": other, "sharpe": other}
    changes: dict[str, Any] = {"metrics": metrics, "benchmark": benchmark}
    if kind == "sweep":
        changes |= {"best": [{"test": {"total_return": tested}}], "trials": 6, "lost": 0, "deflated_sharpe": 0.71}
    check(backtest_facts(**changes))


def test_a_backtest_that_lost_to_its_benchmark_is_behind() -> None:
    opinion = give_opinion(backtest_facts(), "en")
    assert opinion.verdict == Verdict.BEHIND
    assert opinion.points[0].text == "The strategy returned 3.81%, the benchmark 42.9%."


def test_a_backtest_without_closed_trades_is_not_compared() -> None:
    metrics = {"total_return": 0.9, "sharpe": 3.0, "max_drawdown": -0.1, "trades": 0.0, "fees": 500.0}
    opinion = give_opinion(backtest_facts(metrics=metrics), "en")
    assert opinion.verdict == Verdict.UNCLEAR
    assert opinion.points[0].text == "Only 0 trades were closed, too few for a judgement."


def test_a_position_is_reported_with_its_cost_and_weight() -> None:
    holding = Holding(300, 1200.0, 62.5)
    facts = gather_technical(replace(make_history([1500.0] * 100), holding=holding))
    check(facts)
    texts = [point.text for point in give_opinion(facts, "en").points]
    assert "The position has 300 shares at an average cost of 1,200 yen." in texts
    assert "Against the average cost the close is 25%." in texts
    assert "The position is 62.5% of the portfolio's cost." in texts

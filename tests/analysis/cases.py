"""Facts and opinions of the tests on analyses."""

from datetime import date, timedelta
from typing import Any

from kaboom.analysis.facts.jobs import gather_backtest, gather_ingest
from kaboom.analysis.facts.market import History, gather_risk, gather_technical
from kaboom.analysis.facts.model import Facts

LAST = date(2026, 11, 27)


def make_history(
    closes: list[float], columns: dict[str, list[Any]] | None = None, *, name: str = "", asked: int = 0
) -> History:
    """Return a history of 7203 with these closes, one a day."""
    days = [LAST - timedelta(days=n) for n in reversed(range(len(closes)))]
    bars: dict[str, Any] = {"open": closes, "high": [c + 1 for c in closes], "low": [c - 1 for c in closes]}
    bars |= {"close": closes, "volume": [1000.0 + n for n in range(len(closes))]}
    return History("7203", days, bars | (columns or {}), asked or len(closes), name)


def technical_facts(*, name: str = "") -> Facts:
    """Return facts of a share that rises."""
    closes = [2000 + 3.5 * n for n in range(250)]
    ends: dict[str, Any] = {
        "sma_25": 2829.5,
        "sma_75": 2742.0,
        "rsi_14": 66.41,
        "macd_12_26_9": 24.5,
        "macd_12_26_9_histogram": -1.25,
    }
    return gather_technical(make_history(closes, {k: [None] * 249 + [v] for k, v in ends.items()}, name=name))


def risk_facts() -> Facts:
    """Return facts of a share that swings."""
    return gather_risk(make_history([1000 + (-1) ** n * 20 for n in range(60)], {"atr_14": [None] * 59 + [41.0]}))


def ingest_facts(message: str = "the provider answered 502") -> Facts:
    """Return facts of a job of which 37 symbols are missing."""
    outcomes = {"ok": 1600, "no_trades": 14, "provider_error": 30, "write_failed": 7}
    failures = [("provider_error", message)] * 30 + [("write_failed", "the disk was full")] * 7
    return gather_ingest("a" * 32, {"total": 1651, "done": 1614, "failed": 37}, outcomes, failures)


def backtest_facts(*, strategy: str = "sma_cross", **changes: Any) -> Facts:
    """Return facts of a run that lost to its benchmark."""
    metrics = {"total_return": 0.0381, "cagr": 0.0073, "volatility": 0.174, "sharpe": 0.124, "max_drawdown": -0.366}
    metrics |= {"hit_rate": 0.324, "exposure": 0.484, "trades": 34.0, "fees": 578529.94, "final_equity": 10380730.06}
    benchmark = {"name": "7203", "total_return": 0.429, "cagr": 0.072, "sharpe": 0.402, "max_drawdown": -0.304}
    run = {"strategy": strategy, "metrics": metrics, "benchmark": benchmark, "session_count": 1249, "symbols": 1}
    return gather_backtest("b" * 32, run | {"missing": 0} | changes)


def answer(text: str = "終値は2,871.5円です。", **changes: Any) -> dict[str, Any]:
    """Return an answer on `technical_facts` that has nothing wrong, but for what is changed."""
    claims = [{"source": "7203/bar/2026-11-27", "field": "close", "value": 2871.5}]
    good = {"subject": "7203", "verdict": "bullish", "confidence": 0.7, "points": [{"text": text, "claims": claims}]}
    return good | changes

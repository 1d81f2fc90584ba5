"""Facts of a job that has ended: of a backtest or a sweep, and of an ingest; pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kaboom.analysis.facts.model import Facts, SourceRow, clean_text
from kaboom.analysis.vocabulary import Kind

#: By name in the facts: the name in the summary. Shares become per cent.
_METRICS = {
    "total_return_pct": "total_return",
    "cagr_pct": "cagr",
    "run_volatility_pct": "volatility",
    "sharpe": "sharpe",
    "sortino": "sortino",
    "deepest_drawdown_pct": "max_drawdown",
    "hit_rate_pct": "hit_rate",
    "exposure_pct": "exposure",
    "trades": "trades",
    "fees": "fees",
    "final_equity": "final_equity",
}
_BENCHMARK = {
    "benchmark_return_pct": "total_return",
    "benchmark_cagr_pct": "cagr",
    "benchmark_sharpe": "sharpe",
    "benchmark_drawdown_pct": "max_drawdown",
}
_BARS = {"tested_sessions": "session_count", "tested_symbols": "symbols", "missing_symbols": "missing"}
_SWEEP = {"trials": "trials", "lost_trials": "lost", "luck_excluded_pct": "deflated_sharpe"}
_TEST = {"test_return_pct": "total_return", "test_sharpe": "sharpe", "test_drawdown_pct": "max_drawdown"}
#: The most causes that are listed separately.
_MOST_CAUSES = 8

#: An item that failed: its outcome, and the error message.
type Failure = tuple[str, str]


def gather_backtest(job_id: str, summary: Mapping[str, Any]) -> Facts:
    """Return the facts of a run or, of a sweep, of its best trial; names of strategies are cleaned, never cited."""
    run = summary.get("run") or summary
    best: Mapping[str, Any] = next(iter(summary.get("best") or ()), {})
    tested = (summary.get("walk_forward") or {}).get("whole") or best.get("test") or {}
    results = _pick(_METRICS, run["metrics"]) | _pick(_BENCHMARK, run["benchmark"])
    if "total_return_pct" in results and "benchmark_return_pct" in results:
        results["excess_return_pct"] = round(results["total_return_pct"] - results["benchmark_return_pct"], 2)
    rows = (
        SourceRow("backtest/run", results, session=None, notes={"strategy": clean_text(str(run["strategy"]))}),
        SourceRow("backtest/bars", _pick(_BARS, run)),
        SourceRow("backtest/sweep", _pick(_SWEEP, summary) if "best" in summary else {}),
        SourceRow("backtest/out_of_sample", _pick(_TEST, tested)),
    )
    return Facts(Kind.BACKTEST, job_id, tuple(row for row in rows if row.values))


def _pick(names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, float]:
    found = {name: values.get(key) for name, key in names.items()}
    return {
        name: round(value * (100 if name.endswith("_pct") else 1), 2)
        for name, value in found.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def gather_ingest(
    job_id: str, progress: Mapping[str, int], outcomes: Mapping[str, int], failures: Iterable[Failure]
) -> Facts:
    """Return the facts of a job: `progress` has `total`, `done`, `failed`; messages are cleaned, never cited."""
    rows = [SourceRow("job/progress", dict(progress))]
    if outcomes:
        rows.append(SourceRow("job/outcomes", {f"outcome_{name}": count for name, count in sorted(outcomes.items())}))
    causes = Counter((outcome, clean_text(message)) for outcome, message in failures).most_common(_MOST_CAUSES)
    rows += [
        SourceRow(f"job/causes/{n}", {f"cause_{n}_items": count}, notes={"outcome": outcome, "message": message})
        for n, ((outcome, message), count) in enumerate(causes, 1)
    ]
    return Facts(Kind.INGEST, job_id, tuple(rows))

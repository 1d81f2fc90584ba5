"""Runs side by side: metrics, curves that begin at 100, and the differences; pure, without numpy."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from kaboom.backtest.report.content import Numbers, ReportContent
from kaboom.backtest.report.text import DASH, percent, short_parameters, shown
from kaboom.backtest.strategies.parameters import in_order

#: Fields of a request that repeat other facts in another form, or do not affect the run.
_NOT_COMPARED = frozenset({"callback_url", "sessions", "tags"})
#: The facts that a repetition needs besides the request.
_FACTS = ("provider", "first", "last", "session_count", "fingerprint", "code_version", "strategy_digest")
#: How the names of differences begin, in the order in which a reader asks; what has none of them comes after `last`,
#: and what only a repetition needs comes last.
_ORDER = (
    "strategy", "symbols", "market", "symbol_count", "parameters.", "model.", "cash", "interval", "first", "last",
    "session_count", "provider", "benchmark",
)  # fmt: skip
_LAST = ("seed", "as_of", "fingerprint", "code_version", "strategy_digest")


class ComparedRun(BaseModel):
    """A run beside others."""

    job_id: str
    strategy: str
    parameters: dict[str, Any]
    provider: str
    is_real: bool
    interval: str
    first: date
    last: date
    fingerprint: str
    metrics: dict[str, float | None]
    longest_below_peak: int
    benchmark_return: float | None = Field(description="total return of its benchmark, as a share")
    curve: Numbers = Field(description="equity at each of `days`, 100 on the first one; null where the run has none")


class Difference(BaseModel):
    """Something that is not the same in all runs."""

    name: str = Field(description="such as `parameters.fast`, `model.fees.rate` or `fingerprint`")
    values: list[Any] = Field(description="of each run, null where it has none")


class Comparison(BaseModel):
    """Runs side by side."""

    items: list[ComparedRun]
    days: list[date] = Field(description="sessions from the first one that all runs have; none if there is no such one")
    has_same_bars: bool = Field(description="whether all runs saw the same bars, splits and listings")
    differences: list[Difference]


def compare_runs(reports: Mapping[str, ReportContent]) -> Comparison:
    """Return reports side by side, by the ids of their jobs."""
    contents = list(reports.values())
    days = _common_days(contents)
    return Comparison(
        items=[_describe(job_id, content, days) for job_id, content in reports.items()],
        days=days,
        has_same_bars=len({content.summary.fingerprint for content in contents}) == 1,
        differences=_differences(contents),
    )


def _common_days(contents: Sequence[ReportContent]) -> list[date]:
    spans = [content.curves.days for content in contents]
    common = set(spans[0]).intersection(*spans[1:])
    if not common:
        return []
    first = min(common)
    return sorted({day for days in spans for day in days if day >= first})


def _describe(job_id: str, content: ReportContent, days: Sequence[date]) -> ComparedRun:
    summary, curves = content.summary, content.curves
    equity = dict(zip(curves.days, curves.equity, strict=True))
    base = equity.get(days[0]) if days else None
    return ComparedRun(
        job_id=job_id,
        **{name: getattr(summary, name) for name in ComparedRun.model_fields if hasattr(summary, name)},
        longest_below_peak=content.longest_below_peak,
        benchmark_return=summary.benchmark.total_return,
        curve=[_rebase(equity.get(day), base) for day in days],
    )


def _rebase(value: float | None, base: float | None) -> float | None:
    return round(100 * value / base, 4) if value is not None and base else None


def _differences(contents: Sequence[ReportContent]) -> list[Difference]:
    flat = [_facts(content) for content in contents]
    names = list(dict.fromkeys(name for each in flat for name in each))
    # Parameters that only a later run has are listed with the others.
    names.sort(key=_place)
    found = [Difference(name=name, values=[each.get(name) for each in flat]) for name in names]
    return [each for each in found if any(value != each.values[0] for value in each.values[1:])]


def _place(name: str) -> int:
    if name in _LAST:
        return len(_ORDER) + 1 + _LAST.index(name)
    return next(
        (n for n, start in enumerate(_ORDER) if name == start or (start[-1] == "." and name.startswith(start))),
        len(_ORDER),
    )


def _facts(content: ReportContent) -> dict[str, Any]:
    """Return the request with its defaults, and the facts of the run, by name."""
    summary = content.summary.model_dump(mode="json")
    asked = {name: value for name, value in summary["request"].items() if name not in _NOT_COMPARED}
    # With the defaults of the strategy, which the request may leave out.
    asked = {"strategy": summary["strategy"], "parameters": in_order(summary["strategy"], summary["parameters"])} | {
        name: value for name, value in asked.items() if name != "parameters"
    }
    counted = {"symbol_count": summary["symbols"]} if not asked.get("symbols") else {}
    return dict(_flatten("", asked)) | counted | {name: summary[name] for name in _FACTS}


def _flatten(prefix: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flatten(f"{prefix}{name}.", value) if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


#: Metrics of which less is better; of exposure, turnover and fees neither is.
_LESS = frozenset({"volatility", "longest_below_peak", "down_capture"})
_NEITHER = frozenset({"exposure", "turnover", "fees", "beta", "tracking_error"})


def name_runs(compared: Comparison, say_strategy: Callable[[str], str]) -> list[str]:
    """Return a label for each run of what differs: symbols, parameters, costs, period; else the start of its id."""
    differing = {each.name: each.values for each in compared.differences}
    found = []
    for n, run in enumerate(compared.items):
        parts = [say_strategy(run.strategy)] if "strategy" in differing else []
        parts += [_short(differing[name][n]) for name in ("symbols", "market") if name in differing]
        if any(name.startswith("parameters.") for name in differing):
            parts.append(short_parameters(run.strategy, run.parameters))
        if fees := differing.get("model.fees.rate"):
            parts.append(percent(fees[n], 2))
        costs = [name for name in differing if name.startswith("model.") and name != "model.fees.rate"]
        parts += [f"{name.rpartition('.')[2]} {shown(differing[name][n])}" for name in costs]
        if "first" in differing or "last" in differing:
            parts.append(f"{run.first:%Y-%m} {DASH} {run.last:%Y-%m}")
        parts += [_short(differing[name][n]) for name in ("interval", "provider") if name in differing]
        found.append(" ".join(filter(None, parts)) or run.job_id[:8])
    return found


def find_best(metric: str, values: Sequence[float | None]) -> frozenset[int]:
    """Return the places of the best values of a metric; none if all are equal, or neither more nor less is better."""
    known = {value for value in values if value is not None}
    if metric in _NEITHER or len(known) < 2:
        return frozenset()
    best = min(known) if metric in _LESS else max(known)
    return frozenset(n for n, value in enumerate(values) if value == best)


def measure_drawdown(curve: Sequence[float | None]) -> list[float | None]:
    """Return how far a curve is below its highest value so far, as a share; None where it has no value."""
    found, peak = list[float | None](), 0.0
    for value in curve:
        peak = max(peak, value or 0.0)
        found.append(None if value is None else value / peak - 1)
    return found


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 1:
        return f"{value[0]} +{len(value) - 1}"
    return shown(value) if value is not None else ""

"""One backtest: from its bars to its summary and its files."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import orjson

from kaboom.backtest import metrics
from kaboom.backtest.broker import Broker
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.engine.kernel_build import build_kernel
from kaboom.backtest.engines import EngineName, choose_engine
from kaboom.backtest.next_orders import find_next_session, list_next_orders, order_table
from kaboom.backtest.panel import Panel
from kaboom.backtest.report.builder import build_content
from kaboom.backtest.report.html import build_report
from kaboom.backtest.request import BacktestRequest, BarsAsked
from kaboom.backtest.result import Result
from kaboom.backtest.run import TargetStrategy, check_targets, run_bars, run_targets
from kaboom.backtest.strategies.files import AnyStrategy, StrategyKind
from kaboom.backtest.strategy import BarStrategy
from kaboom.backtest.study.bars import StudyBars
from kaboom.backtest.study.curves import benchmark_of, encode_csv, equity_table
from kaboom.backtest.study.fingerprint import code_version, fingerprint_of
from kaboom.backtest.summary import BenchmarkSummary, FileNote, RunSummary, SweepSummary, digest_of, finite
from kaboom.drivers.stop import ShouldStop, check_stop, never
from kaboom.market import performance
from kaboom.market.indices import TOPIX_AND_FUNDS

#: The most waiting orders in a summary; `orders.csv` has all.
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Study[S: (RunSummary, SweepSummary)]:
    """The result of a backtest or of a sweep: its summary, and its files by name."""

    summary: S
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, summary: S, files: Mapping[str, bytes]) -> "Study[S]":
        """Return a study whose summary notes the other files, and is a file itself; equal ones give equal bytes."""
        notes = {name: FileNote.of(content) for name, content in files.items()}
        noted = summary.model_copy(update={"kept_files": notes})
        dumped = orjson.dumps(noted.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
        return cls(noted, {**files, "summary.json": dumped})


def run_backtest(
    bars: StudyBars, kind: StrategyKind, request: BacktestRequest, *, should_stop: ShouldStop = never
) -> Study[RunSummary]:
    """Run a backtest; equal bars, code and requests give equal bytes.

    Raises:
        InvalidRequest: the parameters or a decision of the strategy are not allowed.
        Stopped: `should_stop` turned true.

    """
    strategy = kind.parse(request.parameters)
    result, engine = run_stoppable(bars.panel, strategy, request, should_stop)
    check_stop(should_stop)
    benchmark = benchmark_of(bars, request.cash)
    files = {
        "equity.csv": encode_csv(equity_table(result, benchmark)),
        "trades.csv": encode_csv(result.trades),
    }
    waiting = list_next_orders(result)
    summary = RunSummary(
        **describe_bars(bars, kind, request),
        listed_on=list(bars.listed_on),
        parameters=parameters_of(strategy, request.parameters),
        engine=engine,
        is_ruined=result.is_ruined,
        metrics=finite(result.summary() | _against(result, benchmark)),
        benchmark=_compare(bars, result, benchmark),
        next_session=find_next_session(bars.panel) if bars.request.is_tse else None,
        next_orders=waiting[:_MOST_SHOWN],
        next_order_count=len(waiting),
        kept_files={},
        # The measures against the benchmark follow from the curves, which the files have.
        digest=digest_of(*files.values(), orjson.dumps(finite(result.summary()))),
    )
    content = build_content(summary, result, benchmark, bars.sectors)
    files |= {
        "orders.csv": encode_csv(order_table(waiting)),
        "report.html": build_report(content),
        "report.json": orjson.dumps(content.model_dump(mode="json")),
    }
    return Study.of(summary, files)


def describe_bars(bars: StudyBars, kind: StrategyKind, request: BarsAsked) -> dict[str, Any]:
    """Return the fields of `TestedBars`."""
    panel, asked = bars.panel, bars.request
    first, last = day_of(panel, 0), day_of(panel, -1)
    return {
        "request": request.to_json(),
        "provider": asked.source,
        "is_real": asked.spec.is_real,
        "interval": asked.interval.value,
        "symbols": len(panel.symbols),
        "missing": len(bars.missing),
        "delisted": len(bars.delisted),
        "first": first,
        "last": last,
        "session_count": int(np.unique(panel.days).size),
        "bars": int(panel.opened_at.size),
        "is_pinned": request.as_of is not None,
        "statements": list(panel.stated),
        "fingerprint": fingerprint_of(bars),
        "code_version": code_version(),
        "strategy": kind.name,
        "strategy_digest": kind.digest or None,
        "seed": request.seed,
    }


def day_of(panel: Panel, bar: int) -> date:
    """Return the day of a bar in Japan."""
    return date.fromordinal(int(panel.days[bar]) + date(1970, 1, 1).toordinal())


def parameters_of(strategy: AnyStrategy, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a strategy, with its defaults if it has them."""
    to_json = getattr(strategy, "to_json", None)
    return dict(to_json()) if to_json else dict(given)


def _against(result: Result, benchmark: Floats) -> dict[str, float]:
    """Return the measures of a run against its benchmark, by session."""
    other = metrics.returns_of(benchmark[result.panel.session_ends], result.start)
    return performance.compare(result.returns.tolist(), other.tolist(), metrics.SESSIONS)


def _compare(bars: StudyBars, result: Result, benchmark: Floats) -> BenchmarkSummary:
    returns = metrics.returns_of(benchmark[result.panel.session_ends], result.start)
    named = bars.benchmark.symbols[0] if bars.benchmark else None
    one = bars.panel.symbols[0] if len(bars.panel.symbols) == 1 else f"equal weights of {len(bars.panel.symbols)}"
    numbers = {"total_return": float(benchmark[-1]) / result.start - 1, **metrics.measure(returns)}
    return BenchmarkSummary(name=named or one, note=_note(bars), **finite(numbers))


def _note(bars: StudyBars) -> str | None:
    """Return why the benchmark is not as expected: it is not the index, or lacks days of the run."""
    if bars.is_index_missing:
        return f"no bars of TOPIX ({', '.join(TOPIX_AND_FUNDS)}) are held"
    if bars.benchmark is None:
        return None
    (first, last), (begin, end) = ((day_of(panel, 0), day_of(panel, -1)) for panel in (bars.panel, bars.benchmark))
    return f"its bars are of {begin} to {end}, and it is flat before and after" if begin > first or end < last else None


def run_stoppable(
    panel: Panel, strategy: AnyStrategy, request: BarsAsked, should_stop: ShouldStop
) -> tuple[Result, EngineName]:
    """Return the result of a strategy on a panel, and the engine that ran it; both engines give the same fills.

    Raises:
        InvalidRequest: a decision of the strategy is not allowed.
        Stopped: `should_stop` turned true. Compiled code is not stopped, since it takes only some tenths of a second.

    """
    # The user's own strategies may draw random numbers.
    random.seed(request.seed)
    np.random.seed(request.seed)  # noqa: NPY002 (the global state, which such strategies use)

    def look(_bar: int, _broker: Broker) -> None:
        check_stop(should_stop)

    cash, model = request.cash, request.model
    if isinstance(strategy, BarStrategy):
        return run_bars(panel, strategy, model.to_rules(), cash, look), "python"
    targets, protection = strategy.targets(panel.read_only), strategy.protection
    check_stop(should_stop)
    check_targets(panel, targets)
    engine = choose_engine("auto", targets, protection)
    if engine == "numba":
        build_kernel(should_stop)
        return run_targets(panel, targets, model, cash=cash, protection=protection, engine=engine), engine
    return run_bars(panel, TargetStrategy(targets), model.to_rules(protection), cash, look), engine

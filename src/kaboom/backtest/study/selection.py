"""The end of a sweep: its best trials, their results out of sample, and a backtest of the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import orjson
import polars as pl

from kaboom.backtest import metrics
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.engine.kernel_build import build_kernel
from kaboom.backtest.engines import Engine
from kaboom.backtest.request import BacktestRequest, Scalar, SweepRequest
from kaboom.backtest.run import run_weights
from kaboom.backtest.strategies.files import StrategyKind
from kaboom.backtest.strategy import WeightStrategy
from kaboom.backtest.study.bars import StudyBars
from kaboom.backtest.study.curves import encode_csv
from kaboom.backtest.study.single import Study, day_of, describe_bars, run_backtest
from kaboom.backtest.study.trials import TrialTable, combination
from kaboom.backtest.study.windows import Window, find_windows, run_test
from kaboom.backtest.summary import Fold, RunSummary, SweepSummary, TestSummary, Trial, WalkForward, digest_of, finite
from kaboom.backtest.sweep import COLUMNS, find_engine
from kaboom.drivers.stop import ShouldStop, check_stop, never

#: A surface with more cells is left out, since it would be too large to read; `trials.csv` has all trials.
MOST_CELLS = 10_000
_MOST_PARAMETERS = 4
_VALUES = ("total_return", "sharpe", "max_drawdown")


@dataclass(frozen=True, slots=True)
class SweepEnd:
    """The inputs of the end of a sweep: its bars, its strategy, and all its trials.

    Attributes:
        left_out: combinations that are not allowed.
        lost: trials that failed.
        engine: of the tests of the best, which are many runs.

    """

    bars: StudyBars
    kind: StrategyKind
    request: SweepRequest
    table: TrialTable
    left_out: int = 0
    lost: int = 0
    should_stop: ShouldStop = never
    engine: Engine = "auto"

    def strategy_of(self, place: int) -> WeightStrategy:
        """Return the strategy of the trial at a place of the table."""
        return self.kind.parse(self.parameters_of(place))  # type: ignore[return-value]  # a sweep has weights alone

    def parameters_of(self, place: int) -> dict[str, Any]:
        """Return the parameters of the trial at a place of the table."""
        return combination(self.request.parameters, self.table.numbers[place])


def end_sweep(end: SweepEnd) -> Study[SweepSummary]:
    """Choose the best trials and test them; equal trials give equal bytes, however they were cut into chunks.

    Raises:
        Stopped: `should_stop` turned true.

    """
    request, table, panel = end.request, end.table, end.bars.panel
    windows = find_windows(request, panel)
    ranked = len(windows) - 1
    best = table.best(ranked, request.rank_by, request.keep)
    tests = len(windows) * len(best)
    end = replace(end, engine=find_engine(panel, [end.strategy_of(best[0])], runs=tests))
    if end.engine == "numba":
        build_kernel(end.should_stop)
    study = _run_best(end, best[0])
    trials = encode_csv(_trials_table(end, windows))
    ratios = table.column(ranked, "sharpe")
    ratios = ratios[~np.isnan(ratios)] / np.sqrt(metrics.SESSIONS)
    deviation = float(np.std(ratios, ddof=1)) if ratios.size > 1 else 0.0
    summary = SweepSummary(
        **describe_bars(end.bars, end.kind, request),
        listed_on=list(end.bars.listed_on),
        trials=len(table.numbers),
        left_out=end.left_out,
        lost=end.lost,
        rank_by=request.rank_by,
        chosen_until=day_of(panel, windows[ranked].train_end),
        sharpe_deviation=finite({"deviation": deviation})["deviation"],
        deflated_sharpe=_deflate(end, best[0], windows[ranked], deviation),
        best=[_describe(end, place, windows) for place in best],
        walk_forward=_walk(end, windows[:-1]) if request.folds else None,
        run=study.summary,
        kept_files={},
        digest=digest_of(trials),
    )
    surface = build_surfaces(table, request.parameters, window=ranked, rank_by=request.rank_by)
    files = {**study.files, "trials.csv": trials, "surface.json": surface}
    del files["summary.json"]
    return Study.of(summary, files)


def _run_best(end: SweepEnd, place: int) -> Study[RunSummary]:
    names = BacktestRequest.model_fields.keys() - {"parameters"}
    values = {name: value for name, value in end.request.to_json().items() if name in names}
    request = BacktestRequest.parse(values | {"parameters": end.parameters_of(place)})
    return run_backtest(end.bars, end.kind, request, should_stop=end.should_stop)


def _deflate(end: SweepEnd, place: int, window: Window, deviation: float) -> float | None:
    seen = end.bars.panel.until(window.train_end)
    result = run_weights(seen, end.strategy_of(place), end.request.model, cash=end.request.cash, engine=end.engine)
    chance = metrics.deflated_sharpe(result.returns, len(end.table.numbers), deviation)
    return finite({"chance": chance})["chance"]


def _describe(end: SweepEnd, place: int, windows: tuple[Window, ...]) -> Trial:
    check_stop(end.should_stop)
    request = end.request
    row = {name: float(end.table.column(len(windows) - 1, name)[place]) for name in COLUMNS if name != "rows"}
    test = None
    if windows[-1].test_end is not None:
        test = _test(run_test(end.bars.panel, windows[-1], end.strategy_of(place), end.request, end.engine))
    number = end.table.numbers[place]
    near = median_of_neighbours(
        end.table, request.parameters, place, end.table.column(len(windows) - 1, request.rank_by)
    )
    fills = int(end.table.column(len(windows) - 1, "rows")[place])
    return Trial(
        number=number, parameters=end.parameters_of(place), fills=fills, test=test, **finite(row | {"neighbours": near})
    )


def median_of_neighbours(
    table: TrialTable, choices: Mapping[str, tuple[Scalar, ...]], place: int, values: Floats
) -> float:
    """Return the median value of the trials that differ from one by a step of one parameter; NaN if there are none.

    Steps are those between the numbers of a parameter in their order; texts have none. `values` has one for each trial.
    """
    digits = np.unravel_index(np.array(table.numbers), [len(each) for each in choices.values()])
    distance, is_near = np.zeros(len(table.numbers)), np.ones(len(table.numbers), dtype=np.bool_)
    for each, given in zip(digits, choices.values(), strict=True):
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
            order = np.argsort(np.argsort(np.array(given, dtype=np.float64)))
            distance += np.abs(order[each] - order[each[place]])
        else:
            is_near &= each == each[place]
    near = values[is_near & (distance == 1)]
    near = near[~np.isnan(near)]
    return float(np.median(near)) if near.size else float("nan")


def _walk(end: SweepEnd, windows: tuple[Window, ...]) -> WalkForward:
    folds, parts = list[Fold](), list[Floats]()
    for n, window in enumerate(windows):
        check_stop(end.should_stop)
        (place,) = end.table.best(n, end.request.rank_by, 1)
        parts.append(run_test(end.bars.panel, window, end.strategy_of(place), end.request, end.engine))
        folds.append(
            Fold(
                chosen_until=day_of(end.bars.panel, window.train_end),
                tested_until=day_of(end.bars.panel, window.test_end or window.train_end),
                number=end.table.numbers[place],
                parameters=end.parameters_of(place),
                sharpe=finite({"sharpe": float(end.table.column(n, "sharpe")[place])})["sharpe"],
                test=_test(parts[-1]),
            )
        )
    return WalkForward(folds=folds, whole=_test(np.concatenate(parts)))


def _test(returns: Floats) -> TestSummary:
    total, sessions = float(np.prod(returns + 1.0)) - 1.0, float(returns.size)
    return TestSummary(**finite({"total_return": total, "sessions": sessions, **metrics.measure(returns)}))


def _trials_table(end: SweepEnd, windows: tuple[Window, ...]) -> pl.DataFrame:
    """Return every trial: its number, its parameters, and its results in each window."""
    table = end.table
    parameters = [end.parameters_of(place) for place in range(len(table.numbers))]
    columns: dict[str, Any] = {"number": list(table.numbers)}
    columns |= {name: _column([one[name] for one in parameters]) for name in end.request.parameters}
    for n, _ in enumerate(windows):
        suffix = "" if n == len(windows) - 1 else f"_fold{n + 1}"
        columns |= {f"{name}{suffix}": table.column(n, name) for name in COLUMNS}
    return pl.DataFrame(columns)


def _column(values: list[Any]) -> pl.Series:
    """Return the values of a parameter: as numbers if all are, which a CSV writes as they are; else as text."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float}:
        return pl.Series(values, dtype=pl.Int64() if kinds == {int} else pl.Float64())
    return pl.Series([str(value) for value in values], dtype=pl.String())


def build_surfaces(table: TrialTable, choices: Mapping[str, tuple[Scalar, ...]], *, window: int, rank_by: str) -> bytes:
    """Return the surface of each pair of parameters as JSON; a cell has its best trial over all other parameters.

    A cell is null if no trial was run; else it has the number of the trial, its total return, its Sharpe ratio and
    its maximum drawdown. With only one parameter, the surface has one row.
    """
    varied = [name for name, values in choices.items() if len(values) > 1] or list(choices)[:1]
    pairs = list(combinations(varied[:_MOST_PARAMETERS], 2)) or [(varied[0], "")]
    # For each parameter the place of its value in each trial; the last parameter changes fastest.
    places_of = np.unravel_index(np.array(table.numbers), [len(values) for values in choices.values()])
    digits: dict[str, Any] = dict(zip(choices, places_of, strict=True))
    order = table.best(window, rank_by, len(table.numbers))
    surfaces, left_out = list[dict[str, Any]](), list[list[str]]()
    for x, y in pairs:
        shape = (len(choices[y]) if y else 1, len(choices[x]))
        if shape[0] * shape[1] > MOST_CELLS:
            left_out.append([x, y])
            continue
        places = (digits[y] if y else np.zeros(len(table.numbers), dtype=np.int64)) * shape[1] + digits[x]
        surfaces.append(
            {
                "x": x,
                "y": y or None,
                "x_values": list(choices[x]),
                "y_values": list(choices[y]) if y else [],
                "cells": _cells(table, window, order, (places, shape[0] * shape[1])),
            }
        )
    found = {"rank_by": rank_by, "values": list(_VALUES), "surfaces": surfaces, "left_out": left_out}
    return orjson.dumps(found)


def _cells(table: TrialTable, window: int, order: Sequence[int], grid: tuple[Any, int]) -> list[list[Any] | None]:
    places, size = grid
    cells: list[list[Any] | None] = [None] * size
    columns = [table.column(window, name) for name in _VALUES]
    for trial in order:
        place = int(places[trial])
        # The trials are sorted, best first, so a cell keeps its first trial.
        if cells[place] is None:
            values = [round(float(v[trial]), 6) if np.isfinite(v[trial]) else None for v in columns]
            cells[place] = [table.numbers[trial], *values]
    return cells

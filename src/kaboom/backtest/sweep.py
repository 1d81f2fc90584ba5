"""Running a strategy with many parameters on one panel."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched

import numpy as np

from kaboom.backtest.engine import sweeps
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.engine.kernel_build import build_kernel
from kaboom.backtest.engines import Engine, EngineName, choose_engine
from kaboom.backtest.metrics import SESSIONS
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import NO_PROTECTION, Protection
from kaboom.backtest.run import check_targets, new_sim, run_weights
from kaboom.backtest.strategy import WeightStrategy

#: The results of a run. `sharpe` is for a year; `rows` counts fills and flows of cash.
COLUMNS = ("final_equity", "total_return", "sharpe", "max_drawdown", "rows")

type _How = tuple[FillModel, Protection, float]

#: Weights of this many bytes are computed before they are run, so that they fit in a processor's cache.
_BUFFER_BYTES = 2 * 1024 * 1024


def run_sweep(
    panel: Panel, strategies: Sequence[WeightStrategy], model: FillModel, *, cash: float, engine: Engine = "auto"
) -> Floats:
    """Return the results of a run of each strategy, `[runs, COLUMNS]`; each starts with the same cash.

    Raises:
        InvalidRequest: weights have another shape than the panel, or are out of bounds, or cash is not above 0.
        ConfigurationError: numba was asked for, and is not installed.

    """
    run = _run_compiled if find_engine(panel, strategies, engine) == "numba" else _run_in_python
    groups: dict[tuple[float | None, float | None], list[int]] = {}
    for number, strategy in enumerate(strategies):
        protection = strategy.protection
        groups.setdefault((protection.stop_loss, protection.take_profit), []).append(number)
    summaries = np.full((len(strategies), sweeps.COLUMNS), np.nan)
    for (stop_loss, take_profit), numbers in groups.items():
        how = (model, Protection(stop_loss=stop_loss, take_profit=take_profit), cash)
        summaries[numbers] = run(panel, [strategies[number] for number in numbers], how)
    return _describe(summaries, cash)


def find_engine(
    panel: Panel, strategies: Sequence[WeightStrategy], engine: Engine = "auto", *, runs: int = 0
) -> EngineName:
    """Return the engine for a number of runs, else one of each strategy; it is chosen by the weights of the first.

    Raises:
        InvalidRequest: weights have another shape than the panel, or are out of bounds.
        ConfigurationError: numba was asked for, and is not installed.

    """
    if engine != "auto" or not strategies:
        return choose_engine(engine, np.empty((0, 0)), NO_PROTECTION)
    targets = strategies[0].targets(panel.read_only)
    check_targets(panel, targets)
    return choose_engine(engine, targets, strategies[0].protection, runs=runs or len(strategies))


def _run_compiled(panel: Panel, strategies: Sequence[WeightStrategy], how: _How) -> Floats:
    build_kernel()
    from kaboom.backtest.engine.kernel import sweep_compiled  # noqa: PLC0415 (numba is an extra, and slow to import)

    model, protection, cash = how
    sim = new_sim(panel, model.to_rules(protection), cash, capacity=0)
    n, m = panel.shape
    buffers = np.empty((2, max(1, _BUFFER_BYTES // (8 * n * m)), n, m))
    found: list[Floats] = []
    # Compiled code runs in another thread, while this one computes the next weights.
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(lambda: np.empty((0, sweeps.COLUMNS)))
        for number, part in enumerate(batched(strategies, buffers.shape[1])):
            targets = buffers[number % 2, : len(part)]
            for row, strategy in zip(targets, part, strict=True):
                row[:] = strategy.targets(panel.read_only)
            check_targets(panel, targets)
            found.append(running.result())
            running = pool.submit(sweep_compiled, sim, targets)
        return np.concatenate([*found, running.result()])


def _run_in_python(panel: Panel, strategies: Sequence[WeightStrategy], how: _How) -> Floats:
    model, _, cash = how
    out = np.full((len(strategies), sweeps.COLUMNS), np.nan)
    for row, strategy in zip(out, strategies, strict=True):
        result = run_weights(panel, strategy, model, cash=cash, engine="python")
        sweeps.summarise(result.sim, cash, row)
    return out


def _describe(summaries: Floats, cash: float) -> Floats:
    mean, deviation = summaries[:, sweeps.MEAN], summaries[:, sweeps.DEVIATION]
    sharpe = np.divide(mean, deviation, out=np.full(mean.size, np.nan), where=deviation > 0) * math.sqrt(SESSIONS)
    final = summaries[:, sweeps.FINAL]
    return np.column_stack([final, final / cash - 1, sharpe, summaries[:, sweeps.DRAWDOWN], summaries[:, sweeps.FILLS]])

"""Many parameters of a strategy on one panel."""

import math
from collections.abc import Iterable, Sequence
from itertools import batched

import numpy as np
import polars as pl

from batch.backtest import sweeps
from batch.backtest.arrays import Floats
from batch.backtest.metrics import SESSIONS
from batch.backtest.model import FillModel
from batch.backtest.panel import Panel
from batch.backtest.protection import Protection
from batch.backtest.run import Engine, check_targets, is_compiled, new_sim, run_targets
from batch.backtest.strategy import WeightStrategy

#: One row for each run, in the order of the strategies. `sharpe` is for a year; `rows` counts fills and flows of cash.
SWEEP_SCHEMA = pl.Schema(
    {
        "run": pl.Int64(),
        "final_equity": pl.Float64(),
        "total_return": pl.Float64(),
        "sharpe": pl.Float64(),
        "max_drawdown": pl.Float64(),
        "rows": pl.Int64(),
    }
)

#: The weights of so many bytes are computed before they are run.
_CHUNK_BYTES = 32 * 1024 * 1024


def run_sweep(
    panel: Panel, strategies: Sequence[WeightStrategy], model: FillModel, *, cash: float, engine: Engine = "auto"
) -> pl.DataFrame:
    """Return a summary of a run of each strategy, in `SWEEP_SCHEMA`; each starts with the same cash.

    Raises:
        InvalidRequest: as `run_targets`.
        ConfigurationError: as `run_targets`.

    """
    summaries = np.full((len(strategies), sweeps.COLUMNS), np.nan)
    groups: dict[Protection, list[int]] = {}
    for run, strategy in enumerate(strategies):
        protection = Protection(**strategy.protection.shares())
        groups.setdefault(protection, []).append(run)
    chunk = max(1, _CHUNK_BYTES // (8 * panel.shape[0] * panel.shape[1]))
    for protection, runs in groups.items():
        for part in batched(runs, chunk):
            targets = [strategies[run].targets(panel) for run in part]
            summaries[list(part)] = _summaries(panel, targets, model, (cash, protection, engine))
    return _to_frame(summaries, cash)


def sharpe_deviation(found: pl.DataFrame) -> float:
    """Return the standard deviation of the runs' Sharpe ratios for each session, which deflates that of the best."""
    ratios = found["sharpe"].drop_nans().drop_nulls().to_numpy() / math.sqrt(SESSIONS)
    return float(np.std(ratios, ddof=1)) if ratios.size > 1 else 0.0


def _summaries(
    panel: Panel, targets: Iterable[Floats], model: FillModel, how: tuple[float, Protection, Engine]
) -> Floats:
    cash, protection, engine = how
    if not is_compiled(engine):
        return np.array([_summary(panel, each, model, how) for each in targets])
    from batch.backtest.kernel import sweep_compiled  # noqa: PLC0415 (numba is an extra, and slow to import)

    stacked = np.stack(list(targets))
    for each in stacked:
        check_targets(panel, each)
    return sweep_compiled(new_sim(panel, model.to_rules(**protection.shares()), cash, capacity=0), stacked)


def _summary(panel: Panel, targets: Floats, model: FillModel, how: tuple[float, Protection, Engine]) -> Floats:
    cash, protection, engine = how
    result = run_targets(panel, targets, model, cash=cash, protection=protection, engine=engine)
    out = np.full(sweeps.COLUMNS, np.nan)
    sweeps.summarise(result.sim, cash, out)
    return out


def _to_frame(summaries: Floats, cash: float) -> pl.DataFrame:
    mean, deviation = summaries[:, sweeps.MEAN], summaries[:, sweeps.DEVIATION]
    sharpe = np.divide(mean, deviation, out=np.full(mean.size, np.nan), where=deviation > 0) * math.sqrt(SESSIONS)
    final = summaries[:, sweeps.FINAL]
    columns = {
        "run": np.arange(final.size),
        "final_equity": final,
        "total_return": final / cash - 1,
        "sharpe": sharpe,
        "max_drawdown": summaries[:, sweeps.DRAWDOWN],
        "rows": summaries[:, sweeps.FILLS].astype(np.int64),
    }
    return pl.DataFrame(columns, schema=SWEEP_SCHEMA)

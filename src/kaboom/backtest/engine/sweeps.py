"""The loop over many runs of one panel, of which only a summary is kept.

Compiled by `kernel`, like `fills`.
"""

import math

import numpy as np

from kaboom.backtest.engine.arrays import EQUITY, Floats, Sim
from kaboom.backtest.engine.targets import simulate

#: Columns of a summary.
COLUMNS = 5
FINAL, MEAN, DEVIATION, DRAWDOWN, FILLS = range(COLUMNS)


def reset(sim: Sim, cash: float) -> None:
    """Set a state back to before the first bar."""
    state = sim.state
    sim.account.cash = cash
    account = sim.account
    account.rows, account.shorts, account.next_ex, account.pending, account.is_ruined = 0, 0, 0, 0, 0
    account.traded, account.traded_day = 0.0, -1
    account.income, account.withheld, account.tax_year = 0.0, 0.0, -1
    state.shares[:] = 0.0
    state.average[:] = 0.0
    state.basis[:] = 0.0
    state.stop[:] = math.nan
    state.profit[:] = math.nan
    state.weight[:] = math.nan
    state.want[:] = 0.0
    state.reason[:] = 0
    state.used_bar[:] = -1


def summarise(sim: Sim, cash: float, out: Floats) -> None:
    """Write the final equity, mean and deviation of the returns by session, the largest drawdown and the rows."""
    equity, days = sim.curves[EQUITY], sim.days
    n, before, peak, worst = equity.size, cash, cash, 0.0
    count, total, squares = 0, 0.0, 0.0
    for i in range(n):
        if i + 1 < n and days[i + 1] == days[i]:
            continue
        gain = equity[i] / before - 1.0 if before > 0.0 else 0.0
        count += 1
        total += gain
        squares += gain * gain
        before = equity[i]
        peak = max(peak, before)
        # Without a division in each bar.
        if before < peak * (1.0 + worst):
            worst = before / peak - 1.0
    mean = total / count
    out[FINAL], out[MEAN], out[DRAWDOWN] = before, mean, worst
    out[DEVIATION] = math.sqrt(max(squares - count * mean * mean, 0.0) / (count - 1)) if count > 1 else np.nan
    out[FILLS] = sim.account.rows


def sweep(sim: Sim, targets: Floats, out: Floats) -> None:
    """Run target weights `[runs, bars, symbols]`; write a summary of each run to `out`, `[runs, 5]`."""
    cash = float(sim.account.cash)
    for run in range(targets.shape[0]):
        reset(sim, cash)
        simulate(sim, targets[run])
        summarise(sim, cash, out[run])

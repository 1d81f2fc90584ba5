"""The loop over target weights, and those at the bars where a position begins or ends.

Compiled by `kernel`, like `fills`.
"""

import math
from typing import Any

import numpy as np

from kaboom.backtest.engine.arrays import CASH, EQUITY, HIGH, LAST, LOW, OPEN, Floats, Sim
from kaboom.backtest.engine.fills import (
    MARGIN_CALL,
    ORDER,
    STOP_LOSS,
    TAKE_PROFIT,
    attempt,
    drop_target,
    equity_at_open,
    is_tradable,
    leave,
    limit_price,
    protect,
    stop_price,
    whole_lots,
)
from kaboom.backtest.engine.sessions import end_bar, has_delisting, start_bar


def wanted(sim: Sim, i: int, s: int, equity: float) -> float:
    """Return the target of a symbol in shares."""
    state = sim.state
    if not sim.rules.is_sized_at_fill or state.weight[s] == 0.0:
        return float(state.want[s])
    unit = sim.prices[OPEN, i, s] * (1.0 + sim.rules.fee_rate)
    return whole_lots(state.weight[s] * equity / unit, sim.rules.lot)


def reduce_to_target(sim: Sim, i: int, s: int, equity: float) -> None:
    """Sell (or buy back) the shares of a position beyond its target, at the open."""
    held, want = sim.state.shares[s], wanted(sim, i, s, equity)
    left = want if want * held > 0.0 else 0.0
    if abs(left) >= abs(held):
        return
    delta = left - held if left == 0.0 else whole_lots(left - held, sim.rules.lot)
    if delta == 0.0:
        drop_target(sim, s)
        return
    is_over = attempt(sim, i, s, delta, sim.prices[OPEN, i, s], sim.state.reason[s])
    if is_over and (want * held >= 0.0 or sim.state.shares[s] != 0.0):
        drop_target(sim, s)


def exit_at_open(sim: Sim, i: int, s: int, equity: float) -> None:
    """Close or reduce a position at the open: by a gap through its stop or target, or by its target weight."""
    state = sim.state
    held = state.shares[s]
    if held == 0.0 or not is_tradable(sim, i, s):
        return
    opening, side = sim.prices[OPEN, i, s], 1.0 if held > 0.0 else -1.0
    is_stopped = side * opening <= side * state.stop[s]
    if is_stopped or side * opening >= side * state.profit[s]:
        if state.weight[s] * held > 0.0:
            drop_target(sim, s)
        leave(sim, i, s, opening, STOP_LOSS if is_stopped else TAKE_PROFIT)
    elif not math.isnan(state.weight[s]):
        reduce_to_target(sim, i, s, equity)


def enter_at_open(sim: Sim, i: int, s: int, equity: float) -> None:
    """Open or enlarge a position at the open, by its target weight."""
    state = sim.state
    if math.isnan(state.weight[s]) or not is_tradable(sim, i, s):
        return
    held, want = state.shares[s], wanted(sim, i, s, equity)
    if want * held < 0.0 or abs(want) < abs(held):
        return  # its exit is pending
    delta = whole_lots(want - held, sim.rules.lot)
    if delta == 0.0 or attempt(sim, i, s, delta, sim.prices[OPEN, i, s], state.reason[s]):
        drop_target(sim, s)
    if state.shares[s] != held:
        protect(sim, i, s, sim.rules.stop_loss, sim.rules.take_profit)


def exit_within(sim: Sim, i: int, s: int) -> None:
    """Close a position whose stop or target the bar reached; the stop comes first."""
    state = sim.state
    held, stop, take = state.shares[s], state.stop[s], state.profit[s]
    if held == 0.0 or (math.isnan(stop) and math.isnan(take)) or not is_tradable(sim, i, s):
        return
    opening, low, high = sim.prices[OPEN, i, s], sim.prices[LOW, i, s], sim.prices[HIGH, i, s]
    price = stop_price(-held, stop, opening, low if held > 0.0 else high)
    if not math.isnan(price):
        leave(sim, i, s, price, STOP_LOSS)
        return
    price = limit_price(-held, take, opening, high if held > 0.0 else low, sim.rules)
    if not math.isnan(price):
        leave(sim, i, s, price, TAKE_PROFIT)


def set_target(sim: Sim, i: int, s: int, weight: float, equity: float) -> None:
    """Set a target weight of equity, decided at the close of a bar, for the next bar."""
    state, price = sim.state, sim.prices[LAST, i, s]
    if i >= sim.issues.delisted[s] or math.isnan(price) or state.reason[s] == MARGIN_CALL:
        return
    if weight < 0.0 and not sim.rules.is_short_allowed:
        weight = 0.0
    if math.isnan(state.weight[s]):
        sim.account.pending += 1
    state.weight[s] = weight
    state.want[s] = whole_lots(weight * equity / price, sim.rules.lot)
    state.reason[s] = ORDER


def fill_targets(sim: Sim, i: int) -> None:
    """Fill the targets, stops and take-profits of all symbols in a bar: exits at the open, entries, exits within."""
    shares, weight, m, is_sized = sim.state.shares, sim.state.weight, sim.state.shares.size, sim.rules.is_sized_at_fill
    has_protection = not (math.isnan(sim.rules.stop_loss) and math.isnan(sim.rules.take_profit))
    equity = equity_at_open(sim, i) if is_sized and sim.account.pending > 0 else 0.0
    for s in range(m):
        if (has_protection or not math.isnan(weight[s])) and shares[s] != 0.0:
            exit_at_open(sim, i, s, equity)
    if sim.account.pending > 0:
        equity = equity_at_open(sim, i) if is_sized else 0.0
        for s in range(m):
            if not math.isnan(weight[s]):
                enter_at_open(sim, i, s, equity)
    if has_protection:
        for s in range(m):
            if shares[s] != 0.0:
                exit_within(sim, i, s)


def is_busy(sim: Sim) -> bool:
    """Return whether the next bar may change more than prices."""
    account = sim.account
    return bool(account.pending > 0 or account.shorts > 0 or account.next_ex < sim.ex_sessions.bar.size)


def work(sim: Sim, i: int) -> None:
    """Process a bar: costs and dividends, fills, delistings, margin calls."""
    start_bar(sim, i)
    fill_targets(sim, i)
    end_bar(sim, i)


def mark(sim: Sim, first: int, end: int) -> None:
    """Write the curves of bars in which only prices change, from `first` to before `end`."""
    shares, m, cash = sim.state.shares, sim.state.shares.size, float(sim.account.cash)
    last, equities = sim.prices[LAST, first:end], sim.curves[EQUITY, first:end]
    sim.curves[CASH, first:end] = cash
    if m == 1:
        # A loop without a branch is vectorised by the compiler.
        held = shares[0]
        if held == 0.0:
            equities[:] = cash
        else:
            for i in range(end - first):
                equities[i] = cash + held * last[i, 0]
        return
    for i in range(end - first):
        equity = cash
        for s in range(m):
            # A price may be NaN if no shares are held. Mispredicted branches cost more than products.
            value = shares[s] * last[i, s]
            equity += value if shares[s] != 0.0 else 0.0
        equities[i] = equity


def next_decision(targets: Floats, first: int) -> int:
    """Return the first bar from `first` on that has a target, or the last bar."""
    n, m = targets.shape
    cells = targets[first:].reshape(-1)
    for k in range(cells.size):
        if not math.isnan(cells[k]):
            return int(first + k // m)
    return int(n - 1)


def simulate(sim: Sim, targets: Floats) -> None:
    """Run target weights `[bars, symbols]`; NaN leaves a position as it is.

    In most bars only prices change; the curves of such bars are written together.
    """
    n, m = targets.shape
    account = sim.account
    is_always_busy = not (math.isnan(sim.rules.stop_loss) and math.isnan(sim.rules.take_profit)) or has_delisting(sim)
    # Not a literal: numba would compile every function that gets a literal a second time.
    first: Any = np.int64(0)
    while first < n:
        if is_always_busy or is_busy(sim):
            work(sim, first)
        i = first if is_always_busy or is_busy(sim) else next_decision(targets, first)
        mark(sim, first, i + 1)
        equity = sim.curves[EQUITY, i]
        if account.is_ruined == 1:
            sim.curves[:, first:] = equity
            return
        for s in range(m):
            if not math.isnan(targets[i, s]):
                set_target(sim, i, s, targets[i, s], equity)
        first = i + 1


def weigh(enter: Any, short: Any, leave: Any, weight: float, side: Floats, out: Floats) -> None:
    """Write weights at the bars where the side of a symbol changes into `out`.

    `out` and the signals are `[bars, symbols]`, flattened row by row. The first of the signals that is true counts.
    `side` is 1 for each symbol held long, -1 for short, else 0.
    """
    for cell in range(out.size):
        if enter[cell] or short[cell] or leave[cell]:
            now = 1.0 if enter[cell] else -1.0 if short[cell] else 0.0
            symbol = cell % side.size
            if now != side[symbol]:
                side[symbol] = now
                out[cell] = now * weight

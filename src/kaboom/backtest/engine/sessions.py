"""Events of a bar without an order: borrow costs, dividends, splits, delistings, margin calls.

Compiled by `kernel`, like `fills`.
"""

import math

from kaboom.backtest.engine.arrays import LAST, Sim
from kaboom.backtest.engine.fills import (
    BORROW,
    DELISTED,
    DIVIDEND,
    MARGIN_CALL,
    RUIN,
    SPLIT,
    await_exit,
    drop_target,
    equity_at_close,
    execute,
    record,
    tax,
    whole_lots,
)

YEAR_DAYS = 365.0


def split_position(sim: Sim, i: int, s: int, ratio: float) -> None:
    """Give new shares for old ones; the fraction of a share is paid at the last close."""
    state, held = sim.state, sim.state.shares[s]
    exact = abs(held) * ratio
    whole = math.copysign(math.floor(exact + 1e-6), held)
    price = sim.prices[LAST, i - 1, s] / ratio
    rest = max(exact - abs(whole), 0.0)
    record(sim, (i, s, SPLIT), whole - held, price, 0.0, rest * math.copysign(price, held))
    state.basis[s] /= ratio
    tax(sim, i, s, math.copysign(rest, held) * (price - state.basis[s]))
    state.shares[s] = whole
    sim.account.shorts += int(whole < 0.0) - int(held < 0.0)
    state.average[s] = abs(held) * state.average[s] / abs(whole) if whole != 0.0 else 0.0
    state.stop[s] /= ratio
    state.profit[s] /= ratio


def apply_ex_session(sim: Sim, i: int, k: int) -> None:
    """Pay a dividend on the shares held at the last close, then split them."""
    s, ratio, dividend = sim.ex_sessions.symbol[k], sim.ex_sessions.ratio[k], sim.ex_sessions.dividend[k]
    held = sim.state.shares[s]
    if held != 0.0 and dividend != 0.0:
        record(sim, (i, s, DIVIDEND), 0.0, dividend, 0.0, held * dividend)
        tax(sim, i, s, held * dividend)
    if held != 0.0 and ratio != 1.0:
        split_position(sim, i, s, ratio)
    if ratio != 1.0:
        sim.state.want[s] = whole_lots(sim.state.want[s] * ratio, sim.rules.lot)


def charge_borrow(sim: Sim, i: int) -> None:
    """Charge short positions for the nights since the last session, by calendar days of the value at its close."""
    nights = sim.days[i] - sim.days[i - 1] if i > 0 else 0
    if sim.account.shorts == 0 or nights == 0 or sim.rules.borrow_rate == 0.0:
        return
    for s in range(sim.state.shares.size):
        if sim.state.shares[s] < 0.0:
            price = sim.prices[LAST, i - 1, s]
            cost = sim.state.shares[s] * price * sim.rules.borrow_rate * nights / YEAR_DAYS
            record(sim, (i, s, BORROW), 0.0, price, 0.0, cost)
            tax(sim, i, s, cost)


def start_bar(sim: Sim, i: int) -> None:
    """Apply the events before the open: borrow costs, dividends, splits."""
    charge_borrow(sim, i)
    k = sim.account.next_ex
    while k < sim.ex_sessions.bar.size and sim.ex_sessions.bar[k] == i:
        apply_ex_session(sim, i, k)
        k += 1
    sim.account.next_ex = k


def delist(sim: Sim, i: int, s: int) -> None:
    """Pay out a position at the last bar of its symbol."""
    drop_target(sim, s)
    if sim.state.shares[s] != 0.0:
        payout = sim.issues.payout[s]
        price = sim.prices[LAST, i, s] if math.isnan(payout) else payout
        execute(sim, i, s, -sim.state.shares[s], price, DELISTED)


def check_shorts(sim: Sim, i: int) -> None:
    """Order the close of short positions that cash no longer covers (margin call); end the run if nothing is left."""
    state = sim.state
    value = 0.0
    for s in range(state.shares.size):
        if state.shares[s] < 0.0:
            value -= state.shares[s] * sim.prices[LAST, i, s]
    if equity_at_close(sim, i) <= 0.0:
        sim.account.is_ruined = 1
        for s in range(state.shares.size):
            drop_target(sim, s)
            if state.shares[s] != 0.0:
                execute(sim, i, s, -state.shares[s], sim.prices[LAST, i, s], RUIN)
    elif sim.account.cash < sim.rules.maintenance * value:
        for s in range(state.shares.size):
            if state.shares[s] < 0.0:
                await_exit(sim, s, MARGIN_CALL)


def end_bar(sim: Sim, i: int) -> None:
    """Apply the events at the close: delistings, checks of short positions."""
    for s in range(sim.state.shares.size):
        if sim.issues.delisted[s] == i:
            delist(sim, i, s)
    if sim.account.shorts > 0:
        check_shorts(sim, i)


def has_delisting(sim: Sim) -> bool:
    """Return whether any issue is delisted within the run."""
    first = sim.days.size
    for s in range(sim.issues.delisted.size):
        first = min(first, sim.issues.delisted[s])
    return bool(first < sim.days.size)

"""The fill model: prices, fees, limits and bookings, as plain functions of numbers.

`kernel` compiles this file with numba, and `broker` calls the same functions in Python, so it contains only code that
numba compiles. docs/explanation/backtests.md states every convention.
"""

import math
from typing import cast

import numpy as np

from kaboom.backtest.engine.arrays import CEILING, FLOOR, HIGH, LAST, LOW, OPEN, TICK_CLASSES, VOLUME, Sim
from kaboom.backtest.engine.rules import Rules

#: Reasons of rows in the journal; `journal.REASONS` has their names. Not literals: numba would compile a function for
#: each of them.
ORDER, LIMIT, STOP_LOSS, TAKE_PROFIT, MARGIN_CALL, RUIN, DELISTED, DIVIDEND, SPLIT, BORROW, TAX = cast(
    "map[int]", map(np.int64, range(11))
)
TICK_TOLERANCE = 1e-3
LIMIT_TOLERANCE = 0.05


def tick_row(sim: Sim, i: int, s: int) -> int:
    """Return the row of the table of ticks that holds for a symbol in a bar."""
    return int(sim.tick_periods[i] * TICK_CLASSES + sim.issues.tick_class[s])


def tick_of(price: float, row: int, rules: Rules) -> float:
    """Return the tick of a price; `row` is that of its issue and bar, by `tick_row`."""
    k = 0
    while k < len(rules.tick_bounds) and price > rules.tick_bounds[k]:
        k += 1
    return rules.ticks[row][k]


def round_price(price: float, way: float, row: int, rules: Rules) -> float:
    """Return the nearest price on a tick: at or above `price` if `way` > 0, else at or below it; at least one tick.

    `row` is the row of the table of ticks, as in `tick_of`.
    """
    if not rules.has_ticks or math.isnan(price):
        return price
    tick = tick_of(price, row, rules)
    if tick == 0.0:
        return price
    steps = price / tick
    whole = math.ceil(steps - TICK_TOLERANCE) if way > 0.0 else math.floor(steps + TICK_TOLERANCE)
    # Prices have at most one decimal: rounding to it removes the error of the multiplication.
    return math.floor(max(float(whole), 1.0) * tick * 10.0 + 0.5) / 10.0


def whole_lots(shares: float, lot: float) -> float:
    """Return shares rounded towards 0 to whole lots."""
    lots = math.floor(abs(shares) / lot) * lot
    return lots if shares > 0 else -lots


def fee_of(value: float, rules: Rules) -> float:
    """Return the fee of a fill of some value, in yen."""
    if rules.fee_steps > 0:
        k = 0
        while k < rules.fee_steps - 1 and value > rules.fee_bounds[k]:
            k += 1
        return float(rules.fee_values[k])
    return min(max(value * rules.fee_rate + rules.fee_fixed, rules.fee_least), rules.fee_most)


def added_fee(value: float, traded: float, rules: Rules) -> float:
    """Return the fee of a fill after others of its session; `traded` is their value if it counts, else 0."""
    if traded == 0.0:
        return fee_of(value, rules)
    return fee_of(traded + value, rules) - fee_of(traded, rules)


def traded_so_far(sim: Sim, i: int) -> float:
    """Return the value of the fills in the session of a bar, if its total decides about fees; else 0."""
    is_counted = sim.rules.is_fee_daily and sim.account.traded_day == sim.days[i]
    return float(sim.account.traded) if is_counted else 0.0


def affordable(cash: float, price: float, rules: Rules, traded: float) -> float:
    """Return the most shares in whole lots that cash pays with their fee; `traded` as in `added_fee`."""
    most = whole_lots(max(cash, 0.0) / (price * (1.0 + rules.fee_rate)), rules.lot)
    if rules.fee_most < math.inf:
        most = max(most, whole_lots(max(cash - rules.fee_most, 0.0) / price, rules.lot))
    if most == 0.0 or most * price + added_fee(most * price, traded, rules) <= cash:
        return most
    low, high = 0.0, most / rules.lot
    # Beyond 2 ** 53 there is no number between the two.
    while high - low > max(1.0, high * 1e-15):
        middle = low + math.floor((high - low) / 2.0)
        value = middle * rules.lot * price
        if value + added_fee(value, traded, rules) <= cash:
            low = middle
        else:
            high = middle
    return low * rules.lot


def slipped(sim: Sim, i: int, s: int, delta: float, price: float) -> float:
    """Return the price of a market order after slippage: against the trader, on a tick, within the daily limits."""
    rules, row = sim.rules, tick_row(sim, i, s)
    if rules.slip_rate == 0.0 and rules.slip_ticks == 0.0 and rules.slip_impact == 0.0:
        return price
    # An order larger than the bar's volume counts as the whole volume, so that no impact makes a price negative.
    part = min(abs(delta) / sim.prices[VOLUME, i, s], 1.0)
    step = price * (rules.slip_rate + rules.slip_impact * math.sqrt(part))
    if rules.slip_ticks > 0.0:
        step += rules.slip_ticks * tick_of(price, row, rules)
    worse = round_price(price + step if delta > 0.0 else max(price - step, 0.01 * price), delta, row, rules)
    if rules.has_limits:
        # A comparison with NaN is false, so an unknown limit does not apply.
        if delta > 0.0 and worse > sim.limits[CEILING, i, s]:
            worse = max(float(sim.limits[CEILING, i, s]), price)
        if delta < 0.0 and worse < sim.limits[FLOOR, i, s]:
            worse = min(float(sim.limits[FLOOR, i, s]), price)
    return worse


def is_tradable(sim: Sim, i: int, s: int) -> bool:
    """Return whether a symbol traded in a bar."""
    return bool(sim.prices[VOLUME, i, s] > 0.0 and not math.isnan(sim.prices[OPEN, i, s]))


def is_locked(sim: Sim, i: int, s: int, delta: float) -> bool:
    """Return whether a symbol traded in a bar only at the limit that an order runs into."""
    if not sim.rules.has_limits:
        return False
    low, high = sim.prices[LOW, i, s], sim.prices[HIGH, i, s]
    limit = sim.limits[CEILING, i, s] if delta > 0.0 else sim.limits[FLOOR, i, s]
    return bool(low >= limit - LIMIT_TOLERANCE and high <= limit + LIMIT_TOLERANCE)


def within_room(sim: Sim, i: int, s: int, delta: float) -> float:
    """Return the part of an order that fits in the volume cap of a bar."""
    if sim.rules.volume_cap <= 0.0:
        return delta
    room = math.floor(sim.rules.volume_cap * sim.prices[VOLUME, i, s] / sim.rules.lot) * sim.rules.lot
    if sim.state.used_bar[s] == i:
        room -= sim.state.used[s]
    if abs(delta) <= room:
        return delta
    return whole_lots(math.copysign(max(room, 0.0), delta), sim.rules.lot)


def price_at_open(sim: Sim, i: int, s: int) -> float:
    """Return the open of a bar, or the last close if the symbol has no bar."""
    price = sim.prices[OPEN, i, s]
    return float(sim.prices[LAST, i, s] if math.isnan(price) else price)


def equity_at_open(sim: Sim, i: int) -> float:
    """Return cash plus positions at the open of a bar, in yen."""
    equity = float(sim.account.cash)
    for s in range(sim.state.shares.size):
        if sim.state.shares[s] != 0.0:
            equity += sim.state.shares[s] * price_at_open(sim, i, s)
    return equity


def equity_at_close(sim: Sim, i: int) -> float:
    """Return cash plus positions at the close of a bar, in yen."""
    equity = float(sim.account.cash)
    for s in range(sim.state.shares.size):
        if sim.state.shares[s] != 0.0:
            equity += sim.state.shares[s] * sim.prices[LAST, i, s]
    return equity


def free_cash(sim: Sim, i: int) -> float:
    """Return the cash for new positions at the open of a bar; short positions reserve twice their value."""
    cash = float(sim.account.cash)
    if sim.account.shorts > 0:
        for s in range(sim.state.shares.size):
            if sim.state.shares[s] < 0.0:
                cash += 2.0 * sim.state.shares[s] * price_at_open(sim, i, s)
    return cash


def record(sim: Sim, at: tuple[int, int, int], shares: float, price: float, fee: float, amount: float) -> None:
    """Write a row of the journal, and change the cash by its amount; `at` has its bar, symbol and reason."""
    rows, k = sim.rows, sim.account.rows
    sim.account.rows += 1
    sim.account.cash += amount
    if k < rows.bar.size:
        rows.bar[k], rows.symbol[k], rows.reason[k] = at
        rows.shares[k] = shares
        rows.price[k] = price
        rows.fee[k] = fee
        rows.amount[k] = amount


def tax(sim: Sim, i: int, s: int, income: float) -> None:
    """Withhold the tax on an income of a bar, or pay back what a loss makes too much, within the year of settlement.

    The tax of a year is that of its incomes less its losses so far, in whole yen. A loss of the whole year is not
    carried forward.
    """
    account, rate = sim.account, sim.rules.tax_rate
    if rate == 0.0:
        return
    if account.tax_year != sim.tax_years[i]:
        account.income, account.withheld, account.tax_year = 0.0, 0.0, sim.tax_years[i]
    account.income += income
    # Not `math.floor`, whose integers overflow in compiled code.
    due = float(np.floor(max(float(account.income), 0.0) * rate))
    if due != account.withheld:
        record(sim, (i, s, TAX), 0.0, 0.0, 0.0, account.withheld - due)
        account.withheld = due


def execute(sim: Sim, i: int, s: int, delta: float, price: float, reason: int) -> None:
    """Book a fill: cash, position, mean price. A fill never takes a position through 0."""
    state, value = sim.state, abs(delta) * price
    held = state.shares[s]
    after = held + delta
    fee = 0.0
    if reason not in (DELISTED, RUIN):
        traded = traded_so_far(sim, i)
        fee = added_fee(value, traded, sim.rules)
        sim.account.traded, sim.account.traded_day = traded + value, sim.days[i]
    record(sim, (i, s, reason), delta, price, fee, -delta * price - fee)
    if held * delta >= 0.0:
        state.average[s] = (abs(held) * state.average[s] + value) / abs(after)
        state.basis[s] = (abs(held) * state.basis[s] + value + math.copysign(fee, delta)) / abs(after)
    if state.used_bar[s] != i:
        state.used_bar[s] = i
        state.used[s] = 0.0
    state.used[s] += abs(delta)
    sim.account.shorts += int(after < 0.0) - int(held < 0.0)
    state.shares[s] = after
    if after == 0.0:
        state.average[s] = 0.0
        state.stop[s] = math.nan
        state.profit[s] = math.nan
    if held * delta < 0.0:
        tax(sim, i, s, delta * (state.basis[s] - price) - fee)


def fill(sim: Sim, i: int, s: int, delta: float, price: float, reason: int) -> float:
    """Fill the part of an order that cash pays for, at a price before slippage; return the shares."""
    if reason not in (LIMIT, TAKE_PROFIT):
        price = slipped(sim, i, s, delta, price)
    if sim.state.shares[s] * delta >= 0.0:
        most = affordable(free_cash(sim, i), price, sim.rules, traded_so_far(sim, i))
        if abs(delta) > most:
            delta = math.copysign(most, delta)
    if delta != 0.0:
        execute(sim, i, s, delta, price, reason)
    return delta


def attempt(sim: Sim, i: int, s: int, delta: float, price: float, reason: int) -> bool:
    """Fill an order as far as the bar allows; return whether it is over: filled, or its rest cancelled."""
    if is_locked(sim, i, s, delta):
        return False
    allowed = within_room(sim, i, s, delta)
    filled = fill(sim, i, s, allowed, price, reason) if allowed != 0.0 else 0.0
    return allowed == delta or filled != allowed or not sim.rules.is_rest_carried


def protect(sim: Sim, i: int, s: int, stop_loss: float, take_profit: float) -> None:
    """Set the stop and the target of a position as shares of its mean price; NaN leaves them as they are."""
    state, row = sim.state, tick_row(sim, i, s)
    side = 1.0 if state.shares[s] > 0.0 else -1.0
    if not math.isnan(stop_loss):
        state.stop[s] = round_price(state.average[s] * (1.0 - side * stop_loss), -side, row, sim.rules)
    if not math.isnan(take_profit):
        state.profit[s] = round_price(state.average[s] * (1.0 + side * take_profit), side, row, sim.rules)


def stop_price(delta: float, level: float, opening: float, reached: float) -> float:
    """Return the price of a stop order, or NaN if the bar did not reach it; `reached` is high to buy, low to sell."""
    if delta > 0.0:
        return max(level, opening) if reached >= level else math.nan
    return min(level, opening) if reached <= level else math.nan


def limit_price(delta: float, level: float, opening: float, reached: float, rules: Rules) -> float:
    """Return the price of a limit order, or NaN if the bar did not reach it; `reached` is low to buy, high to sell."""
    side = 1.0 if delta > 0.0 else -1.0
    if side * opening <= side * level:
        return opening
    is_through = side * reached < side * level
    return level if is_through or (rules.is_filled_on_touch and reached == level) else math.nan


def await_exit(sim: Sim, s: int, reason: int) -> None:
    """Set a market order for the next bar that closes the position."""
    if math.isnan(sim.state.weight[s]):
        sim.account.pending += 1
    sim.state.weight[s] = 0.0
    sim.state.want[s] = 0.0
    sim.state.reason[s] = reason


def drop_target(sim: Sim, s: int) -> None:
    """Remove the pending target."""
    if not math.isnan(sim.state.weight[s]):
        sim.account.pending -= 1
    sim.state.weight[s] = math.nan
    sim.state.reason[s] = ORDER


def leave(sim: Sim, i: int, s: int, price: float, reason: int) -> None:
    """Close a position by its stop or target; the rest of a stop becomes a market order, a target stays."""
    attempt(sim, i, s, -sim.state.shares[s], price, reason)
    if reason == STOP_LOSS and sim.state.shares[s] != 0.0:
        await_exit(sim, s, STOP_LOSS)

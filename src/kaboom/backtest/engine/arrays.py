"""The arrays that both engines work on.

Python reads tuples of arrays by name. Compiled code reads records with the same names, each by one pointer: tuples of
fifty arrays take numba a minute to compile.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kaboom.backtest.engine.rules import Rules

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]

#: Places on the first axis of `Sim.prices`. `LAST` is the close; if there is none, the last close, adjusted for splits
#: since. The others are as traded, NaN (a volume of 0) if a symbol has no bar.
OPEN, HIGH, LOW, CLOSE, VOLUME, LAST = range(6)
#: Places on the first axis of `Sim.limits`: the lowest and the highest legal price of the session, NaN if not known.
FLOOR, CEILING = range(2)
#: Places on the first axis of `Sim.curves`: both at the close of each bar, in yen.
EQUITY, CASH = range(2)


#: The places of `tick_class` in a period of the table of ticks: other issues, TOPIX Mid400, TOPIX100, and symbols
#: without a code of the TSE.
OTHER, MID400, TOPIX100, FOREIGN = range(4)
TICK_CLASSES = 4


class Issues(NamedTuple):
    """The facts of each symbol.

    Attributes:
        tick_class: `OTHER`, `MID400`, `TOPIX100` or `FOREIGN`.
        delisted: the last bar of an issue; the number of bars if it stays listed.
        payout: the payment for a share at its delisting, in yen; NaN for its last close.

    """

    tick_class: Ints
    delisted: Ints
    payout: Floats


class ExSessions(NamedTuple):
    """Splits and dividends, ascending by bar.

    Attributes:
        bar: the first bar of the ex-session.
        symbol: the column.
        ratio: new shares for one old share; 1 if there was no split.
        dividend: yen for each old share.

    """

    bar: Ints
    symbol: Ints
    ratio: Floats
    dividend: Floats


class State(NamedTuple):
    """The state of each symbol, which changes during a run.

    Attributes:
        shares: held; negative if short.
        average: mean price of the entries of the position, yen.
        basis: the same with their fees: what a share cost, or what a share sold short brought.
        stop: price of its stop-loss, and `profit` that of its take-profit; NaN if it has none.
        weight: the pending target, as a share of equity; NaN if there is none.
        want: the same in shares, if sizes are set at the decision.
        used: shares filled so far in the bar `used_bar`.
        reason: why a target is pending.

    """

    shares: Floats
    average: Floats
    basis: Floats
    stop: Floats
    profit: Floats
    weight: Floats
    want: Floats
    used: Floats
    reason: Ints
    used_bar: Ints


class Rows(NamedTuple):
    """The journal: one row for each fill and each flow of cash or shares, in the order in which they happened."""

    bar: Ints
    symbol: Ints
    reason: Ints
    shares: Floats
    price: Floats
    fee: Floats
    amount: Floats


@dataclass(slots=True)
class Account:
    """The cash of a run, in yen, and its counts: rows, short positions, the next ex-session, pending targets.

    `traded` is the value of the fills of the session `traded_day`, if the fees are by its total. `income` is what the
    year `tax_year` brought that is taxed, and `withheld` its tax so far.
    """

    cash: float
    rows: int = 0
    shorts: int = 0
    next_ex: int = 0
    pending: int = 0
    is_ruined: int = 0
    traded: float = 0.0
    traded_day: int = -1
    income: float = 0.0
    withheld: float = 0.0
    tax_year: int = -1


class Sim(NamedTuple):
    """The inputs and outputs of a run; `prices` and `limits` are `[place, bars, symbols]`, `days` is `[bars]`.

    `tick_periods` is `[bars]`, too: the place of each bar's period in the table of ticks. So is `tax_years`, if there
    is a tax: the year in which the fills of a bar are settled.
    """

    prices: Floats
    limits: Floats
    days: Ints
    tick_periods: Ints
    tax_years: Ints
    issues: Issues
    ex_sessions: ExSessions
    rules: Rules
    state: State
    account: Account
    curves: Floats
    rows: Rows


def _record_of(columns: Any) -> np.dtype[Any]:
    kinds = columns.__annotations__.items()
    return np.dtype([(name, "f8" if kind in {Floats, float} else "i8") for name, kind in kinds], align=True)


ISSUE, EX_SESSION, STATE, ROW, ACCOUNT = map(_record_of, (Issues, ExSessions, State, Rows, Account))


def records(kind: np.dtype[Any], columns: Any) -> Any:
    """Return named columns of one length as an array of records; they are copied."""
    made = np.zeros(len(columns[0]), dtype=kind)
    for name, column in zip(kind.names or (), columns, strict=True):
        made[name] = column
    return made


def new_state(symbols: int) -> State:
    """Return the state of symbols before the first bar, with its columns side by side in one array of records."""
    made = np.zeros(symbols, dtype=STATE)
    for name in ("stop", "profit", "weight"):
        made[name] = np.nan
    made["used_bar"] = -1
    return State(*(made[name] for name in STATE.names or ()))


def new_rows(capacity: int) -> Rows:
    """Return an empty journal; rows beyond its capacity are counted, but not kept."""
    made = np.zeros(capacity, dtype=ROW)
    return Rows(*(made[name] for name in ROW.names or ()))


def carry_forward(values: Floats) -> Floats:
    """Return `[bars, symbols]` with each NaN replaced by the last number above it, if there is one."""
    holes = np.isnan(values)
    if not holes.any():
        return values
    rows = np.where(holes, 0, np.arange(values.shape[0])[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.asarray(values[rows, np.arange(values.shape[1])], dtype=np.float64)

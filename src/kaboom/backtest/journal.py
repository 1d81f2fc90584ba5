"""The journal of a run as a frame, and the curves that follow from it."""

import numpy as np
import polars as pl

from kaboom.backtest.engine.arrays import CASH, CLOSE, EQUITY, LAST, Floats, Sim, new_rows
from kaboom.backtest.panel import Panel

#: The reason of a row by its number in `fills`.
REASONS = (
    "order", "limit", "stop_loss", "take_profit", "margin_call", "ruin", "delisted", "dividend", "split", "borrow",
    "tax", "squeezed_out",
)  # fmt: skip
#: Reasons of rows that move cash without a trade.
FLOWS = ("dividend", "split", "borrow", "tax")

#: `shares` is the change of the position, `amount` that of the cash, with the fee taken off; yen.
JOURNAL_SCHEMA = pl.Schema(
    {
        "bar": pl.Int64(),
        "at": pl.Datetime("us", "UTC"),
        "symbol": pl.String(),
        "reason": pl.Enum(REASONS),
        "shares": pl.Float64(),
        "price": pl.Float64(),
        "fee": pl.Float64(),
        "amount": pl.Float64(),
    }
)


def to_frame(sim: Sim, panel: Panel) -> pl.DataFrame:
    """Return the rows of a run in `JOURNAL_SCHEMA`; `at` is the start of the bar.

    A reverse split that left less than one share is a sale of all shares, `squeezed_out`, for the cash paid for them.
    """
    count = sim.account.rows
    rows = sim.rows._replace(**{name: part[:count] for name, part in sim.rows._asdict().items()})
    frame = pl.DataFrame(
        {
            "bar": rows.bar,
            "at": pl.Series(panel.opened_at[rows.bar] * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "symbol": pl.Series(panel.symbols, dtype=pl.String())[rows.symbol],
            "reason": pl.Series(REASONS)[rows.reason],
            "shares": rows.shares,
            "price": rows.price,
            "fee": rows.fee,
            "amount": rows.amount,
        },
        schema=JOURNAL_SCHEMA,
    )
    shares, is_split = pl.col("shares"), pl.col("reason") == "split"
    is_end = is_split & (shares != 0) & (shares.cum_sum().over("symbol") == 0)
    return frame.with_columns(
        reason=pl.when(is_end).then(pl.lit("squeezed_out", dtype=pl.Enum(REASONS))).otherwise("reason"),
        price=pl.when(is_end).then(-pl.col("amount") / shares).otherwise("price"),
    )


def grown(sim: Sim, capacity: int) -> Sim:
    """Return a run with room for more rows; existing rows are copied."""
    rows = new_rows(capacity)
    for old, new in zip(sim.rows, rows, strict=True):
        new[: old.size] = old
    return sim._replace(rows=rows)


def positions_of(sim: Sim) -> Floats:
    """Return the shares held at each close, `[bars, symbols]`."""
    count = sim.account.rows
    n, m = sim.prices[CLOSE].shape
    cells = sim.rows.bar[:count] * m + sim.rows.symbol[:count]
    held = np.bincount(cells, sim.rows.shares[:count], minlength=n * m).reshape(n, m)
    return np.cumsum(held, axis=0, out=held)


def write_curves(sim: Sim, cash: float) -> None:
    """Write cash and equity at each close, computed from the rows of a run and its starting cash.

    Sums are in the order of the compiled code, so that every bit is equal.
    """
    path = np.cumsum(np.concatenate([[cash], sim.rows.amount[: sim.account.rows]]))
    sim.curves[CASH] = path[np.searchsorted(sim.rows.bar[: sim.account.rows], np.arange(sim.days.size), side="right")]
    held, equity = positions_of(sim), sim.curves[CASH].copy()
    for column in np.flatnonzero(held.any(axis=0)).tolist():
        shares = held[:, column]
        equity += np.where(shares == 0.0, 0.0, shares * sim.prices[LAST, :, column])
    sim.curves[EQUITY] = equity

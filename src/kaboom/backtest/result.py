"""The result of a run, as columns, and its trades."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from kaboom.backtest import metrics
from kaboom.backtest.broker import Order
from kaboom.backtest.engine.arrays import CASH, EQUITY, LAST, Floats, Sim
from kaboom.backtest.journal import FLOWS, positions_of, to_frame
from kaboom.backtest.panel import Panel

#: One row per entry, or part of an entry, with its exit; the exit is null if the position is still held. `side` is 1
#: for long and -1 for short; `pnl` is in yen, less all fees; `gain` is `pnl` as a share of the entry's value. An open
#: trade is valued at the last close.
TRADE_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "side": pl.Int8(),
        "shares": pl.Float64(),
        "entry_bar": pl.Int64(),
        "entry_at": pl.Datetime("us", "UTC"),
        "entry_price": pl.Float64(),
        "exit_bar": pl.Int64(),
        "exit_at": pl.Datetime("us", "UTC"),
        "exit_price": pl.Float64(),
        "exit_reason": pl.String(),
        "fees": pl.Float64(),
        "pnl": pl.Float64(),
        "gain": pl.Float64(),
    }
)


@dataclass(frozen=True)
class Result:
    """The result of a run. Curves have one value for each bar, at its close, in yen.

    Attributes:
        panel: the bars of the run.
        sim: its arrays.
        start: the cash before the first bar, yen.
        orders: those that wait after the last bar; targets that wait are in the state of `sim`.

    """

    panel: Panel
    sim: Sim
    start: float
    orders: tuple[Order, ...] = ()

    @property
    def equity(self) -> Floats:
        """Cash plus positions, `[bars]`."""
        equity: Floats = self.sim.curves[EQUITY]
        return equity

    @property
    def cash(self) -> Floats:
        """Cash, `[bars]`."""
        cash: Floats = self.sim.curves[CASH]
        return cash

    @property
    def is_ruined(self) -> bool:
        """Whether short positions lost more than there was: the run ended there."""
        return bool(self.sim.account.is_ruined)

    @cached_property
    def positions(self) -> Floats:
        """Shares held, `[bars, symbols]`."""
        return positions_of(self.sim)

    @cached_property
    def journal(self) -> pl.DataFrame:
        """Every fill and every flow of cash, in `JOURNAL_SCHEMA`."""
        return to_frame(self.sim, self.panel)

    @cached_property
    def trades(self) -> pl.DataFrame:
        """Entries with their exits, in `TRADE_SCHEMA`."""
        last = self.panel.prices[LAST][-1].tolist()
        return pair_trades(self.journal, dict(zip(self.panel.symbols, last, strict=True)))

    @cached_property
    def returns(self) -> Floats:
        """The return of each session, `[sessions]`; the first one from the starting cash to its close."""
        return metrics.returns_of(self.equity[self.panel.session_ends], self.start)

    @property
    def drawdown(self) -> Floats:
        """How far the equity is below its highest value so far, as a share: 0 or less, `[bars]`."""
        peak = np.maximum.accumulate(np.append(self.start, self.equity))[1:]
        return self.equity / peak - 1.0

    @property
    def fees(self) -> float:
        """All fees, in yen."""
        return float(self.journal["fee"].sum())

    @property
    def flows(self) -> float:
        """Dividends, borrow costs and payments for fractions of a share at splits, in yen."""
        return float(self.journal.filter(pl.col("reason").is_in(FLOWS))["amount"].sum()) + self.taxes

    @property
    def taxes(self) -> float:
        """The tax that was withheld, less what was paid back, in yen."""
        return -float(self.journal.filter(pl.col("reason") == "tax")["amount"].sum())

    @cached_property
    def exposure(self) -> Floats:
        """The value of all positions, long and short, as a share of equity, `[bars]`."""
        held = np.abs(self.positions)
        value = np.einsum("ij,ij->i", held, np.where(held == 0, 0.0, self.panel.prices[LAST]))
        exposure: Floats = np.divide(value, self.equity, out=np.zeros(value.size), where=self.equity > 0)
        return exposure

    @property
    def turnover(self) -> float:
        """The value bought and sold in a year, as a multiple of the mean equity; 1 is half in, half out."""
        fills = self.journal.filter(~pl.col("reason").is_in(FLOWS))
        value = float((fills["shares"].abs() * fills["price"]).sum())
        mean, years = float(self.equity.mean()), self.returns.size / metrics.SESSIONS
        return value / mean / years if mean > 0 else math.nan

    @property
    def hit_rate(self) -> float:
        """The share of closed trades with a gain after fees; NaN without any."""
        closed = self.trades.filter(pl.col("exit_bar").is_not_null())
        return float((closed["pnl"] > 0).mean()) if closed.height else math.nan  # type: ignore[arg-type]

    def summary(self) -> dict[str, float]:
        """Return the metrics of the run by name; ratios and rates are per year of `metrics.SESSIONS`."""
        return {
            "final_equity": float(self.equity[-1]),
            "total_return": float(self.equity[-1]) / self.start - 1,
            **metrics.measure(self.returns),
            "hit_rate": self.hit_rate,
            "turnover": self.turnover,
            "exposure": float(self.exposure.mean()),
            "trades": float(self.trades.filter(pl.col("exit_bar").is_not_null()).height),
            "fees": self.fees,
            "flows": self.flows,
            "taxes": self.taxes,
        }


@dataclass(slots=True)
class _Part:
    """The open rest of an entry: shares are positive."""

    bar: int
    at: Any
    side: int
    shares: float
    price: float
    fee: float


def pair_trades(journal: pl.DataFrame, last: Mapping[str, float]) -> pl.DataFrame:
    """Return the trades of a journal in `TRADE_SCHEMA`, by exit, open ones at the end; `last` has the last closes.

    A split changes the shares and the price of an entry, so that its cost stays.
    """
    parts: dict[str, deque[_Part]] = {}
    trades: list[dict[str, Any]] = []
    for row in journal.iter_rows(named=True):
        held = parts.setdefault(row["symbol"], deque())
        if row["reason"] == "split":
            _split(held, row["shares"])
        elif row["reason"] not in FLOWS:
            trades.extend(_close(held, row))
    trades.extend(
        _trade(symbol, part, part.shares, last[symbol], {}) for symbol, held in parts.items() for part in held
    )
    return pl.DataFrame(trades, schema=TRADE_SCHEMA)


def _split(held: deque[_Part], change: float) -> None:
    before = sum(part.shares for part in held)
    after = before + change * held[0].side if held else 0.0
    for part in held:
        part.price *= before / after
        part.shares *= after / before


def _close(held: deque[_Part], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trades that a fill closes; the shares that it opens are added to `held`."""
    side, left, fee = (1 if row["shares"] > 0 else -1), abs(row["shares"]), row["fee"] / abs(row["shares"])
    closed: list[dict[str, Any]] = []
    while left > 1e-9 and held and held[0].side != side:
        part = held[0]
        shares = min(part.shares, left)
        closed.append(_trade(row["symbol"], part, shares, row["price"], row | {"fee": fee * shares}))
        part.fee *= 1 - shares / part.shares
        part.shares -= shares
        left -= shares
        if part.shares <= 1e-9:
            held.popleft()
    if left > 1e-9:
        held.append(_Part(row["bar"], row["at"], side, left, row["price"], fee * left))
    return closed


def _trade(symbol: str, part: _Part, shares: float, price: float, end: dict[str, Any]) -> dict[str, Any]:
    fees = part.fee * shares / part.shares + end.get("fee", 0.0)
    pnl = part.side * shares * (price - part.price) - fees
    return {
        "symbol": symbol,
        "side": part.side,
        "shares": shares,
        "entry_bar": part.bar,
        "entry_at": part.at,
        "entry_price": part.price,
        "exit_bar": end.get("bar"),
        "exit_at": end.get("at"),
        "exit_price": price if end else None,
        "exit_reason": end.get("reason"),
        "fees": fees,
        "pnl": pnl,
        "gain": pnl / (part.price * shares),
    }

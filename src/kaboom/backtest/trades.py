"""Trades: the fills of a journal paired first in, first out."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from kaboom.backtest.journal import FLOWS

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

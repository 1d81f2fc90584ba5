"""Corporate actions in files that report them, and prices as they were traded before them; pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from kaboom.errors import InvalidRequest
from kaboom.market.action import CorporateAction, check_factor
from kaboom.market.bar import VALUES
from kaboom.market.interval import Interval
from kaboom.providers.divided_prices import day_prices, find_divisors, undivide, undivide_dividend
from kaboom.providers.file.recognise.layout import Role
from kaboom.providers.file.refusals import Refusals
from kaboom.providers.rows import SymbolRows


def find_actions(rows: pl.DataFrame, refused: Refusals) -> list[CorporateAction]:
    """Return the splits in rows with a column of factors, as J-Quants' files, or of ratios, as Yahoo's, and dividends.

    A dividend is yen for each share held at the close before.
    """
    splits = [
        *_read(rows, Role.FACTOR, refused, lambda row: _split(row, row[Role.FACTOR])),
        *_read(rows, Role.SPLIT, refused, lambda row: _split(row, 1 / row[Role.SPLIT])),
    ]

    def pay(row: dict[str, Any]) -> CorporateAction:
        of_symbol = [split for split in splits if split.symbol == row["symbol"]]
        return undivide_dividend(row["symbol"], row["session"], row[Role.DIVIDEND], of_symbol)

    return [*splits, *_read(rows, Role.DIVIDEND, refused, pay)]


def _read(
    rows: pl.DataFrame, role: Role, refused: Refusals, read: Callable[[dict[str, Any]], CorporateAction]
) -> Iterator[CorporateAction]:
    """Yield the actions of a column, and refuse invalid ones; 0 and, for factors, 1 mean that there is no action."""
    if role.value not in rows.columns:
        return
    value = pl.col(role.value)
    none = (value == 1) if role is Role.FACTOR else value.is_in([0.0, 1.0] if role is Role.SPLIT else [0.0])
    changed = rows.filter(value.is_not_null(), ~none)
    for row in changed.unique(["symbol", "session", role.value], maintain_order=True).iter_rows(named=True):
        try:
            yield read(row)
        except InvalidRequest as e:
            place = pl.DataFrame([row]).cast({"file": pl.UInt32})
            refused.add_rows(place, e.message, column=refused.layout.name_of(role))


def _split(row: dict[str, Any], factor: float) -> CorporateAction:
    return CorporateAction(row["symbol"], row["session"], check_factor(factor))


def restore_traded(
    rows: pl.DataFrame, intervals: Sequence[Interval | None], actions: Sequence[CorporateAction]
) -> pl.DataFrame:
    """Return rows with prices and volumes as traded, by the splits in the files; Yahoo's are divided by splits."""
    splits = [action for action in actions if not action.amount]
    for symbol in sorted({split.symbol for split in splits}):
        of_symbol = rows["symbol"] == symbol
        part = rows.filter(of_symbol)
        interval = intervals[part["file"][0]] or Interval.D1
        values = np.vstack([part[name].to_numpy() for name in VALUES])
        given = SymbolRows(symbol, part["opened_at"].to_physical().to_numpy(), values)
        days = day_prices([given], interval)
        divisors = find_divisors(days, [split for split in splits if split.symbol == symbol])
        traded = undivide(given, interval, days, divisors)
        same = np.isclose(traded.values[:4], values[:4], rtol=1e-6, atol=0).all(axis=0)
        # Values that were not divided keep every bit.
        kept = np.where(same, values, traded.values)
        places = of_symbol.arg_true()
        rows = rows.with_columns(
            rows[name].scatter(places, pl.Series(kept[n], nan_to_null=True)) for n, name in enumerate(VALUES)
        )
    return rows

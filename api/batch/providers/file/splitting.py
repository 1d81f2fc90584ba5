"""Corporate actions in files that report them, and prices as they were traded before them; pure."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from batch.errors import InvalidRequest
from batch.market.action import CorporateAction, check_factor
from batch.market.bar import VALUES
from batch.market.interval import Interval
from batch.providers.divided_prices import day_prices, find_divisors, undivide
from batch.providers.file.recognise.layout import Layout, Role
from batch.providers.file.refusing import Refusals
from batch.providers.rows import SymbolRows


def find_actions(rows: pl.DataFrame, layout: Layout, refused: Refusals) -> list[CorporateAction]:
    """Return the splits in rows with a column of factors, as J-Quants' files, or of ratios, as Yahoo's."""
    actions: list[CorporateAction] = []
    for role, neutral in ((Role.FACTOR, 1.0), (Role.SPLIT, 0.0)):
        if role.value not in rows.columns:
            continue
        value = pl.col(role.value)
        changed = rows.filter(value.is_not_null(), value != neutral, value != 1)
        for row in changed.unique(["symbol", "session", role.value], maintain_order=True).iter_rows(named=True):
            number = row[role.value]
            try:
                factor = check_factor(1 / number if role is Role.SPLIT else number)
            except (InvalidRequest, ZeroDivisionError) as e:
                why = e.message if isinstance(e, InvalidRequest) else "factor was 0"
                refused.add_rows(pl.DataFrame([row]).cast({"file": pl.UInt32}), why, column=layout.name_of(role))
                continue
            actions.append(CorporateAction(row["symbol"], row["session"], factor))
    return actions


def restore_traded(
    rows: pl.DataFrame, intervals: Sequence[Interval | None], actions: Sequence[CorporateAction]
) -> pl.DataFrame:
    """Return rows with prices and volumes as traded: Yahoo divides those before a split by it, and the files say so."""
    for symbol in sorted({action.symbol for action in actions}):
        of_symbol = rows["symbol"] == symbol
        part = rows.filter(of_symbol)
        interval = intervals[part["file"][0]] or Interval.D1
        values = np.vstack([part[name].to_numpy() for name in VALUES])
        given = SymbolRows(symbol, part["opened_at"].to_physical().to_numpy(), values)
        days = day_prices([given], interval)
        divisors = find_divisors(days, [action for action in actions if action.symbol == symbol])
        traded = undivide(given, interval, days, divisors)
        same = np.isclose(traded.values[:4], values[:4], rtol=1e-6, atol=0).all(axis=0)
        # What was not divided stays bit for bit.
        kept = np.where(same, values, traded.values)
        places = of_symbol.arg_true()
        rows = rows.with_columns(
            rows[name].scatter(places, pl.Series(kept[n], nan_to_null=True)) for n, name in enumerate(VALUES)
        )
    return rows

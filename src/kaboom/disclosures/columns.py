"""The columns of statements in a session, for many symbols at once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import nan, prod

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.disclosures.ratios import OF_STATEMENTS, Figure, find_per_share
from kaboom.market.calendar import JST
from kaboom.market.disclosure import Statement

type Floats = NDArray[np.float64]


def state_columns(
    statements: Iterable[Statement], symbols: Sequence[str], closes: Floats, splits: pl.DataFrame
) -> Mapping[str, Floats]:
    """Return the columns of `ratios` for some symbols, NaN where nothing says; ratios to a loss are NaN, too.

    `statements` are known, and those of a symbol oldest disclosure first; `closes` are as traded in the session.
    `splits` have the factor of prices by symbol and ex-session, up to the session: figures that were disclosed before
    an ex-session are made those of a share after it.
    """
    factors: dict[str, list[tuple[date, float]]] = {}
    for symbol, ex_session, factor in splits.select("symbol", "ex_session", "factor").iter_rows():
        factors.setdefault(symbol, []).append((ex_session, factor))

    def today(symbol: str, figure: Figure | None) -> float:
        if figure is None:
            return nan
        day = figure.disclosed_at.astimezone(JST).date()
        return figure.value * prod(factor for ex_session, factor in factors.get(symbol, ()) if ex_session > day)

    found = find_per_share(statements)
    columns = {name: np.full(len(symbols), nan) for name in OF_STATEMENTS}
    for n, symbol in enumerate(symbols):
        if per_share := found.get(symbol):
            for name, values in columns.items():
                values[n] = today(symbol, getattr(per_share, name))
    return columns | {
        "per": _ratio(closes, columns["eps"]),
        "forward_per": _ratio(closes, columns["forecast_eps"]),
        "pbr": _ratio(closes, columns["bps"]),
        "dividend_yield": columns["dividend"] / closes * 100,
    }


def _ratio(closes: Floats, values: Floats) -> Floats:
    return closes / np.where(values > 0, values, nan)

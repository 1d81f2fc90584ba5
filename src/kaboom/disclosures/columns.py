"""The columns of statements at some moments, for many symbols at once."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby, pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.disclosures.model import newest_versions
from kaboom.disclosures.ratios import OF_STATEMENTS, REACH, PerShare, find_per_share
from kaboom.market.calendar import JST
from kaboom.market.disclosure import Statement

type Floats = NDArray[np.float64]


def state_columns(
    versions: Sequence[Statement],
    symbols: Sequence[str],
    moments: Sequence[datetime],
    closes: Floats,
    splits: pl.DataFrame,
) -> Mapping[str, Floats]:
    """Return the columns of `ratios`, `[moments, symbols]`, NaN where nothing says; ratios to a loss are NaN, too.

    At each moment the newest version of each document counts that was known by then, for `REACH`. `versions` are as
    `list_versions` returns them, `moments` ascending; `closes` are as traded, `[moments, symbols]`. `splits` have the
    factor of prices by symbol and ex-session: figures that were disclosed before an ex-session are, from its day on,
    those of a share after it.
    """
    columns = {name: np.full(closes.shape, np.nan) for name in OF_STATEMENTS}
    factors = _by_symbol(splits)
    places = {symbol: place for place, symbol in enumerate(symbols)}
    days = [moment.astimezone(JST).date() for moment in moments]
    for symbol, found in groupby(versions, key=lambda version: version.symbol):
        if symbol not in places:
            continue
        for first, end, figures in _spans(list(found), moments):
            for name, values in columns.items():
                if (figure := getattr(figures, name)) is not None:
                    disclosed_on = figure.disclosed_at.astimezone(JST).date()
                    values[first:end, places[symbol]] = figure.value
                    for ex_session, factor in factors.get(symbol, ()):
                        if ex_session > disclosed_on:
                            values[max(first, bisect_left(days, ex_session)) : end, places[symbol]] *= factor
    return columns | {
        "per": _ratio(closes, columns["eps"]),
        "forward_per": _ratio(closes, columns["forecast_eps"]),
        "pbr": _ratio(closes, columns["bps"]),
        "dividend_yield": columns["dividend"] / closes * 100,
    }


def _spans(versions: Sequence[Statement], moments: Sequence[datetime]) -> Iterator[tuple[int, int, PerShare]]:
    """Yield from which moment to before which the same versions of a symbol count, and their figures."""
    reach = []
    for version in versions:
        if version.known_at is not None:
            first, end = bisect_left(moments, version.known_at), bisect_right(moments, version.known_at + REACH)
            if first < end:
                reach.append((first, end, version))
    for first, end in pairwise(sorted({place for begin, after, _ in reach for place in (begin, after)})):
        known = newest_versions(version for begin, after, version in reach if begin <= first < after)
        yield first, end, find_per_share(known)


def _by_symbol(splits: pl.DataFrame) -> Mapping[str, Sequence[tuple[date, float]]]:
    found: dict[str, list[tuple[date, float]]] = {}
    for symbol, ex_session, factor in splits.select("symbol", "ex_session", "factor").iter_rows():
        found.setdefault(symbol, []).append((ex_session, factor))
    return found


def _ratio(closes: Floats, values: Floats) -> Floats:
    return closes / np.where(values > 0, values, np.nan)

"""The stock splits of synthetic symbols, as a table of corporate actions."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from batch.market.calendar import sessions_between
from batch.providers.synthetic.anchors import draw_splits
from batch.providers.synthetic.constants import build_traits

#: Raw prices are divided by `ratio` from `session` on.
SPLIT_SCHEMA = pl.Schema({"symbol": pl.String(), "session": pl.Date(), "ratio": pl.Float64()})


def find_splits(symbols: Sequence[str], seed: int, *, first: date, last: date) -> pl.DataFrame:
    """Return the splits from `first` to `last` inclusive, in `SPLIT_SCHEMA`, by symbol, then session."""
    codes = tuple(dict.fromkeys(symbols))
    traits = build_traits(seed, codes, [""] * len(codes))
    rows: list[tuple[str, date, float]] = []
    for year in range(first.year, last.year + 1) if codes else ():
        sessions = sessions_between(date(year, 1, 1), date(year, 12, 31))
        splits = draw_splits(traits, year, len(sessions))
        for i in np.flatnonzero(splits.ratio > 1):
            session = sessions[int(splits.index[i])]
            if first <= session <= last and traits.listed_on[i] <= session.toordinal():
                rows.append((codes[i], session, float(splits.ratio[i])))
    return pl.DataFrame(rows, schema=SPLIT_SCHEMA, orient="row").sort("symbol", "session")

"""A panel of made-up bars, to try strategies on without any data."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from kaboom.backtest.engine.arrays import Floats, carry_forward
from kaboom.backtest.panel import Panel
from kaboom.market.bar import BAR_SCHEMA
from kaboom.market.interval import Interval


def make_panel(*, symbols: int = 3, bars: int = 1000, statements: Sequence[str] = ()) -> Panel:
    """Return daily random walks in whole yen, with jumps of 5 to 14 % on a day in 33; the same for each call.

    Each column of statements steps once in some 60 bars.
    """
    rng = np.random.default_rng(7)
    days = pl.date_range(pl.date(2024, 1, 4), pl.date(2024, 1, 4) + pl.duration(days=bars - 1), eager=True)
    frames = [_walk(f"{1001 + n}", days, rng) for n in range(symbols)]
    panel = Panel.of(pl.concat(frames), Interval.D1)
    return replace(panel, stated={name: _steps(panel.shape, rng) for name in statements})


def _steps(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    values = rng.uniform(5, 40, shape)
    values[rng.random(shape) > 1 / 60] = np.nan
    return carry_forward(values)


def _walk(symbol: str, days: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    jumps = rng.uniform(0.05, 0.14, days.len()) * rng.choice((-1, 1), days.len()) * (rng.random(days.len()) < 0.03)
    close = np.round(2000 * np.exp(np.cumsum(rng.normal(0, 0.015, days.len()) + jumps)))
    opening = np.concatenate([[2000.0], close[:-1]])
    columns = {
        "symbol": [symbol] * days.len(),
        "opened_at": days.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "open": opening,
        "high": np.maximum(opening, close) + 5,
        "low": np.maximum(np.minimum(opening, close) - 5, 1),
        "close": close,
        "volume": rng.integers(1_000_000, 3_000_000, days.len()),
        "flags": [0] * days.len(),
    }
    return pl.DataFrame(columns, schema=BAR_SCHEMA)

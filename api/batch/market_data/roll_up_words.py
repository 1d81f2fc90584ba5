"""What is said of days whose minutes do not add up to the provider's own bar."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from batch.market.bar import VALUES

_MOST_TOLD = 3


def tell_differences(symbol: str, differences: Sequence[pl.DataFrame]) -> str:
    """Return a symbol's days of `DAY_DIFFERENCES` as a sentence, the first three in numbers; `""` where it has none."""
    found = [row for frame in differences for row in frame.filter(pl.col("symbol") == symbol).iter_rows(named=True)]
    if not found:
        return ""
    told = "; ".join(_tell(row) for row in found[:_MOST_TOLD])
    more = f"; {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
    return f"{len(found)} days differ from the provider's own 1d: {told}{more}"


def _tell(row: dict[str, Any]) -> str:
    differing = [name for name in VALUES if row[name] != row[f"their_{name}"]]
    values = ", ".join(f"{name} {row[name]:.15g}, theirs {row[f'their_{name}']:.15g}" for name in differing)
    return f"{row['opened_at']:%Y-%m-%d} {values}"

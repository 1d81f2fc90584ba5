"""Corporate actions in files that have a column of factors, as J-Quants' own exports do."""

from pathlib import Path

import polars as pl

from batch.errors import InvalidRequest, ProviderError
from batch.market.action import CorporateAction, check_factor


def find_actions(rows: pl.DataFrame, path: Path) -> list[CorporateAction]:
    """Return the actions in rows with symbol, session and, where the file has any, factor: where it is not 1.

    Raises:
        ProviderError: a factor is none that an action can have.

    """
    if "factor" not in rows.columns:
        return []
    changed = rows.filter(pl.col("factor") != 1).select("symbol", "session", "factor").unique(maintain_order=True)
    try:
        return [CorporateAction(symbol, day, check_factor(factor)) for symbol, day, factor in changed.rows()]
    except InvalidRequest as e:
        raise ProviderError(f"{path.name}: {e.message}") from e

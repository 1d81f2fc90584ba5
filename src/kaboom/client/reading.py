"""Reads bars for a caller: as rows, and as closes in a column for each symbol."""

from typing import TYPE_CHECKING

from kaboom.client.source import Asked, Source
from kaboom.client.symbols import describe_unknown, to_codes
from kaboom.errors import InvalidRequest, NotFound
from kaboom.market.interval import Interval

if TYPE_CHECKING:
    import polars as pl


def read_bars(source: Source, asked: Asked) -> "pl.DataFrame":
    """Return bars in `BAR_SCHEMA`, sorted by symbol, then opened_at; daily bars also have their day as `date`.

    Raises:
        InvalidRequest: a symbol is neither held nor listed, or what the source refuses.
        NotFound: of all symbols that were named no bars are held.
        KaboomError: the source cannot be read.

    """
    import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

    try:
        found = source.bars(asked)
    except InvalidRequest as e:
        if e.pointer.startswith("/symbol"):
            _refuse_unknown(source, asked, asked.symbols)
        raise
    if asked.symbols:
        read = set(found["symbol"].unique())
        if missing := [symbol for symbol in asked.symbols if read.isdisjoint(to_codes(symbol))]:
            held = _refuse_unknown(source, asked, missing)
            if not read and held.isdisjoint(code for symbol in missing for code in to_codes(symbol)):
                named = ", ".join(missing[:5])
                raise NotFound(
                    f"no bars of {named} are held with interval {asked.interval}; ingest.run_daily fetches them"
                )
    # A daily bar is stamped 00:00 UTC of its session.
    return found.with_columns(date=pl.col("opened_at").dt.date()) if asked.interval == Interval.D1 else found


def spread_closes(bars: "pl.DataFrame") -> "pl.DataFrame":
    """Return closes as a column for each symbol, after `date`, or after `opened_at` if the bars have no `date`.

    `bars` are as `read_bars` returns them. Where a symbol has no bar there is null.
    """
    import numpy as np  # noqa: PLC0415  with polars
    import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

    times = bars["date" if "date" in bars.columns else "opened_at"]
    rows, symbols = times.unique().sort(), bars["symbol"].unique(maintain_order=True)
    # Bars are sorted by symbol, and unique: each close is put in its place. `DataFrame.pivot` takes 40 times as long.
    grid = np.full((len(symbols), len(rows)), np.nan)
    grid[bars["symbol"].rle_id().to_numpy(), rows.search_sorted(times).to_numpy()] = bars["close"].to_numpy()
    columns = [pl.Series(symbol, closes, nan_to_null=True) for symbol, closes in zip(symbols, grid, strict=True)]
    return pl.DataFrame([rows, *columns])


def _refuse_unknown(source: Source, asked: Asked, symbols: tuple[str, ...] | list[str]) -> set[str]:
    """Raise for symbols that are neither held nor listed; return those that are held."""
    held, listings = set(source.held(asked)), source.listings()
    known = held.union(listings["symbol"])
    if unknown := [symbol for symbol in symbols if known.isdisjoint(to_codes(symbol))]:
        raise InvalidRequest(describe_unknown(unknown, held, listings), pointer="/symbols")
    return held

"""Statements of companies as a polars frame."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from kaboom.client.symbols import Symbol, to_symbols
from kaboom.client.wire import Wire
from kaboom.market.disclosure import FIGURES

if TYPE_CHECKING:
    import polars as pl

_PATH = "/api/v1/fundamentals"
_TEXTS = ("symbol", "document", "kind", "period")
_DAYS = ("period_end", "year_end", "forecast_year_end")
_MOMENTS = ("disclosed_at", "known_at")
#: As many as the API returns at once: a hundred years.
_MOST = 400


def read_statements(wire: Wire, symbol: Symbol | None, params: Mapping[str, str | None]) -> "pl.DataFrame":
    """Return the statements of a symbol, or the newest of each symbol."""
    import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

    asked = {name: value for name, value in params.items() if value is not None}
    if symbol is None:
        items = wire.call("GET", _PATH, params=asked)["items"]
    else:
        (code,) = to_symbols(symbol)
        items = wire.call("GET", f"{_PATH}/{quote(code)}", params={**asked, "limit": _MOST})["statements"]
    columns = [*_TEXTS, *_DAYS, *_MOMENTS, *FIGURES]
    schema = dict.fromkeys(columns, pl.String()) | dict.fromkeys(FIGURES, pl.Float64())
    found = pl.DataFrame([[item[name] for name in columns] for item in items], schema=schema, orient="row")
    return found.with_columns(
        pl.col(_DAYS).str.to_date("%Y-%m-%d"), pl.col(_MOMENTS).str.to_datetime(time_unit="us", time_zone="UTC")
    )

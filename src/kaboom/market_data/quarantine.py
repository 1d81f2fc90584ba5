"""Answer queries on rows that quality rules rejected; imported for the first query, since it needs polars."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from kaboom.bars.store import BarStore
from kaboom.market.bar import BarSeries
from kaboom.market_data.queries import QuarantineQuery
from kaboom.market_data.table import Table
from kaboom.providers.registry import get_source_spec

#: The place of a row without a time, after all others.
_NO_TIME = -(2**63)


@dataclass(frozen=True, slots=True)
class QuarantineTables:
    """The rejected rows of one store; a query without a provider gets those of `default_provider`."""

    store: BarStore
    default_provider: str

    async def rows(self, query: QuarantineQuery, place: list[Any] | None) -> Table:
        """Return rejected rows, newest first, those without a time last.

        The place of a row is its time in microseconds and a digest of its symbol and reason, which may be long.

        Raises:
            InvalidRequest: the provider is invalid.

        """
        spec = get_source_spec(query.provider or self.default_provider)
        series = BarSeries(spec.name, query.interval)
        found = await self.store.read_quarantine(series, query.symbol)
        about = {"interval": series.interval.value, "provider": spec.name, "is_real": spec.is_real}
        return await asyncio.to_thread(_to_table, found, query, place, about)


def _to_table(found: pl.DataFrame, query: QuarantineQuery, place: list[Any] | None, about: dict[str, Any]) -> Table:
    day = pl.col("opened_at").dt.convert_time_zone("Asia/Tokyo").dt.date()
    rows = found.with_columns(session=day)
    if query.session:
        rows = rows.filter(pl.col("session") == query.session)
    counted = rows.group_by("reason").len().sort("len", "reason", descending=[True, False]).rows()
    if query.reason is not None:
        rows = rows.filter(pl.col("reason") == query.reason)
    about |= {"total": rows.height, "reasons": dict(counted)}
    rows = rows.sort("opened_at", "symbol", "reason", descending=[True, False, False], nulls_last=True)
    if place:
        rows = _after(rows, *place)
    page = rows.head(query.limit)
    next_place = _places(page.tail(1))[0] if rows.height > query.limit else None
    columns = ("session", "symbol", "opened_at", "open", "high", "low", "close", "volume", "reason", "file", "line")
    stem = f"quarantine-{about['interval']}-{about['provider']}"
    return Table(page.select(columns), about, ("provider", "interval"), stem, next_place)


def _after(rows: pl.DataFrame, at_us: int, digest: str) -> pl.DataFrame:
    """Return the rows after a place; if its row was deleted meanwhile, continue with the rows of older times."""
    at = pl.col("opened_at").to_physical().fill_null(_NO_TIME)
    same, older = rows.filter(at == at_us), rows.filter(at < at_us)
    digests = [found for _, found in _places(same)]
    return pl.concat([same[digests.index(digest) + 1 :], older]) if digest in digests else older


def _places(rows: pl.DataFrame) -> list[tuple[int, str]]:
    times = rows["opened_at"].to_physical().fill_null(_NO_TIME).to_list()
    names = zip(rows["symbol"].to_list(), rows["reason"].to_list(), strict=True)
    digests = (hashlib.sha256(f"{symbol}\0{reason}".encode()).hexdigest()[:32] for symbol, reason in names)
    return list(zip(times, digests, strict=True))

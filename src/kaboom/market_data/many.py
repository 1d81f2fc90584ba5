"""Read bars of many symbols, part by part; imported for the first query, since it needs polars."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import orjson
import polars as pl

from kaboom.bars.actions.adjustment import Adjustment
from kaboom.bars.export.encode import stream_table
from kaboom.bars.export.formats import Format
from kaboom.bars.history import reader_at
from kaboom.bars.many import Wanted, read_many
from kaboom.bars.store import BarReader
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BAR_SCHEMA
from kaboom.market.calendar import JST
from kaboom.market.lists.universe import load_universe
from kaboom.market_data.queries import ManyBarsQuery
from kaboom.market_data.table import known_at_field
from kaboom.market_data.tables import BarTables, parse_symbol
from kaboom.providers.spec import ProviderSpec


@dataclass(frozen=True, slots=True)
class ManyBars:
    """The bars of a query, not read yet.

    Attributes:
        reader: reads the bars.
        wanted: the series, the span and the symbols.
        adjustment: the actions and dividends to adjust by; None for raw bars.
        about: the metadata of all bars: provider, interval, and the action set and the moment if there are any.
        version: the version of the store; None if the store has no versions.

    """

    reader: BarReader
    wanted: Wanted
    adjustment: Adjustment | None
    about: dict[str, str]
    version: str | None

    @property
    def stem(self) -> str:
        """The name of the file, without suffix."""
        days = (f"{at.astimezone(JST):%Y-%m-%d}" for at in (self.wanted.start, self.wanted.end - timedelta(seconds=1)))
        return "-".join(["bars", self.about["interval"], self.about["provider"], *days])

    def tag(self, form: Format) -> str | None:
        """Return an ETag that changes with the query and with every write to the store; None without a version."""
        if self.version is None:
            return None
        wanted = (self.wanted.start, self.wanted.end, self.wanted.symbols)
        said = orjson.dumps([self.version, self.about, wanted, form, pl.__version__])
        return f'"{hashlib.sha256(said).hexdigest()[:32]}"'

    def pieces(self, form: Format) -> AsyncIterator[bytes | memoryview]:
        """Yield the bars in a format; only a session or a month of them is in memory."""
        return stream_table(self._parts(), BAR_SCHEMA, form)

    async def _parts(self) -> AsyncGenerator[pl.DataFrame]:
        async for part in read_many(self.reader, self.wanted):
            yield part if self.adjustment is None else self.adjustment.apply(part)


async def find_many(tables: BarTables, symbols_dir: Path, query: ManyBarsQuery) -> ManyBars:
    """Return the bars of a query, not read yet.

    Raises:
        InvalidRequest: symbols, provider or span are invalid, or parameters contradict each other.
        NotFound: the market is FILE, which has no list of symbols.

    """
    if query.symbols and query.market:
        raise InvalidRequest("symbols and market were given, expected one of them", pointer="/market")
    spec, series = tables.series_of(query)
    start, end = _span(tables, query)
    wanted = Wanted(series, start, end, _symbols(query, spec, symbols_dir, end))
    about = {"provider": spec.name, "interval": series.interval.value}
    about |= known_at_field(query.as_of)
    adjustment = None
    if query.is_adjusted:
        adjustment = await tables.adjustment_of(query, series, wanted.symbols, start)
        about["action_set"] = adjustment.digest
    reader = reader_at(tables.store, query.as_of, clock=tables.clock)
    return ManyBars(reader, wanted, adjustment, about, await tables.store.version())


def _span(tables: BarTables, query: ManyBarsQuery) -> tuple[datetime, datetime]:
    if query.session is None:
        return tables.span_of(query)
    if query.start or query.end:
        raise InvalidRequest("session and a span were given, expected one of them", pointer="/session")
    # A daily bar is stamped 00:00 UTC, which is 09:00 in Japan.
    start = datetime.combine(query.session, time(), JST).astimezone(UTC)
    return start, start + timedelta(days=1)


def _symbols(query: ManyBarsQuery, spec: ProviderSpec, symbols_dir: Path, end: datetime) -> tuple[str, ...]:
    if query.market:
        last = (end - timedelta(microseconds=1)).astimezone(JST).date()
        return load_universe(query.market, last, imported_dir=symbols_dir, known_at=query.as_of).symbols
    named = query.symbols.split(",") if query.symbols else []
    return tuple(sorted({parse_symbol(symbol, spec) for symbol in named}))

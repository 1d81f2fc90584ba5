"""The provider toycsv: one CSV for each symbol, each request with a permit."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from kaboom.drivers.http.client import HttpClient
from kaboom.errors import ProviderError
from kaboom.market.bar import RAW_BAR_SCHEMA
from kaboom.market.calendar import is_session
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.per_symbol import SymbolAnswer, ask_each, nothing_traded
from kaboom.providers.rows import pick_sessions
from kaboom.providers.spec import ProviderParts
from kaboom.providers.wire import ProviderWire, Server, quote

from .spec import SPEC, ToyCsvSettings

TOYCSV_SERVER = Server("toycsv", "ask the owner of the server for access")
_HEADER = "date,open,high,low,close,volume"
_UNKNOWN = "unknown symbol"


class ToyCsvProvider:
    """A `BarProvider` over `GET /daily.csv`."""

    name = SPEC.name

    def __init__(self, wire: ProviderWire, *, concurrency: int | None = None) -> None:
        self._wire = wire
        self.capabilities = SPEC.capabilities.asked_at_once(concurrency)

    async def fetch_universe(self, _market: Market, _session: date) -> tuple[str, ...] | None:
        """Return None: the server has no list of symbols."""
        return None

    async def fetch_sessions(self, _interval: Interval, _count: int, _until: date) -> tuple[date, ...] | None:
        """Return None: the server has no calendar."""
        return None

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the bars of a request."""
        sessions = sorted(day for day in set(request.sessions) if is_session(day))
        if not request.symbols or not sessions:
            return nothing_traded(request.symbols)
        span = {"from": sessions[0].isoformat(), "to": sessions[-1].isoformat()}

        async def ask(symbol: str) -> SymbolAnswer[pl.DataFrame]:
            params = {"symbol": symbol, **span}
            return await self._wire.get_body("/daily.csv", params, lambda body: parse(body, symbol, sessions))

        return await ask_each(request.symbols, ask, concurrency=self.capabilities.concurrency or 1, join=pl.concat)

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()


def parse(body: bytes, symbol: str, sessions: Sequence[date]) -> SymbolAnswer[pl.DataFrame]:
    """Return the bars of a CSV, or why there are none.

    Raises:
        ProviderError: it is no such CSV.

    """
    header = body.partition(b"\n")[0].decode("ascii", "replace")
    if header == _UNKNOWN:
        return SymbolOutcome(symbol, Outcome.NOT_LISTED)
    damaged = ProviderError(f"toycsv: the answer was {quote(body)}, expected a CSV of {_HEADER}", retryable=True)
    if header != _HEADER:
        raise damaged
    values = dict.fromkeys(_HEADER.split(",")[1:], pl.Float64())
    try:
        rows = pl.read_csv(body, schema={"date": pl.Date(), **values})
    except pl.exceptions.PolarsError as e:
        raise damaged from e
    bars = rows.select(
        pl.lit(symbol).alias("symbol"), pl.col("date").cast(RAW_BAR_SCHEMA["opened_at"]).alias("opened_at"), *values
    )
    bars = pick_sessions(bars, sessions, Interval.D1)
    return bars if bars.height else SymbolOutcome(symbol, Outcome.NO_TRADES)


def build(parts: ProviderParts[ToyCsvSettings]) -> BarProvider:
    """Return the provider."""
    client = HttpClient(parts.settings.toycsv_url or "", connections=parts.connections)
    return ToyCsvProvider(
        ProviderWire(client, TOYCSV_SERVER, parts.rate_limiter, headers={}), concurrency=parts.concurrency
    )

"""What a caller may ask of a daily ingest, and the bounds of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from batch.market.bounds import parse_count, parse_day, parse_lookbacks, parse_symbols
from batch.market.interval import Interval, parse_interval
from batch.market.listing import Market, parse_market
from batch.market.symbol import parse_foreign_symbol, parse_symbol
from batch.providers.registry import get_provider_spec

MAX_CHUNK_SIZE = 100_000
DEFAULT_CHUNK_SIZE = 5_000


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """Which bars to take.

    Attributes:
        intervals: bar length → look-back in trading sessions, the last one included.
        market: the section whose universe is taken.
        chunk_size: points in one write request to a store over a network; the embedded store commits
            whole slices and does not need it.
        symbols: only these, where not empty.
        provider: name of the source; None for the configured one.
        session: the last session; None for the newest one that has closed.
        only: for a retry, what was left to do: interval → symbols.

    """

    intervals: Mapping[Interval, int]
    market: Market = Market.TSE_PRIME
    chunk_size: int = DEFAULT_CHUNK_SIZE
    symbols: tuple[str, ...] = ()
    provider: str | None = None
    session: date | None = None
    only: Mapping[Interval, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without what was not asked."""
        values: dict[str, Any] = {
            "intervals": {interval.value: count for interval, count in self.intervals.items()},
            "market": self.market.value,
            "chunk_size": self.chunk_size,
        }
        optional = {
            "symbols": list(self.symbols),
            "provider": self.provider,
            "session": self.session.isoformat() if self.session else None,
            "only": {interval.value: list(symbols) for interval, symbols in self.only.items()},
        }
        return values | {name: value for name, value in optional.items() if value}


def parse_request(values: Mapping[str, Any]) -> IngestRequest:
    """Return the request that JSON types say, checked against every bound.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    market = parse_market(values.get("market", Market.TSE_PRIME.value))
    parse = parse_symbol if market.is_tse else parse_foreign_symbol
    provider = values.get("provider")
    if provider is not None:
        get_provider_spec(provider)
    return IngestRequest(
        intervals=parse_lookbacks(values.get("intervals", {})),
        market=market,
        chunk_size=parse_count(values.get("chunk_size", DEFAULT_CHUNK_SIZE), MAX_CHUNK_SIZE, "/chunk_size"),
        symbols=parse_symbols(values.get("symbols") or (), parse),
        provider=provider,
        session=parse_day(values.get("session"), "session"),
        only={
            parse_interval(interval): parse_symbols(symbols, parse)
            for interval, symbols in (values.get("only") or {}).items()
        },
    )

"""Bars and their references of a running Kaboom."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kaboom.client.source import Asked, to_text
from kaboom.client.wire import Wire

if TYPE_CHECKING:
    import polars as pl

_ARROW = "application/vnd.apache.arrow.stream"
_NEXT = re.compile(r'<([^>]+)>; rel="next"')
_BARS = "/api/v1/bars"
#: The longest pause within the answer to a question for a table: a long span is read part by part.
TABLE_S = 60.0


@dataclass(frozen=True, slots=True)
class ServerSource:
    """What a running Kaboom answers, each table as Arrow."""

    wire: Wire

    def bars(self, asked: Asked) -> "pl.DataFrame":
        named = {"interval": asked.interval, "market": asked.market, "provider": asked.provider}
        times = {name: to_text(getattr(asked, name)) for name in ("start", "end", "as_of")}
        symbols = ",".join(asked.symbols) or None
        params = named | times | {"symbols": symbols, "adjusted": "false" if asked.adjusted is False else "true"}
        params |= {"total_return": "true"} if asked.total_return else {}
        return self._table(_BARS, params).sort("symbol", "opened_at")

    def held(self, asked: Asked) -> Iterable[str]:
        named = {"interval": asked.interval, "provider": asked.provider, "as_of": to_text(asked.as_of)}
        return self._table(f"{_BARS}/latest", named)["symbol"]

    def listings(self) -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        tables = (self._table("/api/v1/symbols", {"market": market}) for market in (None, "INDEX"))
        return pl.concat(tables).sort("symbol")

    def universe(self, market: str, session: date | None) -> "pl.DataFrame":
        return self._table("/api/v1/universe", {"market": market, "session": to_text(session)})

    def calendar(self, first: date, last: date) -> "pl.DataFrame":
        return self._table("/api/v1/calendar", {"first": first.isoformat(), "last": last.isoformat()})

    def coverage(
        self, interval: str, first: date, last: date, symbols: Sequence[str], provider: str | None
    ) -> "pl.DataFrame":
        params = {"interval": interval, "provider": provider, "symbol": list(symbols) or None, "limit": 100_000}
        found = self._table("/api/v1/coverage", params | {"first": first.isoformat(), "last": last.isoformat()})
        return found.drop("provider", "interval")

    def _table(self, path: str, params: Mapping[str, Any]) -> "pl.DataFrame":
        """Return a table, all of its pages."""
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        pages = []
        given: Mapping[str, Any] | None = {name: value for name, value in params.items() if value is not None}
        while True:
            answer = self.wire.ask("GET", path, params=given, headers={"Accept": _ARROW}, timeout=TABLE_S)
            pages.append(pl.read_ipc_stream(answer.content))
            if (following := _NEXT.search(answer.headers.get("Link", ""))) is None:
                return pl.concat(pages)
            # With the same question, and the place where the next page begins.
            path, given = following[1], None

"""Which markets and intervals have bars, so that pages offer no others."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from kaboom.dashboard.page_request import OpenPage
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market_data.schemas import SessionPage

_KEPT_S = 60.0
_SESSIONS = 5
_PATIENCE_S = 0.5
_MARKETS = tuple(market for market in Market if market.is_tse)


class HeldSeries:
    """A cache of one minute, shared by all viewers of this process: all viewers have the same bars."""

    def __init__(self) -> None:
        self._found: dict[tuple[Market, Interval], tuple[float, bool]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def find(self, page: OpenPage, market: Market, interval: Interval) -> Mapping[str, Sequence[str]]:
        """Return the markets that have bars of an interval, and the intervals of a market, always with the chosen ones.

        A page waits at most half a second: series found later are offered on the next page.
        """
        wanted = [(each, interval) for each in _MARKETS] + [(market, each) for each in Interval]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(page, wanted))
        await asyncio.wait([self._looking], timeout=_PATIENCE_S)
        held = {series for series, (_, is_held) in self._found.items() if is_held} | {(market, interval)}
        return {
            "market": [each.value for each in _MARKETS if (each, interval) in held],
            "interval": [each.value for each in Interval if (market, each) in held],
        }

    async def _look(self, page: OpenPage, wanted: Sequence[tuple[Market, Interval]]) -> None:
        # One after another, to leave the bar store free for other requests.
        for market, interval in wanted:
            await self._look_at(page, market, interval)

    async def _look_at(self, page: OpenPage, market: Market, interval: Interval) -> None:
        at, _ = self._found.get((market, interval), (0.0, False))
        if at and time.monotonic() - at < _KEPT_S:
            return
        reply = await page.api.get(
            SessionPage, "/api/v1/coverage/sessions", market=market, interval=interval, sessions=_SESSIONS
        )
        if reply.is_ok:
            self._found[market, interval] = time.monotonic(), any(each.bars for each in reply.data.items)

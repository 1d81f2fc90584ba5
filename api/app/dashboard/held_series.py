"""Which markets and intervals have bars, so that pages offer no others."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import cast

from app.dashboard.page import OpenPage
from batch.market.interval import Interval
from batch.market.listing import Market

_KEPT_S = 60.0
_SESSIONS = 5
_MARKETS = tuple(market for market in Market if market.is_tse)


class HeldSeries:
    """What was found in this process in the last minute: bars are the same for all viewers."""

    def __init__(self) -> None:
        self._found: dict[tuple[Market, Interval], tuple[float, bool]] = {}

    async def find(self, page: OpenPage, market: Market, interval: Interval) -> Mapping[str, Sequence[str]]:
        """Return the markets that have bars of an interval, and the intervals of a market, each with the chosen one."""
        markets = await asyncio.gather(*(self._is_held(page, each, interval) for each in _MARKETS))
        intervals = await asyncio.gather(*(self._is_held(page, market, each) for each in Interval))
        return {
            "market": [m.value for m, is_held in zip(_MARKETS, markets, strict=True) if is_held or m is market],
            "interval": [i.value for i, is_held in zip(Interval, intervals, strict=True) if is_held or i is interval],
        }

    async def _is_held(self, page: OpenPage, market: Market, interval: Interval) -> bool:
        at, is_held = self._found.get((market, interval), (0.0, False))
        if at and time.monotonic() - at < _KEPT_S:
            return is_held
        reply = await page.ask("/api/v1/coverage/sessions", market=market, interval=interval, sessions=_SESSIONS)
        is_held = reply.is_ok and any(each["bars"] for each in reply.data["items"])
        self._found[market, interval] = time.monotonic(), is_held
        return is_held


def held_series_of(page: OpenPage) -> HeldSeries:
    """Return what this process knows."""
    return cast("HeldSeries", page.request.app.state.held_series)

"""Closes, splits and dividends for portfolios, from the stores; imported on first use, since it needs polars."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from kaboom.bars.actions.adjustment import applied_actions, applied_dividends
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.coverage.classify import add_finality
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import Clock
from kaboom.market.action import CorporateAction, Split, splits_of
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, closes_at, utc_midnight
from kaboom.market.interval import Interval
from kaboom.market.source import derived_source
from kaboom.portfolio.dividends import Dividend
from kaboom.portfolio.history import Closes
from kaboom.portfolio.money import round_yen
from kaboom.portfolio.plausibility import DayRange
from kaboom.portfolio.valuation import Price
from kaboom.providers.registry import get_source_spec

#: How far before the first day of a history a close may be that values a position on that day.
_LOOK_BACK = timedelta(days=31)
_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(days=7)
#: How many symbols are read at once.
_AT_ONCE = 8
#: For how many sessions the fetch log is read to judge finality; older bars are judged by their age.
_LOGS = 5


@dataclass(frozen=True, slots=True)
class Market:
    """The bars and corporate actions of one store."""

    bars: BarStore
    actions: ActionStore
    clock: Clock

    async def splits(self, provider: str, symbols: Collection[str]) -> tuple[Split, ...]:
        """Return the splits of some symbols up to today in Japan, reported or confirmed.

        Raises:
            StoreError: the store cannot be read.

        """
        today = self.clock().astimezone(JST).date()
        found = applied_actions(await self.actions.load(provider, sorted(symbols)), until=today)
        rows = found.select("symbol", "ex_session", "factor").rows()
        return splits_of(CorporateAction(*row) for row in rows)

    async def dividends(self, provider: str, symbols: Collection[str]) -> tuple[Dividend, ...]:
        """Return the dividends of some symbols up to today in Japan, reported or confirmed.

        Raises:
            StoreError: the store cannot be read.

        """
        today = self.clock().astimezone(JST).date()
        found = applied_dividends(await self.actions.load(provider, sorted(symbols)), until=today)
        return tuple(Dividend(symbol, day, _to_yen(amount)) for symbol, day, amount in found.rows())

    async def latest(self, provider: str, symbols: Collection[str]) -> dict[str, Price]:
        """Return the latest close of each symbol that has one.

        The close of the newest session counts. Within a session the provider's daily bar is preferred, then the daily
        bar that was rolled up from minutes, then the last minute.

        Raises:
            StoreError: the store cannot be read.

        """
        prices: dict[str, Price] = {}
        for series in (*_daily(provider), BarSeries(provider, Interval.M1)):
            for symbol, price in await self._latest(series, sorted(symbols)):
                if symbol not in prices or price.session > prices[symbol].session:
                    prices[symbol] = price
        return prices

    async def closes(self, provider: str, symbols: Collection[str], *, first: date, last: date) -> Closes:
        """Return the daily closes of each symbol from 31 days before `first` to `last`.

        Daily bars that were rolled up from minutes are used if the provider's own are missing.

        Raises:
            StoreError: the store cannot be read.

        """
        turns = asyncio.Semaphore(_AT_ONCE)
        start, end = utc_midnight(first - _LOOK_BACK), utc_midnight(last + timedelta(days=1))

        async def read(symbol: str) -> dict[date, Decimal]:
            found = dict[date, Decimal]()
            for series in reversed(_daily(provider)):
                async with turns:
                    rows = await self.bars.read(series, symbol, start=start, end=end)
                days = rows.select(pl.col("opened_at").dt.date(), "close").iter_rows()
                found |= {day: _to_yen(close) for day, close in days}
            return found

        wanted = sorted(symbols)
        return dict(zip(wanted, await asyncio.gather(*map(read, wanted)), strict=True))

    async def ranges(self, provider: str, trades: Collection[tuple[str, date]]) -> dict[tuple[str, date], DayRange]:
        """Return the range of prices, as traded, of symbols on given days, or else on the newest day in a week before.

        Raises:
            StoreError: the store cannot be read.

        """
        wanted: dict[str, set[date]] = {}
        for symbol, day in trades:
            wanted.setdefault(symbol, set()).add(day)
        turns, found = asyncio.Semaphore(_AT_ONCE), dict[tuple[str, date], DayRange]()

        async def read(symbol: str, days: set[date]) -> None:
            start, end = utc_midnight(min(days) - _WEEK), utc_midnight(max(days) + timedelta(days=1))
            held = dict[date, DayRange]()
            for series in reversed(_daily(provider)):
                async with turns:
                    rows = await self.bars.read(series, symbol, start=start, end=end)
                for day, low, high in rows.select(pl.col("opened_at").dt.date(), "low", "high").iter_rows():
                    held[day] = DayRange(day, low, high)
            for day in days:
                near = next((held[d] for n in range(_WEEK.days + 1) if (d := day - timedelta(days=n)) in held), None)
                if near is not None:
                    found[symbol, day] = near

        await asyncio.gather(*(read(symbol, days) for symbol, days in sorted(wanted.items())))
        return found

    async def _latest(self, series: BarSeries, symbols: list[str]) -> list[tuple[str, Price]]:
        rows = (await self.bars.latest(series, symbols)).with_columns(session=pl.col("opened_at").dt.date())
        if rows.is_empty():
            return []
        newest = sorted(set(rows["session"]))[-_LOGS:]
        logs = [await self.bars.load_fetch_log(series, first=day, last=day) for day in newest]
        delay = get_source_spec(series.source).capabilities.delay
        known = add_finality(rows, pl.concat(logs), delay=delay, now=self.clock())
        return [(row["symbol"], self._price(series, row)) for row in known.iter_rows(named=True)]

    def _price(self, series: BarSeries, row: Mapping[str, Any]) -> Price:
        session = row["session"]
        # The daily bar of a running session is as of now.
        ends = self.clock() if series.interval is Interval.D1 else row["opened_at"] + _MINUTE
        at = min(ends, closes_at(session))
        return Price(_to_yen(row["close"]), session, at, series.interval.value, series.source, row["is_final"])


def _daily(provider: str) -> tuple[BarSeries, BarSeries]:
    return BarSeries(provider, Interval.D1), BarSeries(derived_source(provider), Interval.D1)


def _to_yen(close: float) -> Decimal:
    # Convert by the shortest text of the float: 2841.3, not 2841.3000000000001818989.
    return round_yen(Decimal(repr(close)))

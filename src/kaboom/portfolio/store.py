"""Open the portfolios of a database; in memory they behave like those in PostgreSQL, and end with the process."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.postgres.database import Database, name_taken, too_many
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.port import KEY_KEPT_H, KeyReused
from kaboom.portfolio.entry import Entry, number_entries
from kaboom.portfolio.model import (
    MAX_ENTRIES,
    MAX_PORTFOLIOS,
    Booked,
    Draft,
    Once,
    Portfolio,
    PortfolioStore,
    too_many_entries,
)
from kaboom.portfolio.postings import Account, balance, post


def open_portfolios(database: Database) -> PortfolioStore:
    """Return the portfolios of a database."""
    if database.engine is None:
        return MemoryPortfolioStore()
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.portfolio.postgres import PostgresPortfolioStore  # noqa: PLC0415

    return PostgresPortfolioStore(database.engine)


@dataclass(slots=True)
class _Kept:
    portfolio: Portfolio
    entries: list[Entry] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryPortfolioStore:
    """`PortfolioStore` in memory."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._keys: dict[tuple[str, str], tuple[str, Booked, datetime]] = {}

    async def add(self, portfolio: Portfolio) -> Portfolio:
        names = [known.name for known in await self.list_portfolios(portfolio.owner)]
        if len(names) >= MAX_PORTFOLIOS:
            raise Conflict(too_many("portfolios", MAX_PORTFOLIOS))
        if portfolio.name in names:
            raise Conflict(name_taken("portfolio", portfolio.name))
        kept = replace(portfolio, created_at=self._clock())
        self._kept[kept.portfolio_id] = _Kept(kept)
        return kept

    async def list_portfolios(self, owner: str) -> list[Portfolio]:
        found = (kept.portfolio for kept in self._kept.values() if kept.portfolio.owner == owner)
        return sorted(found, key=lambda portfolio: portfolio.name)

    async def load(self, owner: str, portfolio_id: str) -> Portfolio:
        return self._find(owner, portfolio_id).portfolio

    async def rename(self, owner: str, portfolio_id: str, name: str) -> Portfolio:
        kept = self._find(owner, portfolio_id)
        others = (known for known in await self.list_portfolios(owner) if known.portfolio_id != portfolio_id)
        if any(known.name == name for known in others):
            raise Conflict(name_taken("portfolio", name))
        kept.portfolio = replace(kept.portfolio, name=name)
        return kept.portfolio

    async def delete(self, owner: str, portfolio_id: str) -> None:
        self._find(owner, portfolio_id)
        del self._kept[portfolio_id]

    async def book(self, owner: str, portfolio_id: str, draft: Draft, *, once: Once | None = None) -> Booked:
        kept = self._find(owner, portfolio_id)
        async with kept.turn:
            if once and (earlier := self._find_earlier(owner, once)):
                return replace(earlier, is_replayed=True)
            now, last = self._clock(), kept.portfolio.entries
            drafted = await asyncio.to_thread(draft, kept.portfolio, tuple(kept.entries))
            new = [replace(entry, created_at=now) for entry in number_entries(drafted, after=last)]
            if not new:
                return Booked(())
            if last + len(new) > MAX_ENTRIES:
                raise Conflict(too_many_entries())
            booked = Booked(tuple(new))
            if once:
                # A request on another portfolio may have used the same key in the meantime.
                if self._find_earlier(owner, once):
                    raise KeyReused
                self._keys[owner, once.key] = once.fingerprint, booked, now
            kept.entries += new
            cash = _balances(kept.entries)[Account.CASH]
            kept.portfolio = replace(kept.portfolio, entries=last + len(new), cash=cash)
            return booked

    async def load_entries(self, owner: str, portfolio_id: str) -> list[Entry]:
        kept = self._kept.get(portfolio_id)
        return list(kept.entries) if kept and kept.portfolio.owner == owner else []

    async def balances(self, owner: str, portfolio_id: str) -> dict[Account, Decimal]:
        return _balances(await self.load_entries(owner, portfolio_id))

    def _find(self, owner: str, portfolio_id: str) -> _Kept:
        kept = self._kept.get(portfolio_id)
        if kept is None or kept.portfolio.owner != owner:
            raise NotFound.of_id("portfolio", portfolio_id)
        return kept

    def _find_earlier(self, owner: str, once: Once) -> Booked | None:
        limit = self._clock() - timedelta(hours=KEY_KEPT_H)
        self._keys = {name: kept for name, kept in self._keys.items() if kept[2] >= limit}
        fingerprint, booked, _ = self._keys.get((owner, once.key), (once.fingerprint, None, None))
        if fingerprint != once.fingerprint:
            raise KeyReused
        return booked


def _balances(entries: list[Entry]) -> dict[Account, Decimal]:
    by_id = {entry.entry_id: entry for entry in entries}
    return balance(post(entry, by_id) for entry in entries)

"""A hundred trades on one portfolio at once, from four processes' worth of pools, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from uuid import uuid4

import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.portfolio.book import Book, Shortfall, replay
from kaboom.portfolio.entry import Entry, EntryKind
from kaboom.portfolio.model import Booked
from kaboom.portfolio.postgres import PostgresPortfolioStore
from kaboom.portfolio.postings import Account
from tests.fixtures.portfolio.drafts import draft_of, make_portfolio
from tests.fixtures.portfolio.entries import cash, trade

pytestmark = pytest.mark.anyio
POOLS, TRADES = 4, 100


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[list[PostgresPortfolioStore]]:
    """Stores that share nothing but the database, as those of several API processes."""
    async with AsyncExitStack() as stack:
        engines = [connect_postgres(database_url, application_name=f"api-{n}", pool_size=3) for n in range(POOLS)]
        for engine in engines:
            stack.push_async_callback(engine.dispose)
        yield [PostgresPortfolioStore(engine) for engine in engines]


async def test_a_hundred_parallel_trades_lose_nothing(stores: list[PostgresPortfolioStore]) -> None:
    owner = f"team-{uuid4().hex[:8]}"
    portfolio = await stores[0].add(make_portfolio(owner))
    portfolio_id = portfolio.portfolio_id
    # Enough for 25 of the buys, and no share to begin with: many trades must be refused.
    await stores[0].book(owner, portfolio_id, draft_of(cash("deposit", "2500250.25")))
    wanted = [trade("sell" if n % 3 == 0 else "buy", 100, "1000.1", fee="0.01") for n in range(TRADES)]

    async def book(n: int, entry: Entry) -> Booked:
        return await stores[n % POOLS].book(owner, portfolio_id, draft_of(entry))

    ends = await asyncio.gather(*(book(n, entry) for n, entry in enumerate(wanted)), return_exceptions=True)

    booked = [end for end in ends if isinstance(end, Booked)]
    refused = [end for end in ends if isinstance(end, Shortfall)]
    assert len(booked) + len(refused) == TRADES
    kept = await stores[1].load_entries(owner, portfolio_id)
    assert {entry.entry_id for entry in kept[1:]} == {entry.entry_id for end in booked for entry in end.entries}
    assert [entry.place for entry in kept] == list(range(1, len(kept) + 1))

    buys, sells = (sum(entry.kind is kind for entry in kept) for kind in (EntryKind.BUY, EntryKind.SELL))
    assert buys >= 24
    assert refused or buys == sum(entry.kind is EntryKind.BUY for entry in wanted)
    expected = Decimal("2500250.25") - buys * Decimal("100010.01") + sells * Decimal("100009.99")

    def look(book: Book, entry: Entry) -> None:
        book.apply(entry)
        assert book.cash >= 0
        assert book.held("7203") >= 0

    book_of_all = replay(kept, (), apply=look)
    balances = await stores[2].balances(owner, portfolio_id)
    after = await stores[3].load(owner, portfolio_id)
    assert book_of_all.cash == balances[Account.CASH] == after.cash == expected
    assert book_of_all.held("7203") == 100 * (buys - sells)
    assert sum(balances.values()) == 0

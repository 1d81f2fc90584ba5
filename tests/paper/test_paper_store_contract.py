"""What every store of paper books promises: one book a portfolio, each session once, and its newest backtest."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest

from kaboom.drivers.postgres.database import Database
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import NotFound
from kaboom.paper.model import PaperBook, PaperSession
from kaboom.paper.store import open_paper_books
from kaboom.portfolio.model import Portfolio
from kaboom.portfolio.store import open_portfolios

pytestmark = pytest.mark.anyio
DAY, NEXT = date(2025, 11, 4), date(2025, 11, 5)
TERMS = {"strategy": "sma_cross", "parameters": {"fast": 3}, "symbols": ["7203"]}
FIRST = PaperSession(DAY, 1e6, 1e6, 0, {"targets": {"7203": {"weight": 0.5, "want": 100.0, "reason": 0}}}, [])
SECOND = PaperSession(NEXT, 1_000_100.25, 1_000_100.5, 1, {}, [{"symbol": "7203", "side": "buy"}])


@pytest.fixture(params=["memory", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database, in memory and in PostgreSQL."""
    if request.param == "memory":
        yield Database()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test")
    yield Database(engine)
    await engine.dispose()


@pytest.fixture
async def book(database: Database) -> PaperBook:
    """A book of a portfolio that is kept."""
    portfolio = Portfolio(uuid4().hex, uuid4().hex, "follower", "synthetic")
    await database.open(open_portfolios).add(portfolio)
    return await database.open(open_paper_books).start(
        PaperBook(portfolio.portfolio_id, portfolio.owner, TERMS, DAY, 1e6)
    )


async def test_a_book_is_seen_by_its_owner_and_begun_once(database: Database, book: PaperBook) -> None:
    store = database.open(open_paper_books)
    assert (book.terms, book.started_on, book.cash) == (TERMS, DAY, 1e6)
    assert book.created_at is not None
    assert await store.load(book.owner, book.portfolio_id) == book
    assert await store.load("others", book.portfolio_id) is None
    assert await store.load(book.owner, uuid4().hex) is None
    other = replace(book, terms=TERMS | {"strategy": "breakout"}, started_on=NEXT, cash=2.0)
    assert await store.start(other) == book


async def test_sessions_come_back_newest_first_each_saved_once(database: Database, book: PaperBook) -> None:
    store = database.open(open_paper_books)
    assert await store.list_sessions(book, limit=10) == []
    await store.save(book, FIRST)
    await store.save(book, SECOND)
    await store.save(book, replace(FIRST, equity=5.0, fills=9))
    found = await store.list_sessions(book, limit=10)
    assert [replace(each, booked_at=None) for each in found] == [SECOND, FIRST]
    assert all(each.booked_at for each in found)
    assert await store.list_sessions(book, limit=1) == found[:1]


async def test_the_equity_of_the_backtest_is_replaced_where_a_session_was_saved(
    database: Database, book: PaperBook
) -> None:
    store = database.open(open_paper_books)
    await store.save(book, FIRST)
    await store.save(book, SECOND)
    await store.compare(book, {DAY: 999_000.5, date(2025, 11, 6): 7.0})
    await store.compare(book, {})
    found = await store.list_sessions(book, limit=10)
    assert [each.backtest_equity for each in found] == [1_000_100.5, 999_000.5]
    assert [each.equity for each in found] == [1_000_100.25, 1e6]


async def test_a_session_of_a_portfolio_without_a_book_is_not_saved(database: Database, book: PaperBook) -> None:
    with pytest.raises(NotFound):
        await database.open(open_paper_books).save(replace(book, portfolio_id=uuid4().hex), FIRST)


async def test_books_are_apart(database: Database, book: PaperBook) -> None:
    store, portfolio = database.open(open_paper_books), Portfolio(uuid4().hex, book.owner, "second", "synthetic")
    await database.open(open_portfolios).add(portfolio)
    other = await store.start(PaperBook(portfolio.portfolio_id, portfolio.owner, TERMS, DAY, 2e6))
    await store.save(book, FIRST)
    await store.save(other, SECOND)
    await store.compare(other, {DAY: 1.0, NEXT: 2.0})
    assert [each.backtest_equity for each in await store.list_sessions(book, limit=9)] == [1e6]
    assert [each.backtest_equity for each in await store.list_sessions(other, limit=9)] == [2.0]

"""Open the paper books of a database; in memory they behave like those in PostgreSQL, and end with the process."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import Database
from kaboom.errors import NotFound
from kaboom.paper.model import PaperBook, PaperSession, PaperStore


def open_paper_books(database: Database) -> PaperStore:
    """Return the paper books of a database."""
    if database.engine is None:
        return MemoryPaperStore()
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.paper.postgres import PostgresPaperStore  # noqa: PLC0415

    return PostgresPaperStore(database.engine)


class MemoryPaperStore:
    """`PaperStore` in memory."""

    def __init__(self) -> None:
        self._books: dict[str, PaperBook] = {}
        self._sessions: dict[str, dict[date, PaperSession]] = {}

    async def load(self, owner: str, portfolio_id: str) -> PaperBook | None:
        book = self._books.get(portfolio_id)
        return book if book and book.owner == owner else None

    async def start(self, book: PaperBook) -> PaperBook:
        kept = self._books.setdefault(book.portfolio_id, replace(book, created_at=utc_now()))
        self._sessions.setdefault(book.portfolio_id, {})
        return kept

    async def save(self, book: PaperBook, session: PaperSession) -> None:
        if book.portfolio_id not in self._books:
            raise NotFound.of_id("portfolio", book.portfolio_id)
        self._sessions[book.portfolio_id].setdefault(session.session, replace(session, booked_at=utc_now()))

    async def compare(self, book: PaperBook, equity: Mapping[date, float]) -> None:
        held = self._sessions[book.portfolio_id]
        for day in held.keys() & equity.keys():
            held[day] = replace(held[day], backtest_equity=equity[day])

    async def list_sessions(self, book: PaperBook, *, limit: int) -> list[PaperSession]:
        held = self._sessions[book.portfolio_id]
        return [held[day] for day in sorted(held, reverse=True)[:limit]]

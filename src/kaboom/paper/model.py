"""Paper books, and the port to them: which strategy a portfolio follows, and what is known after each session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PaperBook:
    """What a portfolio follows.

    Attributes:
        portfolio_id: the portfolio that has the trades.
        owner: the team that sees it.
        terms: the strategy, its parameters and symbols, and the fill model, as JSON (`request.TERMS`).
        started_on: the first session, whose close made the first decision.
        cash: the cash of the portfolio then, in yen, with which the backtest begins, too.

    """

    portfolio_id: str
    owner: str
    terms: Mapping[str, Any]
    started_on: date
    cash: float
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaperSession:
    """What is known after a session.

    Attributes:
        equity: of the portfolio at the close, in yen.
        backtest_equity: of the backtest at the same close by the newest bars, in yen.
        fills: how many buys and sells were booked.
        waiting: what the strategy left for the next session, as JSON (`orders.Waiting`).
        orders: the orders that follow from it for the portfolio, as JSON (`NextOrder`).
        booked_at: when it was booked, aware UTC.

    """

    session: date
    equity: float
    backtest_equity: float
    fills: int
    waiting: Mapping[str, Any]
    orders: Sequence[Mapping[str, Any]]
    booked_at: datetime | None = None


class PaperStore(Protocol):
    """The paper books. Each method is one transaction; all raise StoreError when the ledger is unavailable."""

    async def load(self, owner: str, portfolio_id: str) -> PaperBook | None:
        """Return the book of a portfolio of an owner; None if it follows nothing."""
        ...

    async def start(self, book: PaperBook) -> PaperBook:
        """Save a new book, or return the one that the portfolio has."""
        ...

    async def save(self, book: PaperBook, session: PaperSession) -> None:
        """Save a session; one that was saved stays as it is.

        Raises:
            NotFound: the portfolio has no book any more.

        """
        ...

    async def compare(self, book: PaperBook, equity: Mapping[date, float]) -> None:
        """Replace the equity of the backtest at sessions that were saved."""
        ...

    async def list_sessions(self, book: PaperBook, *, limit: int) -> list[PaperSession]:
        """Return the newest sessions, newest first."""
        ...

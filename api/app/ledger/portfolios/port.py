"""The port to portfolios."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from app.ledger.portfolios.model import Booked, Draft, Once, Portfolio
from batch.portfolio.entry import Entry
from batch.portfolio.postings import Account

#: Of each owner.
MAX_PORTFOLIOS = 100
#: Of each portfolio. All of them are read for each new one.
MAX_ENTRIES = 20_000


class PortfolioStore(Protocol):
    """The portfolios. Each method is one transaction; all raise StoreError where it cannot be reached."""

    async def add(self, portfolio: Portfolio) -> Portfolio:
        """Keep a new portfolio, without entries.

        Raises:
            Conflict: the owner has one of this name, or MAX_PORTFOLIOS.

        """
        ...

    async def list_portfolios(self, owner: str) -> list[Portfolio]:
        """Return the portfolios of an owner, by name."""
        ...

    async def load(self, owner: str, portfolio_id: str) -> Portfolio:
        """Return a portfolio of an owner.

        Raises:
            NotFound: the owner has no such portfolio.

        """
        ...

    async def rename(self, owner: str, portfolio_id: str, name: str) -> Portfolio:
        """Give a portfolio of an owner another name, and return it.

        Raises:
            NotFound: the owner has no such portfolio.
            Conflict: the owner has another one of this name.

        """
        ...

    async def delete(self, owner: str, portfolio_id: str) -> None:
        """Take a portfolio of an owner away: no method finds it from now on, and its name is free.

        Raises:
            NotFound: the owner has no such portfolio.

        """
        ...

    async def book(self, owner: str, portfolio_id: str, draft: Draft, *, once: Once | None = None) -> Booked:
        """Book what `draft` returns, all or nothing; requests on one portfolio are booked one after the other.

        `draft` sees every entry that was booked before, and runs in a thread; without a key it may return none. A key
        that was used within KEY_KEPT_H for the same request returns what was booked then.

        Raises:
            NotFound: the owner has no such portfolio.
            Conflict: it has MAX_ENTRIES.
            KeyReused: the key came with another request.
            KaboomError: what `draft` raises; nothing is booked.

        """
        ...

    async def load_entries(self, owner: str, portfolio_id: str) -> list[Entry]:
        """Return all entries of a portfolio of an owner, in the order in which they were booked."""
        ...

    async def balances(self, owner: str, portfolio_id: str) -> Mapping[Account, Decimal]:
        """Return the balance of every account of a portfolio of an owner, added up from its postings."""
        ...


def no_portfolio(portfolio_id: str) -> str:
    """Return the message of a portfolio that an owner does not have."""
    return f"portfolio {portfolio_id!r} does not exist: an id is 32 hex digits"


def name_taken(name: str) -> str:
    """Return the message of a name that another portfolio of the owner has."""
    return f"a portfolio named {name!r} is there already, expected another name"


def too_many_portfolios() -> str:
    """Return the message of an owner who has MAX_PORTFOLIOS."""
    return f"there are {MAX_PORTFOLIOS} portfolios already, which is the limit"


def too_many_entries() -> str:
    """Return the message of a portfolio that would have more than MAX_ENTRIES."""
    return f"the portfolio would have more than {MAX_ENTRIES} entries, which is the limit: begin another one"


def key_reused() -> str:
    """Return the message of an Idempotency-Key that came with another request."""
    return "the Idempotency-Key came with another request before: a new request needs a new key"

"""The portfolios of the ledger, and the port to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kaboom.market.bounds import LOT
from kaboom.portfolio.entry import Entry
from kaboom.portfolio.money import ZERO
from kaboom.portfolio.postings import Account


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A portfolio in yen.

    Attributes:
        portfolio_id: 32 hex digits.
        owner: the team that sees it.
        name: unique among the portfolios of the owner.
        provider: the provider of the bars and corporate actions that value it.
        lot: the number of shares in a lot; buys are multiples of it.
        created_by: the subject of the caller who created it.
        entries: the number of its entries, which is also the place of the last entry.
        cash: the balance of its account `cash`, in yen.

    """

    portfolio_id: str
    owner: str
    name: str
    provider: str
    lot: int = LOT
    created_by: str = ""
    created_at: datetime | None = None
    entries: int = 0
    cash: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Once:
    """An Idempotency-Key, and the digest of the request that came with it."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Booked:
    """The entries that a request has booked, now or the first time that its key was used."""

    entries: tuple[Entry, ...]
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class BookingTerms:
    """How entries are booked.

    Attributes:
        is_forced: doubtful trades, too.
        is_history: they are trades of a broker: those that were booked before are left out, and lots are not checked.
        with_deposits: also a deposit of what a buy lacks, on its day.

    """

    is_forced: bool = False
    is_history: bool = False
    with_deposits: bool = False


PLAIN = BookingTerms()

#: Returns new entries, without places, for a portfolio and all its entries; raises if they must not be booked.
type Draft = Callable[[Portfolio, Sequence[Entry]], Sequence[Entry]]


#: Per owner.
MAX_PORTFOLIOS = 100
#: Per portfolio. Each new entry reads all existing entries.
MAX_ENTRIES = 20_000


class PortfolioStore(Protocol):
    """The portfolios. Each method is one transaction; all raise StoreError when the ledger is unavailable.

    `load` and the methods that change a portfolio raise NotFound if the owner has no such portfolio.
    """

    async def add(self, portfolio: Portfolio) -> Portfolio:
        """Save a new portfolio without entries.

        Raises:
            Conflict: the owner has a portfolio of this name, or has MAX_PORTFOLIOS portfolios.

        """
        ...

    async def list_portfolios(self, owner: str) -> list[Portfolio]:
        """Return the portfolios of an owner, by name."""
        ...

    async def load(self, owner: str, portfolio_id: str) -> Portfolio:
        """Return a portfolio of an owner."""
        ...

    async def rename(self, owner: str, portfolio_id: str, name: str) -> Portfolio:
        """Give a portfolio of an owner another name, and return it.

        Raises:
            Conflict: the owner has another portfolio of this name.

        """
        ...

    async def delete(self, owner: str, portfolio_id: str) -> None:
        """Delete a portfolio of an owner: no method finds it any more, and its name is free again."""
        ...

    async def book(self, owner: str, portfolio_id: str, draft: Draft, *, once: Once | None = None) -> Booked:
        """Book the entries that `draft` returns, all or none; requests on one portfolio run one after the other.

        `draft` gets every entry that was booked before, and runs in a thread; without a key it may return no entries. A
        key that was used for the same request within KEY_KEPT_H returns the entries that were booked then.

        Raises:
            Conflict: the portfolio would have more than MAX_ENTRIES.
            KeyReused: the key was used with another request.
            KaboomError: `draft` raised it; nothing is booked.

        """
        ...

    async def load_entries(self, owner: str, portfolio_id: str) -> list[Entry]:
        """Return all entries of a portfolio of an owner, in the order in which they were booked."""
        ...

    async def balances(self, owner: str, portfolio_id: str) -> Mapping[Account, Decimal]:
        """Return the balance of every account of a portfolio of an owner, added up from its postings."""
        ...


def too_many_entries() -> str:
    """Return the message for a portfolio that would have more than MAX_ENTRIES."""
    return f"the portfolio would have more than {MAX_ENTRIES} entries, which is the limit: begin another one"

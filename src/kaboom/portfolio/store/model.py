"""The data of portfolios in the ledger, besides their entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kaboom.market.bounds import LOT
from kaboom.portfolio.entry import Entry
from kaboom.portfolio.money import ZERO


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


#: Returns new entries, without places, for a portfolio and all its entries; raises if they must not be booked.
type Draft = Callable[[Portfolio, Sequence[Entry]], Sequence[Entry]]

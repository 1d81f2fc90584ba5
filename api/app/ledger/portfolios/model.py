"""What the ledger keeps of portfolios beside their entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batch.portfolio.book import DEFAULT_LOT
from batch.portfolio.entry import Entry
from batch.portfolio.money import ZERO


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A portfolio in yen.

    Attributes:
        portfolio_id: 32 hex digits.
        owner: the team that sees it.
        name: unique among those of the owner.
        provider: whose bars and corporate actions value it.
        lot: what buys are a multiple of, in shares.
        created_by: the subject of the caller who made it.
        entries: how many entries it has; the place of the last one.
        cash: yen, the balance of its account `cash`.

    """

    portfolio_id: str
    owner: str
    name: str
    provider: str
    lot: int = DEFAULT_LOT
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
    """The entries that a request has booked, now or when its key came first."""

    entries: tuple[Entry, ...]
    is_replayed: bool = False


#: From the portfolio and all its entries to the new ones, without places; raises where they may not be booked.
type Draft = Callable[[Portfolio, Sequence[Entry]], Sequence[Entry]]

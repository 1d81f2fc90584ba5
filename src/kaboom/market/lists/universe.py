"""Universes: the symbols of a market as of one session."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from kaboom.errors import InvalidRequest, NotFound
from kaboom.market.calendar import JST
from kaboom.market.indices import INDICES
from kaboom.market.listing import Listing, Market, parse_market
from kaboom.market.lists.snapshot import Snapshot, load_delisted, load_snapshots

__all__ = ["Listing", "Market", "Universe", "load_universe", "parse_market"]


@dataclass(frozen=True)
class Universe:
    """The issues of a market, from a dated snapshot.

    Attributes:
        market: the section.
        as_of: date of the snapshot.
        source: who published it.
        listings: sorted by symbol.
        delisted: symbols of the snapshot that were delisted by the requested session.

    """

    market: Market
    as_of: date
    source: str
    listings: tuple[Listing, ...]
    delisted: frozenset[str] = frozenset()

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbols listed on the session, sorted: those of the snapshot that no later list has delisted."""
        return tuple(listing.symbol for listing in self.listings if listing.symbol not in self.delisted)

    @cached_property
    def topix500(self) -> frozenset[str]:
        """The symbols of TOPIX 500, which trade in finer ticks."""
        return frozenset(listing.symbol for listing in self.listings if listing.is_topix500)

    @cached_property
    def topix100(self) -> frozenset[str]:
        """The symbols of TOPIX 100, which have traded in finer ticks since 2014."""
        return frozenset(listing.symbol for listing in self.listings if listing.is_topix100)

    def age(self, session: date) -> int:
        """Return the days between the snapshot and a session, in either direction.

        Issues listed in between are missing. Those delisted in between are left out from the date of a list of them on,
        and included before (survivorship bias).
        """
        return abs((session - self.as_of).days)


def load_universe(
    market: Market, session: date, *, imported_dir: Path | None = None, known_at: datetime | None = None
) -> Universe:
    """Return the universe of a market for a session; that of INDEX is the same on every day.

    It is from the newest snapshot up to the session, else from the oldest one; of two with one date, the imported one
    counts. With `known_at` only the lists count that were known at that moment.

    Raises:
        NotFound: the market is FILE, whose symbols only its provider knows.
        InvalidRequest: an imported snapshot cannot be read, or none was known then.

    """
    if not market.is_tse:
        raise NotFound("market was FILE, whose symbols come from the files; listings exist for TSE markets only")
    if market is Market.INDEX:
        return Universe(market, session, "Kaboom's list of indices", INDICES)
    snapshots = list(load_snapshots(imported_dir, known_at=known_at))
    if not snapshots and known_at:
        raise InvalidRequest(f"as_of was {known_at.isoformat()}, when no list of symbols was known", pointer="/as_of")
    snapshot = _choose(snapshots, session)
    listings = tuple(sorted((s for s in snapshot.listings if s.market is market), key=lambda s: s.symbol))
    last = min(session, known_at.astimezone(JST).date()) if known_at else session
    gone = {symbol for known in load_delisted() if snapshot.as_of < known.as_of <= last for symbol in known.symbols}
    here = frozenset(listing.symbol for listing in listings)
    return Universe(market, snapshot.as_of, snapshot.source, listings, here & gone)


def _choose(snapshots: list[Snapshot], session: date) -> Snapshot:
    # The sort is stable, so of two with one date the imported one stays last.
    by_date = sorted(snapshots, key=lambda s: s.as_of)
    past = [s for s in by_date if s.as_of <= session]
    return past[-1] if past else [s for s in by_date if s.as_of == by_date[0].as_of][-1]

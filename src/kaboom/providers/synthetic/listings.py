"""The facts of the real listings that the synthetic provider needs: size classes, and delisted symbols."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from kaboom.market.lists.universe import Market, Universe

#: Gives the universe of a TSE section as of a session.
UniverseLookup = Callable[[Market, date], Universe]

_CACHED_SESSIONS = 1024


@dataclass(frozen=True, slots=True)
class Directory:
    """The issues of all TSE sections as of a session: TOPIX size class by symbol, and the delisted ones."""

    scales: Mapping[str, str]
    delisted: frozenset[str]


class ListingBook:
    """Looks listings up by session; sessions of one snapshot share one directory."""

    def __init__(self, lookup: UniverseLookup) -> None:
        self._lookup = lookup
        self._directories: dict[tuple[object, ...], Directory] = {}
        self.directory = lru_cache(maxsize=_CACHED_SESSIONS)(self._load)

    def _load(self, session: date) -> Directory:
        universes = [self._lookup(market, session) for market in Market if market.is_section]
        key = tuple((u.as_of, u.source, len(u.listings), u.delisted) for u in universes)
        if key not in self._directories:
            scales = {listing.symbol: listing.scale for u in universes for listing in u.listings}
            self._directories[key] = Directory(scales, frozenset().union(*(u.delisted for u in universes)))
        return self._directories[key]

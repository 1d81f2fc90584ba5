"""Answer queries on listings and sessions; imported for the first query, since it needs polars."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from kaboom.bars.history import check_moment
from kaboom.drivers.clock import Clock
from kaboom.market.calendar import JST
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.own_names import load_own
from kaboom.market.lists.universe import Universe, load_universe
from kaboom.market.reference import list_listings, list_sessions, search_listings
from kaboom.market_data.queries import CalendarQuery, SymbolsQuery, UniverseQuery, days_between
from kaboom.market_data.table import Table, known_at_field

_MOST_CALENDAR_DAYS = 3_660


@dataclass(frozen=True, slots=True)
class ReferenceTables:
    """Listings, from the shipped snapshots and those imported to a folder, and the calendar."""

    symbols_dir: Path
    clock: Clock

    def symbols(self, query: SymbolsQuery, place: list[Any] | None) -> Table:
        """Return listed issues of all TSE sections, or of one market, sorted by symbol, which is their place.

        A search with `q` also finds indices, and symbols that only the user's files name.

        Raises:
            NotFound: the market is FILE, which has no list of symbols.
            InvalidRequest: an imported list cannot be read, or `as_of` is in the future or before the first list.

        """
        session = query.session or self._today()
        markets = (
            [query.market]
            if query.market
            else [each for each in Market if each.is_section or (each.is_tse and query.q)]
        )
        universes = [self._load(market, session, query.as_of) for market in markets]
        if query.q and not query.market and not query.as_of:
            universes.append(load_own(self.symbols_dir, session, universes))
        rows = search_listings(self._list(universes, query.as_of), query.q)
        if place:
            rows = rows.filter(pl.col("symbol") > place[0])
        page = rows.head(query.limit)
        next_place = [page["symbol"][-1]] if rows.height > query.limit else None
        about = _dated(universes[0], session) | known_at_field(query.as_of)
        return Table(page, about, ("as_of",), f"symbols-{session}", next_place)

    def universe(self, query: UniverseQuery) -> Table:
        """Return the symbols of a market as of a session; those delisted since the list have `is_listed` false.

        Raises:
            NotFound: the market is FILE, which has no list of symbols.
            InvalidRequest: an imported list cannot be read, or `as_of` is in the future or before the first list.

        """
        session = query.session or self._today()
        universe = self._load(query.market, session, query.as_of)
        about = {"market": universe.market.value, **_dated(universe, session), "age_days": universe.age(session)}
        about |= known_at_field(query.as_of)
        rows = self._list([universe], query.as_of)
        return Table(rows, about, ("as_of",), f"universe-{universe.market}-{session}")

    def calendar(self, query: CalendarQuery) -> Table:
        """Return sessions and their hours, oldest first.

        Raises:
            InvalidRequest: the days are not in order, or too far apart.

        """
        first = query.first or self._today()
        first, last = days_between(first, query.last or first + timedelta(days=31), most=_MOST_CALENDAR_DAYS)
        about = {"first": first.isoformat(), "last": last.isoformat(), "time_zone": "Asia/Tokyo"}
        return Table(list_sessions(first, last), about, (), f"calendar-{first}-{last}")

    def _load(self, market: Market, session: date, as_of: datetime | None) -> Universe:
        if as_of:
            check_moment(as_of, self.clock())
        return load_universe(market, session, imported_dir=self.symbols_dir, known_at=as_of)

    def _list(self, universes: Iterable[Universe], as_of: datetime | None) -> pl.DataFrame:
        return list_listings(universes, load_history(self.symbols_dir, known_at=as_of))

    def _today(self) -> date:
        return self.clock().astimezone(JST).date()


def _dated(universe: Universe, session: date) -> dict[str, Any]:
    return {"session": session.isoformat(), "as_of": universe.as_of.isoformat(), "source": universe.source}

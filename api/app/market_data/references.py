"""From questions to tables of what bars are measured by: listings and sessions; imported on the first question."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from app.market_data.queries import CalendarQuery, SymbolsQuery, UniverseQuery, days_between
from app.market_data.table import Table, tell_known_at
from batch.bars.history import check_moment
from batch.kit.clock import Clock
from batch.market.calendar import JST, closes_at, minute_grid, opens_at, session_hours, sessions_between
from batch.market.history import ListingHistory, load_history
from batch.market.listing import Listing, Market
from batch.market.sectors import sector_of
from batch.market.universe import Universe, load_universe

_MOST_CALENDAR_DAYS = 3_660
_TIME = pl.Datetime("us", "UTC")
_LISTING = pl.Schema(
    {
        "symbol": pl.String(),
        "name": pl.String(),
        "market": pl.String(),
        "sector33": pl.String(),
        "sector33_code": pl.String(),
        "sector33_en": pl.String(),
        "scale": pl.String(),
        "is_topix500": pl.Boolean(),
        "is_listed": pl.Boolean(),
        "first_seen": pl.Date(),
        "left_by": pl.Date(),
        "moved_to": pl.String(),
        "renamed_to": pl.String(),
    }
)
_SESSION = pl.Schema(
    {
        "session": pl.Date(),
        "opens_at": _TIME,
        "am_closes_at": _TIME,
        "pm_opens_at": _TIME,
        "closes_at": _TIME,
        "minutes": pl.Int64(),
    }
)


@dataclass(frozen=True, slots=True)
class ReferenceTables:
    """Listings, from the snapshots shipped and those imported to a folder, and the calendar."""

    symbols_dir: Path
    clock: Clock

    def symbols(self, query: SymbolsQuery, place: list[Any] | None) -> Table:
        """Return listed issues of all TSE markets, or of one, sorted by symbol, which is their place.

        Raises:
            NotFound: the market is FILE, whose symbols only the files know.
            InvalidRequest: an imported list cannot be read, or `as_of` cannot be.

        """
        session = query.session or self._today()
        markets = [query.market] if query.market else [market for market in Market if market.is_tse]
        universes = [self._load(market, session, query.as_of) for market in markets]
        rows = self._to_frame(universes, query.as_of)
        for word in query.q.lower().split():
            within = pl.concat_str("symbol", "name", separator=" ").str.to_lowercase()
            rows = rows.filter(within.str.contains(word, literal=True))
        if place:
            rows = rows.filter(pl.col("symbol") > place[0])
        page = rows.head(query.limit)
        next_place = [page["symbol"][-1]] if rows.height > query.limit else None
        about = _dated(universes[0], session) | tell_known_at(query.as_of)
        return Table(page, about, ("as_of",), f"symbols-{session}", next_place)

    def universe(self, query: UniverseQuery) -> Table:
        """Return the symbols of a market as of a session, with those since delisted (`is_listed` false).

        Raises:
            NotFound: the market is FILE, whose symbols only the files know.
            InvalidRequest: an imported list cannot be read, or `as_of` cannot be.

        """
        session = query.session or self._today()
        universe = self._load(query.market, session, query.as_of)
        about = {"market": universe.market.value, **_dated(universe, session), "age_days": universe.age(session)}
        about |= tell_known_at(query.as_of)
        return Table(
            self._to_frame([universe], query.as_of), about, ("as_of",), f"universe-{universe.market}-{session}"
        )

    def calendar(self, query: CalendarQuery) -> Table:
        """Return sessions and their hours, oldest first.

        Raises:
            InvalidRequest: the days are not in order, or too far apart.

        """
        first = query.first or self._today()
        first, last = days_between(first, query.last or first + timedelta(days=31), most=_MOST_CALENDAR_DAYS)
        rows = [_session_row(day) for day in sessions_between(first, last)]
        about = {"first": first.isoformat(), "last": last.isoformat(), "time_zone": "Asia/Tokyo"}
        return Table(pl.DataFrame(rows, schema=_SESSION, orient="row"), about, (), f"calendar-{first}-{last}")

    def _load(self, market: Market, session: date, as_of: datetime | None) -> Universe:
        if as_of:
            check_moment(as_of, self.clock())
        return load_universe(market, session, imported_dir=self.symbols_dir, known_at=as_of)

    def _to_frame(self, universes: Iterable[Universe], as_of: datetime | None) -> pl.DataFrame:
        history = load_history(self.symbols_dir, known_at=as_of)
        rows = [
            (
                *_told(listing),
                listing.symbol not in universe.delisted,
                *_validity(history, listing.symbol, universe.as_of),
            )
            for universe in universes
            for listing in universe.listings
        ]
        return pl.DataFrame(rows, schema=_LISTING, orient="row").sort("symbol")

    def _today(self) -> date:
        return self.clock().astimezone(JST).date()


def _told(listing: Listing) -> tuple[Any, ...]:
    sector = sector_of(listing.sector33)
    return (
        listing.symbol,
        listing.name,
        listing.market.value,
        listing.sector33,
        sector.code,
        sector.en,
        listing.scale,
        listing.is_topix500,
    )


def _validity(history: ListingHistory, symbol: str, as_of: date) -> tuple[Any, ...]:
    spans = (span for span in history.validities(symbol) if span.first_seen <= as_of <= span.last_seen)
    # None where the list was imported just now, after the universe was read.
    span = next(spans, None)
    return (span.first_seen, span.left_by, span.moved_to, span.renamed_to) if span else (as_of, None, None, None)


def _dated(universe: Universe, session: date) -> dict[str, Any]:
    return {"session": session.isoformat(), "as_of": universe.as_of.isoformat(), "source": universe.source}


def _session_row(day: date) -> tuple[Any, ...]:
    hours = session_hours(day)
    breaks = (datetime.combine(day, at, JST).astimezone(UTC) for at in (hours.am_close, hours.pm_open))
    return (day, opens_at(day), *breaks, closes_at(day), len(minute_grid(day)))

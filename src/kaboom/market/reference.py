"""Listings and sessions as polars frames."""

import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from kaboom.market.calendar import JST, closes_at, minute_grid, opens_at, session_hours, sessions_between
from kaboom.market.indices import sector_of
from kaboom.market.listing import Listing
from kaboom.market.lists.history import ListingHistory
from kaboom.market.lists.universe import Universe

_TIME = pl.Datetime("us", "UTC")
_LISTING = pl.Schema(
    {
        "symbol": pl.String(),
        "name": pl.String(),
        "name_en": pl.String(),
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


def list_listings(universes: Iterable[Universe], history: ListingHistory) -> pl.DataFrame:
    """Return the listings of universes with their validities, one row each, sorted by symbol."""
    rows = [
        (
            *_listing_row(listing),
            listing.symbol not in universe.delisted,
            *_validity(history, listing.symbol, universe.as_of),
        )
        for universe in universes
        for listing in universe.listings
    ]
    return pl.DataFrame(rows, schema=_LISTING, orient="row").sort("symbol")


def search_listings(listings: pl.DataFrame, text: str) -> pl.DataFrame:
    """Return the listings that hold each word of a text in their symbol, names or sector, in any width and case."""
    fields = ("symbol", "name", "name_en", "sector33", "sector33_en")
    within = pl.concat_str(*fields, separator=" ", ignore_nulls=True).str.normalize("NFKC").str.to_lowercase()
    for word in unicodedata.normalize("NFKC", text).lower().split():
        listings = listings.filter(within.str.contains(word, literal=True))
    return listings


def list_sessions(first: date, last: date) -> pl.DataFrame:
    """Return the sessions of the TSE from `first` to `last` inclusive, oldest first, with their hours in UTC."""
    rows = [_session_row(day) for day in sessions_between(first, last)]
    return pl.DataFrame(rows, schema=_SESSION, orient="row")


def _listing_row(listing: Listing) -> tuple[Any, ...]:
    sector = sector_of(listing.sector33)
    return (
        listing.symbol,
        listing.name,
        listing.name_en,
        listing.market.value,
        listing.sector33,
        sector.code,
        sector.en,
        listing.scale,
        listing.is_topix500,
    )


def _validity(history: ListingHistory, symbol: str, as_of: date) -> tuple[Any, ...]:
    spans = (span for span in history.validities(symbol) if span.first_seen <= as_of <= span.last_seen)
    # None if the list was imported after the universe was read.
    span = next(spans, None)
    return (span.first_seen, span.left_by, span.moved_to, span.renamed_to) if span else (as_of, None, None, None)


def _session_row(day: date) -> tuple[Any, ...]:
    hours = session_hours(day)
    breaks = (datetime.combine(day, at, JST).astimezone(UTC) for at in (hours.am_close, hours.pm_open))
    return (day, opens_at(day), *breaks, closes_at(day), len(minute_grid(day)))

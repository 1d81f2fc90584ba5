"""The three layers put together: bars of any symbols, interval and sessions, as of a moment."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import batched

import numpy as np
import polars as pl

from kaboom.market.action import CorporateAction
from kaboom.market.bar import RAW_BAR_SCHEMA, VALUES
from kaboom.market.bounds import LOT
from kaboom.market.calendar import auction_stamps, is_session, opens_at
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, Universe
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.market.roll_up import roll_up
from kaboom.market.rules import Bools
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.synthetic.daily import YearBlock, YearKey, build_year
from kaboom.providers.synthetic.minutes import BarColumns, build_frame, build_minutes, join_columns

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


#: 100 symbols x 327 minutes x 8 bytes is 256 kB: the arrays of a block stay in the processor's cache.
SYMBOLS_PER_BLOCK = 100
_AUCTION_S = 60
_US = 1_000_000
_EPOCH_DAY = 719163  # date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class SessionSlice:
    """One session of one block: its year, which rows are listed, and the interval that is wanted."""

    year: YearBlock
    listed: Bools
    session: date
    interval: Interval


@dataclass(frozen=True, slots=True)
class Generator:
    """Computes bars; its only state is the cache of computed bars."""

    seed: int
    listings: ListingBook

    def generate(self, request: BarRequest, now: datetime) -> FetchedBars:
        """Return the bars of a request closed at `now` (aware), by block, session, symbol and time."""
        symbols = dict.fromkeys(request.symbols)
        blocks = [self._block(codes, request, now) for codes in batched(symbols, SYMBOLS_PER_BLOCK)]
        return FetchedBars(
            pl.concat([block.bars for block in blocks]) if blocks else pl.DataFrame(schema=RAW_BAR_SCHEMA),
            {symbol: outcome for block in blocks for symbol, outcome in block.outcomes.items()},
            tuple(action for block in blocks for action in block.actions),
        )

    def _block(self, codes: tuple[str, ...], request: BarRequest, now: datetime) -> FetchedBars:
        listed, traded = np.zeros(len(codes), np.bool_), np.zeros(len(codes), np.bool_)
        # On closed days nothing trades, so missing bars do not mean that a symbol is not listed.
        listed |= not any(is_session(day) for day in request.sessions)
        parts: list[BarColumns] = []
        splits: list[CorporateAction] = []
        for piece in self.slices(codes, request.sessions, request.interval):
            listed |= piece.listed
            bars = only_closed(make_bars(piece), piece, now)
            traded[bars.row] = True
            parts.append(bars)
            splits += _splits(codes, piece) if opens_at(piece.session) <= now else ()
        return FetchedBars(build_frame(codes, join_columns(parts)), _outcomes(codes, listed, traded), splits)

    def slices(self, codes: tuple[str, ...], sessions: Sequence[date], interval: Interval) -> Iterator[SessionSlice]:
        """Yield the sessions of a block on which the exchange is open."""
        for session in dict.fromkeys(sessions):
            if is_session(session):
                yield self.slice(codes, session, interval)

    def slice(self, codes: tuple[str, ...], session: date, interval: Interval) -> SessionSlice:
        """Return one session of a block."""
        directory = self.listings.directory(session)
        scales = tuple(directory.scales.get(code, "") for code in codes)
        year = build_year(YearKey(self.seed, codes, scales, session.year))
        there = np.array([code in directory.scales and code not in directory.delisted for code in codes], np.bool_)
        return SessionSlice(year, there & (year.traits.listed_on <= session.toordinal()), session, interval)


def make_bars(piece: SessionSlice) -> BarColumns:
    """Return all bars of a session."""
    if piece.interval is Interval.D1:
        number = piece.year.sessions.index(piece.session)
        bars = take_day(piece.year, number)
    else:
        bars = aggregate_minutes(build_minutes(piece.year, piece.session), piece.interval)
    return bars if piece.listed.all() else bars.take(piece.listed[bars.row])


def _splits(codes: Sequence[str], piece: SessionSlice) -> Iterator[CorporateAction]:
    splits, number = piece.year.splits, piece.year.sessions.index(piece.session)
    today = (splits.index == number) & (splits.ratio > 1) & piece.listed
    for i in np.flatnonzero(today).tolist():
        yield CorporateAction(codes[i], piece.session, 1 / float(splits.ratio[i]))


def only_closed(bars: BarColumns, piece: SessionSlice, now: datetime) -> BarColumns:
    """Return those bars of a session that are closed at `now` (aware)."""
    # The last bars of a session are closed when it is, though 15:00 to 16:00 is still running.
    over = auction_stamps(piece.session)[1] + _AUCTION_S
    moment = now.timestamp()
    if over <= moment:
        return bars
    if piece.interval is Interval.D1:
        return bars.take(np.zeros(len(bars.row), dtype=np.bool_))
    return bars.take(bars.stamp + piece.interval.seconds <= moment)


def _outcomes(codes: Sequence[str], listed: Bools, traded: Bools) -> dict[str, SymbolOutcome]:
    return {
        codes[i]: SymbolOutcome(codes[i], Outcome.NO_TRADES)
        if listed[i]
        else SymbolOutcome(codes[i], Outcome.NOT_LISTED, message="not listed in any of the sessions")
        for i in np.flatnonzero(~traded).tolist()
    }


def aggregate_minutes(minutes: BarColumns, interval: Interval) -> BarColumns:
    """Return longer intraday bars, aligned to the clock; `minutes` must be sorted by symbol, then time."""
    if interval is Interval.M1:
        return minutes
    opened_at = pl.Series(minutes.stamp * _US).cast(pl.Datetime("us"))
    values = {name: getattr(minutes, name) for name in VALUES}
    longer = roll_up(pl.DataFrame({"symbol": minutes.row, "opened_at": opened_at, **values}), interval.value)
    stamps = longer["opened_at"].to_physical().to_numpy() // _US
    return BarColumns(longer["symbol"].to_numpy(), stamps, *(longer[name].to_numpy() for name in VALUES))


def take_day(block: YearBlock, number: int) -> BarColumns:
    """Return the 1d bars of a session, by its number in the year; by symbol."""
    row = np.flatnonzero(block.lots[:, number])
    stamp = np.full(row.size, (block.sessions[number].toordinal() - _EPOCH_DAY) * 86400, dtype=np.int64)
    opened, high, low, close = (p[row, number] / 10 for p in (block.open, block.high, block.low, block.close))
    return BarColumns(row, stamp, opened, high, low, close, block.lots[row, number].astype(np.float64) * LOT)

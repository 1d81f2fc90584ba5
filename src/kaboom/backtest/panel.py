"""A panel: the bars of some symbols as matrices, with their corporate actions and listings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.backtest.engine.arrays import (
    CLOSE,
    FOREIGN,
    HIGH,
    LAST,
    LOW,
    MID400,
    OPEN,
    OTHER,
    TOPIX100,
    VOLUME,
    ExSessions,
    Floats,
    Ints,
    Issues,
    carry_forward,
)
from kaboom.backtest.engine.fills import LIMIT_TOLERANCE
from kaboom.backtest.memory_check import check_room
from kaboom.errors import InvalidRequest
from kaboom.market.adjust import DIVIDEND_SCHEMA, FACTOR_SCHEMA
from kaboom.market.bar import VALUES
from kaboom.market.calendar import closes_at, settles_on
from kaboom.market.disclosure import decision_moment
from kaboom.market.interval import Interval
from kaboom.market.rules import limit_bounds, tick_periods
from kaboom.market.symbol import is_tse_code

_DAY_S = 86_400
_JST_S = 9 * 3600
_EPOCH = date(1970, 1, 1).toordinal()

#: The place of a column in `Panel.prices`.
PLACES = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME, "last": LAST}


@dataclass(frozen=True, slots=True)
class Delisting:
    """The end of an issue: its last session, and the payment for a share, in yen; None for its last close."""

    last: date
    payout: float | None = None


@dataclass(frozen=True, slots=True)
class Listings:
    """The facts of the issues of a panel besides their bars.

    Attributes:
        splits: in `FACTOR_SCHEMA`; a factor of 0.5 gives two shares for one.
        dividends: in `DIVIDEND_SCHEMA`.
        delisted: symbol → its end.
        topix500: the issues with finer ticks since 2023, and `topix100` those of them that have had some since 2014.

    """

    splits: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FACTOR_SCHEMA))
    dividends: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DIVIDEND_SCHEMA))
    delisted: Mapping[str, Delisting] = field(default_factory=dict)
    topix500: Collection[str] = ()
    topix100: Collection[str] = ()


@dataclass(frozen=True)
class Panel:
    """Bars as traded, with a column for each symbol; symbols are sorted.

    Attributes:
        symbols: the columns.
        interval: of the bars.
        opened_at: `[bars]`, the start of each bar as UTC epoch seconds, ascending.
        days: `[bars]`, the number of the session's day.
        prices: `[place, bars, symbols]`, with the places of `arrays`; NaN if a symbol has no bar.
        scale: `[bars, symbols]`, the product of the splits so far: prices times it are comparable over time, and later
            splits do not change it.
        issues: the facts of the symbols.
        ex_sessions: splits and dividends.
        stated: the columns of statements that the strategy named, each `[bars, symbols]`.

    """

    symbols: tuple[str, ...]
    interval: Interval
    opened_at: Ints
    days: Ints
    prices: Floats
    scale: Floats
    issues: Issues
    ex_sessions: ExSessions
    stated: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, bars: pl.DataFrame, interval: Interval, listings: Listings | None = None) -> "Panel":
        """Return the panel of bars in `BAR_SCHEMA`, in any order.

        Raises:
            InvalidRequest: there are no bars, two of one symbol and time, prices of 0 or less, or too many for memory.

        """
        if bars.is_empty():
            raise InvalidRequest("there are no bars to test on")
        stamps = bars["opened_at"].dt.epoch("s").to_numpy()
        opened_at = np.unique(stamps).astype(np.int64)
        symbols = tuple(sorted(bars["symbol"].unique().to_list()))
        columns = bars["symbol"].cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int64)
        cells = np.searchsorted(opened_at, stamps) * len(symbols) + columns
        n = opened_at.size * len(symbols)
        check_room(n)
        if np.bincount(cells, minlength=n).max() > 1:
            raise InvalidRequest("a symbol has two bars of one time, expected one")
        prices = np.full((len(PLACES), n), np.nan)
        for name in VALUES:
            prices[PLACES[name], cells] = bars[name].cast(pl.Float64()).to_numpy()
        if not np.nanmin(prices[:VOLUME]) > 0:
            raise InvalidRequest("a bar has a price of 0 or less, or none")
        panels = prices.reshape(len(PLACES), opened_at.size, len(symbols))
        return _assemble(symbols, interval, opened_at, panels, listings or Listings())

    @cached_property
    def settlement_years(self) -> Ints:
        """The year in which the trades of each bar are settled, `[bars]`, by the calendar of the TSE."""
        days, places = np.unique(self.days, return_inverse=True)
        years = [settles_on(date.fromordinal(int(day) + _EPOCH)).year for day in days]
        return np.asarray(years, dtype=np.int64)[places]

    @cached_property
    def tick_periods(self) -> Ints:
        """The place of each bar's period in the table of ticks, `[bars]`."""
        return tick_periods(self.days)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of bars and of symbols."""
        return self.prices.shape[1], self.prices.shape[2]

    @cached_property
    def session_ends(self) -> Ints:
        """The number of the last bar of each session."""
        return np.flatnonzero(np.append(np.diff(self.days) != 0, True))

    @cached_property
    def limits(self) -> Floats:
        """The lowest and the highest legal price, `[2, bars, symbols]`, by the last close of the session before.

        NaN in the first session, and before a symbol's first trade. Splits change the base price, dividends do not.
        A price beyond a limit shows that another one held: a session that was locked without trades moves the base
        price, and after two the exchange widens the limit. It is the price of a session that had no other, else NaN.
        """
        # The last bar of the session before; -1 in the first session.
        before = np.searchsorted(self.days, self.days) - 1
        known = before >= 0
        base = np.full(self.shape, np.nan)
        base[known] = self.prices[LAST][before[known]] * self.scale[before[known]] / self.scale[known]
        lower, upper = limit_bounds(base)
        lows, highs = self._session_ranges()
        other = np.where(lows == highs, lows, np.nan)
        lower = np.where(lows < lower - LIMIT_TOLERANCE, other, lower)
        limits = np.stack((lower, np.where(highs > upper + LIMIT_TOLERANCE, other, upper)))
        limits[:, np.isnan(base)] = np.nan
        return limits

    def _session_ranges(self) -> tuple[Floats, Floats]:
        """Return the lowest and the highest price of each bar's session, `[bars, symbols]`."""
        starts = np.append(0, self.session_ends[:-1] + 1)
        session = np.searchsorted(self.session_ends, np.arange(self.days.size))
        lows = np.fmin.reduceat(self.prices[LOW], starts, axis=0)[session]
        return lows, np.fmax.reduceat(self.prices[HIGH], starts, axis=0)[session]

    @cached_property
    def read_only(self) -> "Panel":
        """The panel as strategies are handed it: one that wrote to it would change the prices that it is tested on."""
        opened_at, days, prices, scale = map(_freeze, (self.opened_at, self.days, self.prices, self.scale))
        issues, ex_sessions = Issues(*map(_freeze, self.issues)), ExSessions(*map(_freeze, self.ex_sessions))
        stated = {name: _freeze(values) for name, values in self.stated.items()}
        return Panel(self.symbols, self.interval, opened_at, days, prices, scale, issues, ex_sessions, stated)

    def until(self, bar: int) -> "Panel":
        """Return the panel as it was at the close of a bar, without later bars, splits, dividends and delistings."""
        if bar == self.shape[0] - 1:
            return self
        end, issues = bar + 1, self.issues
        count = int(np.searchsorted(self.ex_sessions.bar, end))
        bar_of, column, ratio, dividend = self.ex_sessions
        ex_sessions = ExSessions(bar_of[:count], column[:count], ratio[:count], dividend[:count])
        is_over = issues.delisted <= bar
        known = issues._replace(
            delisted=np.where(is_over, issues.delisted, end), payout=np.where(is_over, issues.payout, np.nan)
        )
        prices = np.ascontiguousarray(self.prices[:, :end])
        rows = (self.opened_at[:end], self.days[:end], prices, self.scale[:end])
        stated = {name: values[:end] for name, values in self.stated.items()}
        return Panel(self.symbols, self.interval, *rows, known, ex_sessions, stated)

    def adjusted(self, name: str) -> Floats:
        """Return a column adjusted by the splits so far: prices times `scale`, volumes divided by it; read-only."""
        values: Floats = self.prices[PLACES[name]]
        if not self.ex_sessions.bar.size:
            return _freeze(values)
        return values / self.scale if name == "volume" else values * self.scale

    def statement(self, name: str) -> Floats:
        """Return a column of statements, such as `per`, `[bars, symbols]`; read-only, NaN where nothing says.

        A value is of what was public before the close of its bar (`decided_at`), as in a screen of the session: a
        statement at the close or after it, such as at 15:30, is first seen at the next bar, and an order that follows
        from it is filled at the open after that. Figures for a share are of the shares of the bar's day.

        Raises:
            InvalidRequest: the strategy does not name it in its `statements`.

        """
        if name not in self.stated:
            named = ", ".join(self.stated) or "none"
            raise InvalidRequest(
                f"statement was {name[:20]!r}, and the strategy names {named}: write it into its `statements`"
            )
        return _freeze(self.stated[name])

    def decided_at(self, bar: int) -> datetime:
        """Return the last moment whose disclosures count at a bar, aware UTC: just before it closes, or the session."""
        day = date.fromordinal(int(self.days[bar]) + _EPOCH)
        return min(self.closed_at(bar) - timedelta(microseconds=1), decision_moment(day))

    def closed_at(self, bar: int) -> datetime:
        """Return when a bar was complete, and so known, aware UTC; for a daily bar the close of its session."""
        opened = datetime.fromtimestamp(int(self.opened_at[bar]), UTC)
        if self.interval is Interval.D1:
            return closes_at(opened.date())
        return opened + timedelta(seconds=self.interval.seconds)

    def column_of(self, symbol: str) -> int:
        """Return the column of a symbol.

        Raises:
            InvalidRequest: the panel does not have it.

        """
        try:
            return self._columns[symbol]
        except KeyError as e:
            raise InvalidRequest(f"symbol was {symbol[:20]!r}, which is not in the panel") from e

    @cached_property
    def memo(self) -> dict[tuple[object, ...], list[Floats]]:
        """The cache of indicators computed from this panel."""
        return {}

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {symbol: column for column, symbol in enumerate(self.symbols)}


def _freeze(values: NDArray[Any]) -> NDArray[Any]:
    seen = values.view()
    seen.flags.writeable = False
    return seen


def _assemble(symbols: tuple[str, ...], interval: Interval, opened_at: Ints, prices: Floats, known: Listings) -> Panel:
    days = (opened_at + _JST_S) // _DAY_S
    ex_sessions = _find_ex_sessions(symbols, days, known)
    issues = _find_issues(symbols, days, known)
    scale = np.ones(prices.shape[1:])
    for bar, column, ratio in zip(ex_sessions.bar, ex_sessions.symbol, ex_sessions.ratio, strict=True):
        scale[bar:, column] *= ratio
    for column, end in enumerate(issues.delisted.tolist()):
        # Rows after the end are not bars of this issue.
        prices[:, end + 1 :, column] = np.nan
    np.nan_to_num(prices[VOLUME], copy=False, nan=0.0)
    close = prices[CLOSE]
    prices[LAST] = np.where(np.isnan(close), carry_forward(close * scale) / scale, close)
    return Panel(symbols, interval, opened_at, days, prices, scale, issues, ex_sessions)


def _find_ex_sessions(symbols: tuple[str, ...], days: Ints, known: Listings) -> ExSessions:
    """Return splits and dividends by the first bar of their ex-sessions; those outside are left out."""
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    found: dict[tuple[int, int], list[float]] = {}
    for place, frame, value in ((0, known.splits, "factor"), (1, known.dividends, "amount")):
        for symbol, session, number in frame.select("symbol", "ex_session", value).iter_rows():
            bar = int(np.searchsorted(days, _number_of(session)))
            if symbol in columns and 0 < bar < days.size:
                entry = found.setdefault((bar, columns[symbol]), [1.0, 0.0])
                entry[place] = entry[0] / number if place == 0 else entry[1] + number
    at = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    values = np.array([found[key] for key in sorted(found)], dtype=np.float64).reshape(-1, 2)
    return ExSessions(at[:, 0], at[:, 1], values[:, 0], values[:, 1])


def _find_issues(symbols: tuple[str, ...], days: Ints, known: Listings) -> Issues:
    delisted = np.full(len(symbols), days.size, dtype=np.int64)
    payout = np.full(len(symbols), np.nan)
    for column, symbol in enumerate(symbols):
        end = known.delisted.get(symbol)
        if end is not None and _number_of(end.last) <= days[-1]:
            delisted[column] = max(int(np.searchsorted(days, _number_of(end.last), side="right")) - 1, 0)
            payout[column] = np.nan if end.payout is None else end.payout
    classes = [_tick_class(symbol, known) for symbol in symbols]
    return Issues(np.array(classes, dtype=np.int64), delisted, payout)


def _tick_class(symbol: str, known: Listings) -> int:
    if not is_tse_code(symbol):
        return FOREIGN
    if symbol in known.topix100:
        return TOPIX100
    return MID400 if symbol in known.topix500 else OTHER


def _number_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days

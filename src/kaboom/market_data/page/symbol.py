"""The page of a symbol: its bars with their flags, session by session, and the strip of its coverage."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import quote as quoted

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.labels import LABELS, label, name_of
from kaboom.dashboard.links import link_to
from kaboom.dashboard.page_request import OpenPage, Page
from kaboom.dashboard.unknown import UnknownName, find_near_symbols
from kaboom.jobs.deps import needs
from kaboom.market.calendar import JST, latest_closed_session
from kaboom.market.interval import Interval
from kaboom.market.source import provider_of
from kaboom.market.symbol import is_tse_code, normalise_symbol
from kaboom.market_data.schemas import (
    AppliedAction,
    Bar,
    BarPage,
    CalendarView,
    CellPage,
    JudgedCell,
    SymbolPage,
    TradingSession,
)
from kaboom.providers.registry import SourceName, get_source_spec
from kaboom.text.catalogue import Language
from kaboom.web.auth.scopes import Scope

router = APIRouter(dependencies=[needs(Scope.BARS_READ)])
_SESSIONS, _STRIP = 20, 250
#: The most symbols that a search lists.
_FOUND = 100
#: Enough for two sessions of 1-minute bars, or a year of daily bars.
_MOST_BARS = 800
_YEAR = timedelta(days=366)
_SHOWN = (*GAPS, *SUSPECTS)

#: The auctions of a session, by the field of the calendar.
_AUCTIONS = {
    "opens_at": "a_open", "am_closes_at": "a_am_close", "pm_opens_at": "a_pm_open", "closes_at": "a_close",
}  # fmt: skip
#: Chart libraries have no time zones, so they get seconds of Japan's local time.
_JST_S = 9 * 3600


class SymbolFilters(BaseModel):
    """The query of the page; unknown fields are ignored, so that old links still open."""

    interval: Interval = Interval.M1
    session: date | None = None
    provider: SourceName | None = None
    adjusted: bool = False

    def link(self, symbol: str, **changed: object) -> str:
        """Return the link of the page of a symbol with some filters changed."""
        values = self.model_dump(mode="json", exclude_defaults=True) | changed
        return link_to(f"/symbols/{quoted(symbol, safe='')}", **values)


@router.get("/symbols")
async def find_symbol(page: Page, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Open the symbol of a code, or the only one that a search finds; else list what it finds."""
    q = "".join(letter for letter in q if letter >= " ").strip()
    found = await page.api.get(SymbolPage, "/api/v1/symbols", q=q, limit=_FOUND if q else 1)
    exact = [each.symbol for each in found.items if each.symbol == normalise_symbol(q) or len(found.items) == 1]
    if q and exact:
        return page.go_to(f"/symbols/{exact[0]}")
    return await page.show("symbols.html", found=found, q=q)


@router.get("/symbols/{symbol}")
async def show_symbol(
    page: Page, symbol: Annotated[str, Path(max_length=20)], filters: Annotated[SymbolFilters, Query()]
) -> Response:
    """Show the bars of one session, or a year of daily bars, with their coverage."""
    series = {"interval": filters.interval, "provider": filters.provider}
    reply = await page.api.get(
        CellPage, f"/api/v1/coverage/cells/{symbol}", **series, sessions=_SESSIONS, last=filters.session
    )
    if any(fault["pointer"] == "#/symbol" for fault in (reply.problem or {}).get("errors", ())):
        raise UnknownName("symbol", symbol, await find_near_symbols(page, symbol))
    covered = reply.data
    today = page.viewer.now.astimezone(JST).date()
    session = filters.session or first_shown(covered.items, page.viewer.now)
    found = await _ask(page, covered, filters, session)
    if not _is_known(found, covered):
        raise UnknownName("symbol", symbol, await find_near_symbols(page, symbol))
    described = _describe(found, covered, filters, session=session, today=today)
    listing = described["listing"]
    return await page.show(
        "symbol.html",
        symbol=covered.symbol,
        about=covered,
        filters=filters,
        session=session,
        intervals=tuple(Interval),
        chart_words={word: label("chart_word", word, page.viewer.language) for word in LABELS["chart_word"]},
        signed=_signed_of(page.viewer.language),
        # Files may have codes of any exchange.
        is_in_yen=is_tse_code(covered.symbol),
        kept=_kept(filters.provider),
        company=name_of(listing, page.viewer.language) if listing else None,
        **described,
    )


def _is_known(found: "_Found", covered: CellPage) -> bool:
    """Return whether a symbol is listed or has bars; true if the list is unavailable, or if files may have any code."""
    is_listed = any(row.symbol == covered.symbol for row in found.listed.items) or not found.listed.is_ok
    has_bars = any(row.bars for row in [*covered.items, *found.strip.items])
    return is_listed or has_bars or not get_source_spec(covered.provider).is_tse


def _kept(provider: str | None) -> str:
    """Return the provider in links to other intervals: of the TSE's, the API finds the bars, some of them rolled up."""
    return "" if provider is None or get_source_spec(provider).is_tse else provider_of(provider)


@dataclass(frozen=True, slots=True)
class _Found:
    """The answers that a page is made of; only the bars must be there."""

    bars: Reply[BarPage]
    actions: Reply[BarPage]
    calendar: Reply[CalendarView]
    strip: Reply[CellPage]
    listed: Reply[SymbolPage]


async def _ask(page: OpenPage, covered: CellPage, filters: SymbolFilters, session: date) -> _Found:
    name, get = covered.symbol, page.api.get
    path = f"/api/v1/bars/{name}"
    known = {"interval": filters.interval, "provider": covered.provider}
    series = {**known, "end": session + timedelta(days=1)}
    start = session - _YEAR if filters.interval is Interval.D1 else _session_before(covered.items, session)
    adjusted = str(filters.adjusted).lower()
    return _Found(
        *await asyncio.gather(
            get(BarPage, path, **series, start=start, adjusted=adjusted, limit=_MOST_BARS),
            get(BarPage, path, **series, start=session, adjusted="true", limit=1),
            get(CalendarView, "/api/v1/calendar", **days_around(session)),
            get(CellPage, f"/api/v1/coverage/cells/{name}", **known, sessions=_STRIP),
            get(SymbolPage, "/api/v1/symbols", q=name, session=session, limit=50),
        )
    )


def _describe(
    found: _Found, covered: CellPage, filters: SymbolFilters, *, session: date, today: date
) -> dict[str, Any]:
    bars, items = found.bars.data.items, covered.items
    is_daily = filters.interval is Interval.D1
    days = {row.session: row for row in found.calendar.items}
    hours = days.get(session)
    before, of_session = split_at(bars, session)
    actions = (found.actions.data.actions or []) if found.actions.is_ok else []
    # If the year is unavailable, show at least the last sessions.
    year = found.strip.items if found.strip.is_ok else items
    is_tse = get_source_spec(covered.provider).is_tse
    earlier, later = around(list(days) if is_tse else [row.session for row in items], session)
    return {
        "rows": to_rows(bars if is_daily else of_session, None if is_daily else hours),
        "quote": quote_of(before, of_session, [] if filters.adjusted else actions),
        "hours": hours,
        "is_daily": is_daily,
        "earlier": earlier,
        "later": later if later and later <= today else None,
        "actions": actions,
        "listing": next((row for row in found.listed.items if row.symbol == covered.symbol), None),
        "strip": build_strip(year),
        "complete": sum(row.state is CellState.COMPLETE for row in year),
        "states": [(state, [row.session for row in year if row.state == state]) for state in _SHOWN],
        "cell": next((row for row in items if row.session == session), None),
    }


def _session_before(items: Sequence[JudgedCell], session: date) -> date:
    """Return the last session with bars before a session: its last close is the previous close."""
    return next((row.session for row in items if row.bars and row.session < session), session)


def _signed_of(language: Language) -> Callable[[float, int], str]:
    """Return a function that formats changes with a sign, never as a triangle, which means minus in Japanese tables."""

    def signed(value: float, digits: int) -> str:
        text = f"{value:+,.{digits}f}".replace("-", "\N{MINUS SIGN}")
        return text.replace("+", "\N{FULLWIDTH PLUS SIGN}") if language == "ja" else text

    return signed


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive sessions in one state: their left edge and width in percent."""

    state: CellState
    first: date
    last: date
    count: int
    x: float
    width: float


def build_strip(cells: Sequence[JudgedCell]) -> list[Run]:
    """Return the runs of cells of the API, which come newest first; the strip has the oldest first."""
    runs, place = list[Run](), 0
    for state, found in groupby(reversed(cells), key=lambda cell: cell.state):
        days = [cell.session for cell in found]
        x, width = 100 * place / len(cells), 100 * len(days) / len(cells)
        runs.append(Run(state, days[0], days[-1], len(days), round(x, 3), round(width, 3)))
        place += len(days)
    return runs


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar: its time in Japan, the names of its flags, and the key of its auction, if it has one."""

    bar: Bar
    at: datetime
    flags: tuple[str, ...]
    auction: str

    @property
    def data(self) -> str:
        """The data of the chart: seconds, open, high, low, close, volume, flags, auction."""
        values = (self.bar.open, self.bar.high, self.bar.low, self.bar.close, self.bar.volume)
        seconds = int(self.at.timestamp()) + _JST_S
        return ",".join(map(str, (seconds, *values, "+".join(self.flags), self.auction)))


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of a session and the previous close; `is_base`: the previous close is adjusted for a split."""

    open: float
    high: float
    low: float
    close: float
    volume: int
    previous: float | None
    is_base: bool

    @property
    def change(self) -> float | None:
        """The change from the previous close."""
        return None if self.previous is None else self.close - self.previous


def to_rows(bars: Sequence[Bar], session: TradingSession | None) -> list[BarRow]:
    """Return bars as rows; `session` is their day in the calendar, whose auctions mark 1m bars."""
    from kaboom.market.bar import BarFlag  # noqa: PLC0415  with polars, which answered the bars

    names = {getattr(session, field): key for field, key in _AUCTIONS.items()} if session else {}
    return [
        BarRow(
            bar,
            bar.opened_at.astimezone(JST),
            tuple(flag.name.lower() for flag in BarFlag(bar.flags) if flag.name),
            names.get(bar.opened_at, ""),
        )
        for bar in bars
    ]


def split_at(bars: Sequence[Bar], session: date) -> tuple[list[Bar], list[Bar]]:
    """Return the bars before a session, and the bars from the session on."""
    before = [bar for bar in bars if _utc_day(bar) < session]
    return before, list(bars[len(before) :])


def quote_of(before: Sequence[Bar], bars: Sequence[Bar], actions: Sequence[AppliedAction]) -> Quote | None:
    """Return the quote of some bars, or None without any; raw bars are compared across a split by its factor."""
    if not bars:
        return None
    previous = before[-1].close if before else None
    factors = list(_factors(before, bars, actions))
    for factor in factors:
        previous = previous and round(previous * factor, 4)
    return Quote(
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
        previous=previous,
        is_base=bool(factors),
    )


def _factors(before: Sequence[Bar], bars: Sequence[Bar], actions: Sequence[AppliedAction]) -> Iterator[float]:
    if not before:
        return
    last, first = _utc_day(before[-1]), _utc_day(bars[0])
    yield from (action.factor for action in actions if last < action.ex_session <= first)


def _utc_day(bar: Bar) -> date:
    return bar.opened_at.astimezone(UTC).date()


def first_shown(items: Sequence[JudgedCell], now: datetime) -> date:
    """Return the newest session with bars, else the newest one that has closed, whose bars can be taken."""
    return next((row.session for row in items if row.bars), None) or latest_closed_session(now)


def around(days: Sequence[date], session: date) -> tuple[date | None, date | None]:
    """Return the day before a session and the day after it, of some days; None without such a day."""
    before, after = [day for day in days if day < session], [day for day in days if day > session]
    return max(before, default=None), min(after, default=None)


def days_around(session: date) -> dict[str, object]:
    """Return the query for the calendar around a session; the longest closure so far was ten days."""
    return {"first": session - timedelta(days=16), "last": session + timedelta(days=16)}

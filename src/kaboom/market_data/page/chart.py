"""The chart of the page of a symbol: what it asks of the API, what it draws, and the same as CSV."""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.labels import CompanyName, label
from kaboom.dashboard.page_request import OpenPage, ask_name
from kaboom.dashboard.unknown import UnknownName, find_near_symbols
from kaboom.dashboard.viewer import cookie_of
from kaboom.drivers.printable import FORMULA_STARTS
from kaboom.market.calendar import latest_closed_session
from kaboom.market.source import provider_of
from kaboom.market_data.page.choice import Drawing, Line, SymbolFilters, drawing_of, first_day, studies_of
from kaboom.market_data.page.quote import BarRow, index_to_100, to_rows
from kaboom.market_data.queries import ChartInterval
from kaboom.market_data.schemas import Bar, CalendarView, CellPage, ChartPage, JudgedCell, SymbolPage
from kaboom.providers.registry import get_source_spec
from kaboom.text.catalogue import Language

_SESSIONS, _STRIP = 20, 250
_MOST_BARS = 2_000
_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Found:
    """The answers that a page is made of; only the chart must be there."""

    chart: Reply[ChartPage]
    year: Reply[ChartPage]
    calendar: Reply[CalendarView]
    strip: Reply[CellPage]
    listed: Reply[SymbolPage]


@dataclass(frozen=True, slots=True)
class Compared:
    """A symbol of a comparison: closes indexed to 100 by time; `name` is its company's."""

    symbol: str
    name: CompanyName | None
    colour: int
    values: Mapping[datetime, float]

    @property
    def change(self) -> float | None:
        """The change since the base, in per cent."""
        return self.values[max(self.values)] - 100 if self.values else None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart: its bars, the lines of its indicators, and the compared symbols, of which the first is its own."""

    covered: CellPage
    filters: SymbolFilters
    session: date
    shown: tuple[str, ...]
    drawing: Drawing
    found: Found
    bars: list[Bar]
    rows: list[BarRow]
    compared: list[Compared]
    base: datetime | None

    def values_of(self, line: Line) -> list[float | None]:
        """Return the values of a line, one for each bar."""
        return [item[line.column] for item in self.found.chart.data.items]

    def legend(self, language: Language) -> list[dict[str, Any]]:
        """Return what the legend says of each line: its label, its colour and its last value."""
        return [
            {
                "label": _label_of(line, language),
                "colour": line.colour,
                "pane": line.study.pane,
                "last": next((value for value in reversed(self.values_of(line)) if value is not None), None),
            }
            for line in self.drawing.lines
        ]

    def data(self, language: Language) -> dict[str, Any]:
        """Return what the script draws."""
        return {
            "bars": [row.data for row in self.rows],
            "lines": [
                {
                    "label": _label_of(line, language),
                    "pane": line.study.pane,
                    "colour": line.colour,
                    "style": line.style,
                    "guides": line.study.guides,
                    "values": [None if value is None else float(f"{value:.7g}") for value in self.values_of(line)],
                }
                for line in self.drawing.lines
            ],
            "compared": [
                {
                    "label": each.symbol,
                    "colour": each.colour,
                    "values": [each.values.get(bar.opened_at) for bar in self.bars],
                }
                for each in self.compared
            ],
        }

    def to_csv(self) -> str:
        """Return the bars with their lines and indices as CSV; times are the starts of bars in UTC."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self.found.chart.data.columns
        indices = [f"index_{each.symbol}" for each in self.compared]
        writer.writerow(["symbol", "opened_at", "open", "high", "low", "close", "volume", *columns, *indices])
        symbol = self.covered.symbol
        # A spreadsheet would read it as a formula.
        symbol = f"'{symbol}" if symbol.startswith(tuple(FORMULA_STARTS)) else symbol
        for bar, item in zip(self.bars, self.found.chart.data.items, strict=True):
            at = f"{bar.opened_at:%Y-%m-%dT%H:%M:%SZ}"
            prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            index = (each.values.get(bar.opened_at) for each in self.compared)
            writer.writerow([symbol, at, *prices, *(item[name] for name in columns), *index])
        return text.getvalue()


def _label_of(line: Line, language: Language) -> str:
    return label("study_line", line.key, language).format(p=line.parameters)


async def draw(page: OpenPage, symbol: str, filters: SymbolFilters) -> Drawn:
    """Return what the page of a symbol draws: the chart, its lines and those compared with it."""
    series = {"interval": filters.interval.stored, "provider": filters.provider}
    reply = await page.api.get(
        CellPage, f"/api/v1/coverage/cells/{symbol}", **series, sessions=_SESSIONS, last=filters.session
    )
    if any(fault["pointer"] == "#/symbol" for fault in (reply.problem or {}).get("errors", ())):
        raise UnknownName("symbol", symbol, await find_near_symbols(page, symbol))
    covered = reply.data
    session = filters.session or await _newest_session(page, covered)
    others = filters.compared(covered.symbol)
    shown = studies_of(filters.show, page.request.cookies.get(cookie_of("chart"), ""))
    drawing = drawing_of(shown, filters.interval, is_compared=bool(others))
    found, closes = await asyncio.gather(
        _ask(page, covered, filters, session, drawing), _ask_compared(page, covered, filters, session, others)
    )
    if not _is_known(found, covered):
        raise UnknownName("symbol", symbol, await find_near_symbols(page, symbol))
    bars = [Bar.model_validate(item) for item in found.chart.data.items]
    base, compared = await _compare(page, [covered.symbol, *others] if others else [], closes)
    days = [] if filters.interval is not ChartInterval.M1 else list(found.calendar.items)
    rows = to_rows(bars, days)
    return Drawn(covered, filters, session, shown, drawing, found, bars, rows, compared, base)


async def _newest_session(page: OpenPage, covered: CellPage) -> date:
    """Return the newest session with bars; of an interval that is made of minutes, with minutes."""
    items: Sequence[JudgedCell] = covered.items
    if covered.interval.is_intraday and not any(row.bars for row in items):
        provider = provider_of(covered.provider)
        path = f"/api/v1/coverage/cells/{covered.symbol}"
        items = (await page.api.get(CellPage, path, interval="1m", provider=provider, sessions=_SESSIONS)).items
    return first_shown(items, page.viewer.now)


def _chart_query(covered: CellPage, filters: SymbolFilters, session: date) -> dict[str, object]:
    """Return the query of the API for the bars of the page."""
    is_tse = get_source_spec(covered.provider).is_tse
    return {
        "interval": filters.interval,
        "provider": covered.provider,
        "start": first_day(filters.range, session, is_tse=is_tse),
        "end": session + timedelta(days=1),
        "adjusted": str(filters.adjusted).lower(),
        "limit": _MOST_BARS,
    }


async def _ask(page: OpenPage, covered: CellPage, filters: SymbolFilters, session: date, drawing: Drawing) -> Found:
    name, get = covered.symbol, page.api.get
    asked = _chart_query(covered, filters, session)
    # Days may be stored of the provider itself, though these bars are rolled up from its minutes.
    days = asked | {
        "interval": "1d", "provider": provider_of(covered.provider), "start": session - _YEAR, "adjusted": "true",
    }  # fmt: skip
    series = {"interval": filters.interval.stored, "provider": covered.provider}
    return Found(
        *await asyncio.gather(
            get(ChartPage, f"/api/v1/charts/{name}", **asked, **drawing.query),
            get(ChartPage, f"/api/v1/charts/{name}", **days),
            get(CalendarView, "/api/v1/calendar", **days_around(session)),
            get(CellPage, f"/api/v1/coverage/cells/{name}", **series, sessions=_STRIP),
            get(SymbolPage, "/api/v1/symbols", q=name, session=session, limit=50),
        )
    )


async def _ask_compared(
    page: OpenPage, covered: CellPage, filters: SymbolFilters, session: date, others: Sequence[str]
) -> list[dict[datetime, float]]:
    """Ask for the closes of a symbol and others by time, adjusted, since a split is no loss; {} without an answer."""
    if not others:
        return []
    asked = _chart_query(covered, filters, session) | {"adjusted": "true"}
    found = await asyncio.gather(
        *(page.api.get(ChartPage, f"/api/v1/charts/{each}", **asked) for each in [covered.symbol, *others])
    )
    return [{datetime.fromisoformat(item["opened_at"]): item["close"] for item in reply.items} for reply in found]


async def _compare(
    page: OpenPage, symbols: Sequence[str], closes: Sequence[Mapping[datetime, float]]
) -> tuple[datetime | None, list[Compared]]:
    """Return the compared symbols and their base; those without bars are left out of the base."""
    held = [each for each in closes if each]
    base, indexed = index_to_100(held) if held else (None, [])
    rest = iter(indexed)
    values = [next(rest) if each else {} for each in closes]
    names = await asyncio.gather(*(ask_name(page, each) for each in symbols))
    return base, [
        Compared(symbol, name, n, each)
        for n, (symbol, name, each) in enumerate(zip(symbols, names, values, strict=True), 1)
    ]


def _is_known(found: Found, covered: CellPage) -> bool:
    """Return whether a symbol is listed or has bars; true if the list is unavailable, or if files may have any code."""
    is_listed = any(row.symbol == covered.symbol for row in found.listed.items) or not found.listed.is_ok
    has_bars = any(row.bars for row in [*covered.items, *found.strip.items])
    return is_listed or has_bars or not get_source_spec(covered.provider).is_tse


def first_shown(items: Sequence[JudgedCell], now: datetime) -> date:
    """Return the newest session with bars, else the newest one that has closed, whose bars can be taken."""
    return next((row.session for row in items if row.bars), None) or latest_closed_session(now)


def days_around(session: date) -> dict[str, object]:
    """Return the query for the calendar around a session; the longest closure so far was ten days."""
    return {"first": session - timedelta(days=16), "last": session + timedelta(days=16)}

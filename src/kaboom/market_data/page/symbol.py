"""The page of a symbol: its bars with indicators and compared symbols, their flags, and the strip of its coverage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from math import prod
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.dashboard.beside_symbol import ask_beside
from kaboom.dashboard.labels import LABELS, label, name_of
from kaboom.dashboard.page_request import OpenPage, Page
from kaboom.dashboard.viewer import KEPT_S, cookie_of
from kaboom.jobs.deps import needs
from kaboom.market.calendar import JST
from kaboom.market.source import provider_of
from kaboom.market.symbol import is_tse_code, normalise_symbol
from kaboom.market_data.page.chart import Drawn, draw
from kaboom.market_data.page.choice import (
    FIRST_STUDIES,
    MOST_COMPARED,
    NONE_SHOWN,
    STUDIES,
    Span,
    SymbolFilters,
    first_day,
    toggled,
)
from kaboom.market_data.page.quote import Quote, high_low_of, quote_of, split_at, utc_day
from kaboom.market_data.queries import ChartInterval
from kaboom.market_data.schemas import Bar, JudgedCell, SymbolPage
from kaboom.providers.registry import get_source_spec
from kaboom.text.catalogue import Language
from kaboom.web.auth.scopes import Scope

router = APIRouter(dependencies=[needs(Scope.BARS_READ)])
#: The most symbols that a search lists.
_FOUND = 100
#: The newest bars, which the table lists; the chart and the file have all.
_MOST_ROWS = 400
#: Bars that begin later than this after the first day of a range do not reach back to it: no closure was longer.
_CLOSURE = timedelta(days=11)
_SHOWN = (*GAPS, *SUSPECTS)
SymbolPath = Annotated[str, Path(max_length=20)]


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
    page: Page,
    symbol: SymbolPath,
    filters: Annotated[SymbolFilters, Query()],
) -> Response:
    """Show the bars of one session, or of a range up to it, with their coverage."""
    if filters.keep:
        return _keep(page, symbol, filters)
    drawn = await draw(page, symbol, filters)
    found, covered, session = drawn.found, drawn.covered, drawn.session
    language = page.viewer.language
    described = _describe(drawn, today=page.viewer.now.astimezone(JST).date())
    listing = described["listing"]
    return await page.show(
        "symbol.html",
        symbol=covered.symbol,
        about=found.chart.data,
        filters=filters,
        session=session,
        intervals=tuple(ChartInterval),
        spans=tuple(Span),
        hidden=filters.model_dump(mode="json", exclude_defaults=True, exclude={"keep", "compare"}),
        jst_day=lambda at: at.astimezone(JST).date(),
        studies={code: toggled(drawn.shown, code) for code in STUDIES},
        first_studies=FIRST_STUDIES,
        shown=drawn.shown,
        intraday_studies=[code for code, study in STUDIES.items() if study.is_intraday],
        most_compared=MOST_COMPARED,
        lines=drawn.legend(language),
        chart_data=drawn.data(language),
        chart_words={word: label("chart_word", word, language) for word in LABELS["chart_word"]},
        signed=_signed_of(language),
        # Files may have codes of any exchange.
        is_in_yen=is_tse_code(covered.symbol),
        kept=_kept(filters.provider),
        company=name_of(listing, language) if listing else None,
        drawn=drawn,
        most_rows=_MOST_ROWS,
        **described,
    )


@router.get("/symbols/{symbol}/bars.csv")
async def download_bars(page: Page, symbol: SymbolPath, filters: Annotated[SymbolFilters, Query()]) -> Response:
    """Download what the chart draws: bars, indicators, and the indices of compared symbols."""
    drawn = await draw(page, symbol, filters)
    name = f"{drawn.covered.symbol.lstrip('^')}-{filters.interval}-{filters.range}-{drawn.session}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(drawn.to_csv(), headers=headers, media_type="text/csv; charset=utf-8")


@router.get("/symbols/{symbol}/beside")
async def show_beside(page: Page, symbol: SymbolPath) -> Response:
    """Show what the viewer has of a symbol: positions, trades, backtests and analyses; and its peers."""
    beside = await ask_beside(page, symbol)
    signed = _signed_of(page.viewer.language)
    return await page.show("symbol_beside.html", symbol=symbol, beside=beside, is_part=page.is_part, signed=signed)


def _keep(page: OpenPage, symbol: str, filters: SymbolFilters) -> Response:
    """Remember the indicators in a cookie, and open the page without `keep`."""
    response = page.go_to(filters.link(symbol))
    codes = [code for code in (filters.show or "").split(".") if code in STUDIES]
    is_secure = page.request.url.scheme == "https"
    value = ".".join(codes) or NONE_SHOWN
    response.set_cookie(cookie_of("chart"), value, max_age=KEPT_S, secure=is_secure, samesite="lax")
    return response


def _kept(provider: str | None) -> str:
    """Return the provider in links to other intervals: of the TSE's, the API finds the bars, some of them rolled up."""
    return "" if provider is None or get_source_spec(provider).is_tse else provider_of(provider)


def _describe(drawn: Drawn, *, today: date) -> dict[str, Any]:
    found, covered, session, filters = drawn.found, drawn.covered, drawn.session, drawn.filters
    items = covered.items
    days = {row.session: row for row in found.calendar.items}
    is_intraday = filters.interval.stored.is_intraday
    # If the year is unavailable, show at least the last sessions.
    year = found.strip.items if found.strip.is_ok else items
    is_tse = get_source_spec(covered.provider).is_tse
    earlier, later = around(list(days) if is_tse else [row.session for row in items], session)
    actions = found.chart.data.actions
    start = first_day(filters.range, session, is_tse=is_tse)
    first = utc_day(drawn.bars[0]) if drawn.bars else None
    tolerated = timedelta() if filters.range is Span.D5 else _CLOSURE
    year_days = _days_of(drawn)
    return {
        "rows": drawn.rows,
        "quote": _quote_of(drawn, year_days),
        "span_range": high_low_of(drawn.bars),
        "year": high_low_of(year_days),
        "begins": first if first and first - start > tolerated else None,
        "hours": days.get(session) if is_intraday and filters.range is Span.D1 else None,
        "is_daily": not is_intraday,
        "earlier": earlier,
        "later": later if later and later <= today else None,
        "actions": actions,
        "listing": next((row for row in found.listed.items if row.symbol == covered.symbol), None),
        "strip": build_strip(year),
        "complete": sum(row.state is CellState.COMPLETE for row in year),
        "states": [(state, [row.session for row in year if row.state == state]) for state in _SHOWN],
        "cell": next((row for row in items if row.session == session), None),
    }


def _quote_of(drawn: Drawn, days: Sequence[Bar]) -> Quote | None:
    """Return the quote of the session, or of the last one before it that has bars."""
    chart = drawn.found.chart.data
    bars, actions = drawn.bars, [] if drawn.filters.adjusted else chart.actions
    previous = [chart.previous] if chart.previous else []
    if drawn.filters.interval is ChartInterval.W1:
        # A week is no session: the headline is of days, which are adjusted already.
        bars, actions, previous = list(days), [], []
    if not bars:
        return None
    before, of_session = split_at(bars, utc_day(bars[-1]))
    return quote_of(before or previous, of_session, actions)


def _days_of(drawn: Drawn) -> list[Bar]:
    """Return the days of a year, adjusted, but in prices of the session if the bars of the page are raw."""
    year = drawn.found.year
    bars = [Bar.model_validate(item) for item in year.items]
    later = [each.factor for each in year.data.actions if each.ex_session > drawn.session] if bars else []
    if drawn.filters.adjusted or not later:
        return bars
    names = ("open", "high", "low", "close")
    return [bar.model_copy(update={name: getattr(bar, name) / prod(later) for name in names}) for bar in bars]


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


def around(days: Sequence[date], session: date) -> tuple[date | None, date | None]:
    """Return the day before a session and the day after it, of some days; None without such a day."""
    before, after = [day for day in days if day < session], [day for day in days if day > session]
    return max(before, default=None), min(after, default=None)

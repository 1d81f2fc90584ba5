"""`/api/v1/bars`, `/coverage`, `/symbols`, `/universe`, `/calendar`: read the stored market data."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel

from kaboom.bars.export.formats import Format
from kaboom.jobs.deps import count_stream, needs
from kaboom.market_data.answers import GRID_TYPE, Answers
from kaboom.market_data.queries import (
    BarsQuery,
    CalendarQuery,
    CellQuery,
    CellsQuery,
    ChartQuery,
    CoverageQuery,
    LatestQuery,
    ManyBarsQuery,
    QuarantineQuery,
    SessionsQuery,
    StoredSeriesQuery,
    SymbolsQuery,
    UniverseQuery,
)
from kaboom.market_data.schemas import (
    BarPage,
    CalendarView,
    CellPage,
    ChartPage,
    CoveragePage,
    LatestBars,
    QuarantinePage,
    SessionPage,
    StoredSeriesPage,
    SymbolPage,
    UniverseView,
)
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import BAD_CURSOR, INVALID, NOT_ACCEPTABLE, NOT_FOUND, Problem, describe_problems
from kaboom.web.routers import FeatureRouter


def describe_table(model: type[BaseModel], csv: str, *problems: Problem) -> dict[str, Any]:
    """Return the OpenAPI arguments of a table route: its four formats, 304, and its problems."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": _describe_rows(csv), "description": "the table, in the format that `Accept` likes best"},
        304: {"description": "the table is as its ETag says"},
    }
    return {
        "response_model": model,
        "responses": responses | describe_problems(BAD_CURSOR, NOT_ACCEPTABLE, INVALID, *problems),
    }


def describe_stream(csv: str) -> dict[str, Any]:
    """Return the OpenAPI arguments of a route for many symbols: its three formats, 304, and its problems."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": _describe_rows(csv), "description": "the bars, in the format that `Accept` likes best"},
        304: {"description": "the bars are as their ETag says"},
    }
    return {
        "response_class": Response,
        "responses": responses | describe_problems(NOT_ACCEPTABLE, INVALID, NOT_FOUND),
    }


def describe_grid(example: str) -> dict[str, Any]:
    """Return the OpenAPI arguments of a grid route: its bytes, 304, and its problems."""
    content = {"schema": {"type": "string", "format": "binary"}, "examples": {"grid": {"value": example}}}
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": {GRID_TYPE: content}, "description": "a line of JSON, then a byte for each cell"},
        304: {"description": "the cells are as their ETag says"},
    }
    return {"response_class": Response, "responses": responses | describe_problems(INVALID, NOT_FOUND)}


def _describe_rows(csv: str) -> dict[str, Any]:
    """Return the OpenAPI content of rows, but for JSON."""
    binary = {"schema": {"type": "string", "format": "binary"}, "examples": {"file": {"summary": "the same columns"}}}
    text = {"schema": {"type": "string"}, "examples": {"rows": {"value": csv}}}
    content = {Format.CSV: text, Format.ARROW: binary, Format.PARQUET: binary}
    return {form.media_type.partition(";")[0]: described for form, described in content.items()}


_CELLS = (
    '{"interval":"1m","provider":"synthetic","is_real":false,"states":["pending","missing","empty","lost","not_final",'
    '"outdated","short","no_auction","differs","complete"],"sessions":["2025-10-31","2025-11-04","2025-11-05"],'
    '"symbols":["6758","7203"],"names":["ソニーグループ","トヨタ自動車"],'
    '"names_en":["SONY GROUP CORPORATION","TOYOTA MOTOR CORPORATION"],"sectors":["3650","3700"],'
    '"scales":["TOPIX Core30","TOPIX Core30"]}\n\t\t\t\t\x01\t'
)
_LISTED = "as_of,symbol,name,market,sector33,sector33_code,…\n2024-03-29,7203,トヨタ自動車,TSE_PRIME,…\n"

router = FeatureRouter(prefix="/api/v1", tags=["market"], dependencies=[needs(Scope.BARS_READ)])


@router.get(
    "/bars",
    dependencies=[Depends(count_stream)],
    **describe_stream("symbol,opened_at,open,high,low,close,volume,flags\n7203,2025-11-04T00:00:00Z,…\n"),
)
async def stream_bars(answers: Answers, query: Annotated[ManyBarsQuery, Query()]) -> Response:
    """Return bars of many symbols, of a session or a span, in one answer: as an Arrow stream, Parquet or CSV.

    The bars are sorted by session, symbol and time, and sent while they are read. The columns are those of a bar; the
    headers name the provider and the interval. An open stream counts as one of the caller's streams. For JSON or
    pages, request one symbol.
    """
    return await answers.stream(query)


# Before `/bars/{symbol}`, which would match the paths of both routes.
@router.get(
    "/bars/latest",
    **describe_table(
        LatestBars, "provider,interval,symbol,opened_at,open,…\nsynthetic,1m,7203,2025-11-04T06:30:00Z,…\n"
    ),
)
async def latest_bars(answers: Answers, query: Annotated[LatestQuery, Query()]) -> Response:
    """Show the newest bar of every symbol, or of some, of one provider and interval.

    Without `symbol` the answer has issues only; name an index in `symbol` to get its bar. Of your own files all symbols
    are shown.

    With `as_of` the answer has the bars that were known at that moment. Bars in InfluxDB have no history: `as_of` is
    rejected (422).
    """
    return await answers.give(query, lambda tables, _: tables.bars.latest(query))


@router.get(
    "/bars/quarantine",
    **describe_table(
        QuarantinePage, "provider,interval,session,symbol,…,file,line\nfile,1d,2025-11-04,7203,…,7203.csv,17\n"
    ),
)
async def list_quarantine(answers: Answers, query: Annotated[QuarantineQuery, Query()]) -> Response:
    """List rows that hard quality rules rejected, newest first, with the reason; they are not stored as bars."""
    return await answers.give(query, lambda tables, place: tables.quarantine.rows(query, place))


@router.get(
    "/bars/{symbol}",
    **describe_table(BarPage, "provider,interval,symbol,opened_at,open,…\nsynthetic,1m,7203,2025-11-04T00:00:00Z,…\n"),
)
async def list_bars(
    answers: Answers,
    symbol: Annotated[str, Path(min_length=1, max_length=20, description="such as 7203 or 285A")],
    query: Annotated[BarsQuery, Query()],
) -> Response:
    """List bars of one symbol, oldest first, raw or adjusted; `Link` leads to the next page.

    The time of a bar is its start (`opened_at`, UTC). For a symbol without stored bars `items` is empty.

    With `as_of` the bars are as they were known at that moment: later bars are missing, corrected bars have their old
    values, and adjusted bars are adjusted by the actions known then. Bars in InfluxDB have no history: `as_of` is
    rejected (422).
    """
    return await answers.give(query, lambda tables, place: tables.bars.bars(symbol, query, place))


@router.get(
    "/charts/{symbol}",
    **describe_table(
        ChartPage, "provider,interval,symbol,opened_at,…,sma_25\nsynthetic,1d,7203,2025-11-04T00:00:00Z,…\n"
    ),
)
async def show_chart(
    answers: Answers,
    symbol: Annotated[str, Path(min_length=1, max_length=20, description="such as 7203 or 285A")],
    query: Annotated[ChartQuery, Query()],
) -> Response:
    """Show the newest bars of one symbol in a span with technical indicators, oldest first.

    Bars before the span warm the indicators up, so their values do not depend on its start; `obv` alone begins there.
    If no bars of an intraday interval or of days are stored, those that were rolled up from minutes are shown;
    intraday ones are rolled up now. Weeks are made from days, and begin on a Monday.
    """
    return await answers.give(query, lambda tables, _: tables.charts.chart(symbol, query))


@router.get(
    "/coverage",
    **describe_table(CoveragePage, "provider,interval,symbol,session,bars,…\nsynthetic,1m,7203,2025-11-04,327,…\n"),
)
async def show_coverage(answers: Answers, query: Annotated[CoverageQuery, Query()]) -> Response:
    """Show the stored bars of each symbol and session: their number, the first and the last, and the flags.

    Without `symbol` the answer has all symbols, and also indices, whose symbols begin with `^`.

    With `as_of` the answer has the bars that were stored at that moment, without finality. Bars in InfluxDB have no
    history: `as_of` is rejected (422).
    """
    return await answers.give(query, lambda tables, place: tables.bars.coverage(query, place))


@router.get(
    "/coverage/series",
    **describe_table(
        StoredSeriesPage,
        "provider,interval,is_real,symbols,last_at\nfile,1d,true,3,2025-11-04T00:00:00Z\n",
    ),
)
async def list_series(answers: Answers, query: Annotated[StoredSeriesQuery, Query()]) -> Response:
    """List the providers and intervals that have stored bars, with their number of symbols and their newest bar."""
    return await answers.give(query, lambda tables, _: tables.bars.held())


@router.get(
    "/coverage/sessions",
    **describe_table(
        SessionPage,
        "provider,interval,session,verdict,symbols,…\nsynthetic,1m,2025-11-04,gaps,1651,…\n",
        NOT_FOUND,
    ),
)
async def show_sessions(answers: Answers, query: Annotated[SessionsQuery, Query()]) -> Response:
    """Show how complete each of the newest sessions is: a verdict, and its symbols by state, newest first.

    The states and verdicts are those of `kaboom coverage`. Sessions before the first with any data are left out.
    """
    return await answers.give(query, lambda tables, _: tables.coverage.sessions(query))


@router.get("/coverage/cells", **describe_grid(_CELLS))
async def show_cells(answers: Answers, query: Annotated[CellsQuery, Query()]) -> Response:
    """Show the state of every symbol in each of the newest sessions as one byte.

    The body is one line of JSON (`states`, `sessions` oldest first, `symbols` and their `names`, `names_en`, `sectors`,
    `scales`), a line feed, then the bytes: all sessions of the first symbol, then of the second. A byte is the index
    of its state in `states`, starting at 0.
    """
    return await answers.give_grid(lambda tables: tables.coverage.cells(query))


@router.get(
    "/coverage/cells/{symbol}",
    **describe_table(
        CellPage, "provider,interval,symbol,session,state,…\nsynthetic,1m,7203,2025-11-04,complete,…\n", NOT_FOUND
    ),
)
async def show_cells_of_symbol(
    answers: Answers,
    symbol: Annotated[str, Path(min_length=1, max_length=20, description="such as 7203 or 285A")],
    query: Annotated[CellQuery, Query()],
) -> Response:
    """Show the state of one symbol in each of the newest sessions, with the facts behind it, newest first."""
    return await answers.give(query, lambda tables, _: tables.coverage.cell(symbol, query))


@router.get("/symbols", **describe_table(SymbolPage, _LISTED, NOT_FOUND))
async def list_symbols(answers: Answers, query: Annotated[SymbolsQuery, Query()]) -> Response:
    """List the issues in the newest list of JPX up to a session, of all TSE markets or of one."""
    return await answers.give(query, lambda tables, place: asyncio.to_thread(tables.references.symbols, query, place))


@router.get("/universe", **describe_table(UniverseView, _LISTED, NOT_FOUND))
async def show_universe(answers: Answers, query: Annotated[UniverseQuery, Query()]) -> Response:
    """Show all symbols of a market as of a session; an ingest of that session requests the same symbols."""
    return await answers.give(query, lambda tables, _: asyncio.to_thread(tables.references.universe, query))


@router.get("/calendar", **describe_table(CalendarView, "session,opens_at,…\n2025-11-04,2025-11-04T00:00:00Z,…\n"))
async def show_calendar(answers: Answers, query: Annotated[CalendarQuery, Query()]) -> Response:
    """Show the sessions of the TSE and their hours, in UTC; the calendar is valid from 1990."""
    return await answers.give(query, lambda tables, _: asyncio.to_thread(tables.references.calendar, query))

"""`kaboom bars`: show, export, copy and repair the bars of the data folder, and list rejected rows."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.local_store import choose_series, none_held, open_actions, open_store, print_series
from kaboom.cli.options import AsOf, IntervalName, Json, Source, given, parse_as_of, parse_day
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session
from kaboom.indicators.table import default_text, indicator_specs, parse_indicators
from kaboom.market.interval import parse_interval
from kaboom.market_data.cli import copy, export, repair
from kaboom.providers.registry import get_source_spec
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from kaboom.indicators.table import Indicator
    from kaboom.market.bar import BarSeries


_OLDEST, _NEWEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_USUAL = ("sma:25", "rsi", "macd", "bbands")
Names = Annotated[
    list[str] | None,
    typer.Option("--indicator", "-i", help="such as sma:25, macd:12,26,9 or obv (repeatable); `list` shows all"),
]


def show_indicators(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="such as 7203")],
    indicator: Names = None,
    interval: IntervalName = "1d",
    sessions: Annotated[int, typer.Option(help="look-back in sessions, with the newest held one", min=1)] = 20,
    source: Source = None,
    as_of: AsOf = None,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="bars as traded (default: adjusted for splits)")] = False,
    json: Json = False,
) -> None:
    """Compute and show indicators of one symbol's bars; a cell without a value is empty."""
    session: Session = context.obj.with_json(json)
    if indicator == ["list"]:
        _print_specs(session)
        return
    chosen = parse_indicators(indicator or _USUAL, parse_interval(interval))
    series, bars = asyncio.run(_load(session, symbol, interval, source, parse_as_of(as_of), is_raw=raw))
    rows = _compute(bars, chosen, sessions)
    if session.is_json:
        head = {"source": series.source, "interval": series.interval, "adjusted": not raw}
        session.print_json({**head, "bars": rows.to_dicts()})
        return
    print_series(
        session,
        series,
        session.words.count(
            "{symbol} {interval}: {n:,} bar",
            "{symbol} {interval}: {n:,} bars",
            rows.height,
            symbol=symbol,
            interval=interval,
        ),
    )
    session.show(_table(session.words, rows, series, [name for i in chosen for name in i.columns]))


async def _load(
    session: Session, symbol: str, interval: str, source: str | None, as_of: datetime | None, *, is_raw: bool
) -> "tuple[BarSeries, pl.DataFrame]":
    from kaboom.bars.history import reader_at  # noqa: PLC0415  polars
    from kaboom.indicators.run import adjust_history  # noqa: PLC0415  polars

    async with open_store() as store, open_actions() as actions:
        series = await choose_series(session, store, interval, source)
        name = get_source_spec(series.source).parse_symbol(symbol)
        bars = await reader_at(store, as_of).read(series, name, start=_OLDEST, end=_NEWEST)
        if not is_raw:
            bars = await adjust_history(bars, series, reader_at(actions, as_of), as_of=as_of)
    if bars.is_empty():
        raise none_held(session, f"{symbol} {interval}", interval, source=series.source, symbol=name)
    return series, bars


def _compute(bars: "pl.DataFrame", chosen: "Sequence[Indicator]", sessions: int) -> "pl.DataFrame":
    from kaboom.indicators.formulas import compute_indicators  # noqa: PLC0415  polars

    days = bars["opened_at"].dt.date().unique().sort()
    start = datetime.combine(days[-min(sessions, len(days))], datetime.min.time(), UTC)
    return compute_indicators(bars, chosen, start=start)


def _table(words: Speaker, rows: "pl.DataFrame", series: "BarSeries", names: list[str]) -> Table:
    pattern = "%Y-%m-%d %H:%M" if series.interval.is_intraday else "%Y-%m-%d"
    table = new_table(words, "opened_at (JST)" if series.interval.is_intraday else "session", "close", right={"close"})
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    times = rows["opened_at"].dt.convert_time_zone("Asia/Tokyo").dt.strftime(pattern)
    for time, *values in zip(times, *(rows[name] for name in ("close", *names)), strict=True):
        add_row(table, time, *("" if value is None else f"{value:,.2f}" for value in values))
    return table


def _print_specs(session: Session) -> None:
    if session.print_if_json(
        [{"name": s.name, "title": s.title, "default": default_text(s)} for s in indicator_specs()]
    ):
        return
    table = new_table(session.words, "indicator", "default", "parameters", "title")
    for spec in indicator_specs():
        bounds = ", ".join(
            session.words.say("{name} {least:g} to {most:g}", name=p.name, least=p.least, most=p.most)
            for p in spec.parameters
        )
        add_row(table, spec.name, default_text(spec), bounds, spec.title)
    session.show(table)


_PRICES = ("open", "high", "low", "close")


def show_quarantine(
    context: typer.Context,
    interval: IntervalName = "1m",
    session_date: Annotated[str | None, typer.Option("--session", help="only rows of this day (YYYY-MM-DD)")] = None,
    symbol: Annotated[str | None, typer.Option(help="only this symbol, as the row has it")] = None,
    reason: Annotated[str | None, typer.Option(help="only rows rejected for this reason, such as off_grid")] = None,
    source: Source = None,
    limit: Annotated[int, typer.Option(help="rows on one page", min=1, max=10_000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the previous page, with the same filters")] = None,
    *,
    json: Json = False,
) -> None:
    """List rows that quality rules rejected, newest first, with the reason; none of them is in the bars."""
    session: Session = context.obj.with_json(json)
    params = given(interval=interval, limit=limit, session=session_date, symbol=symbol)
    params |= given(reason=reason, provider=source, cursor=cursor)
    page = session.client().call("GET", "/api/v1/bars/quarantine", params=params)
    if not session.print_if_json_or_empty(
        page, "{source} {interval}: no row was rejected", source=page["provider"], interval=page["interval"]
    ):
        _show(session, page)


def _show(session: Session, page: dict[str, Any]) -> None:
    words = session.words
    reasons = words.say(" · ").join(f"{words.coded('refusal', code)} {n:,}" for code, n in page["reasons"].items())
    session.tell(
        words.count(
            "{source} {interval}: {n:,} rejected row ({reasons})",
            "{source} {interval}: {n:,} rejected rows ({reasons})",
            page["total"],
            source=page["provider"],
            interval=page["interval"],
            reasons=reasons,
        )
    )
    session.show(_row_table(words, page["items"]))
    if page["next_cursor"]:
        session.say("there are more: --cursor {cursor}", cursor=page["next_cursor"])


def _row_table(words: Speaker, rows: list[dict[str, Any]]) -> Table:
    numbers = (*_PRICES, "volume")
    place = ("file",) if any(row["file"] for row in rows) else ()
    table = new_table(words, "opened_at (JST)", "symbol", *numbers, "reason", *place, right=numbers)
    for row in rows:
        prices = [_number(row[name], ",.1f") for name in _PRICES]
        cells = (to_jst(row["opened_at"]), row["symbol"], *prices, _number(row["volume"], ",.0f"))
        found_at = [f"{row['file']}:{row['line']}" if row["file"] else ""] if place else []
        add_row(table, *cells, words.coded("refusal", row["reason"]), *found_at)
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


app = typer.Typer(
    help="Show, export, mirror, copy and repair stored bars, and list rejected rows.", no_args_is_help=True
)
app.command("export")(export.export_bars)
app.command("mirror")(export.mirror_bars)
app.command("copy")(copy.copy_bars)
app.command("repair")(repair.repair)
app.command("indicators")(show_indicators)
app.command("quarantine")(show_quarantine)

_EDGE = 5


@app.command("show")
def show(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="such as 7203 or TOPIX")],
    interval: IntervalName = "1m",
    session_date: Annotated[str | None, typer.Option("--session", help="YYYY-MM-DD (default: the newest)")] = None,
    source: Source = None,
    as_of: AsOf = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="every bar, not only the first and last five")] = False,
    json: Json = False,
) -> None:
    """Show one symbol's bars of a session; times are JST, and UTC with --json."""
    session: Session = context.obj.with_json(json)
    series, frame = asyncio.run(_read(session, symbol, interval, session_date, source, parse_as_of(as_of)))
    if session.is_json:
        session.print_json({"source": series.source, "interval": series.interval, "bars": frame.to_dicts()})
        return
    head = session.words.count(
        "{symbol} {interval}: {n:,} bar",
        "{symbol} {interval}: {n:,} bars",
        frame.height,
        symbol=frame["symbol"][0],
        interval=interval,
    )
    print_series(session, series, head)
    session.show(_bar_table(session.words, frame, series, everything=everything))


async def _read(
    session: Session, symbol: str, interval: str, day: str | None, source: str | None, as_of: datetime | None
) -> "tuple[BarSeries, pl.DataFrame]":
    from kaboom.bars.history import reader_at  # noqa: PLC0415  polars
    from kaboom.providers.registry import get_source_spec  # noqa: PLC0415  as above

    start, end = _bounds(day)
    async with open_store() as store:
        series = await choose_series(session, store, interval, source)
        symbol = get_source_spec(series.source).parse_symbol(symbol)
        frame = await reader_at(store, as_of).read(series, symbol, start=start, end=end)
        if day is None and frame.height and series.interval.is_intraday:
            newest = frame["opened_at"].dt.date().max()
            frame = frame.filter(frame["opened_at"].dt.date() == newest)
    if not frame.height:
        what = f"{symbol} {interval}"
        what = session.words.say("{what} on {day}", what=what, day=day) if day else what
        raise none_held(session, what, interval, source=series.source, symbol=symbol)
    return series, frame


def _bounds(day: str | None) -> tuple[datetime, datetime]:
    if day is None:
        return datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    start = datetime.combine(parse_day(day, "--session"), datetime.min.time(), tzinfo=UTC)
    return start, start + timedelta(days=1)


def _bar_table(words: Speaker, frame: "pl.DataFrame", series: "BarSeries", *, everything: bool) -> Table:
    # A daily bar is stamped 00:00 UTC of its session, so only its date is shown.
    pattern = "%Y-%m-%d %H:%M" if series.interval.is_intraday else "%Y-%m-%d"
    names = ("open", "high", "low", "close", "volume", "flags")
    time = "opened_at (JST)" if series.interval.is_intraday else "session"
    table = new_table(words, time, *names, right=names)
    rows = frame.with_columns(frame["opened_at"].dt.convert_time_zone("Asia/Tokyo")).drop("symbol").rows()
    hidden = len(rows) - 2 * _EDGE
    for i, row in enumerate(rows):
        if everything or hidden <= 0 or not _EDGE <= i < len(rows) - _EDGE:
            add_row(table, *_cells(row, pattern))
        elif i == _EDGE:
            add_row(table, words.say("… {count:,} more: --all", count=hidden))
    return table


def _cells(row: tuple[Any, ...], pattern: str) -> list[str]:
    opened_at, *prices, volume, flags = row
    return [opened_at.strftime(pattern), *(f"{p:,.1f}" for p in prices), f"{volume:,}", str(flags or "")]

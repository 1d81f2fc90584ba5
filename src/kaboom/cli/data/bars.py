"""`kaboom bars`: show, export and repair the bars of the data folder, and list rejected rows."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.data import export, indicators, quarantine, repair
from kaboom.cli.data.held import choose_series, none_held, open_store, print_series
from kaboom.cli.data.moment import AsOf, parse_as_of, parse_day
from kaboom.cli.options import IntervalName, Json, Source
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    import polars as pl

    from kaboom.market.bar import BarSeries

app = typer.Typer(help="Show, export, mirror and repair stored bars, and list rejected rows.", no_args_is_help=True)
app.command("export")(export.export_bars)
app.command("mirror")(export.mirror_bars)
app.command("repair")(repair.repair)
app.command("indicators")(indicators.show_indicators)
app.command("quarantine")(quarantine.show_quarantine)

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
    head = session.words.count("bars_of", frame.height, symbol=frame["symbol"][0], interval=interval)
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
        what = session.words.say("on_day", what=what, day=day) if day else what
        raise none_held(session, what, source=series.source, symbol=symbol)
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
            add_row(table, words.say("more_bars", count=hidden))
    return table


def _cells(row: tuple[Any, ...], pattern: str) -> list[str]:
    opened_at, *prices, volume, flags = row
    return [opened_at.strftime(pattern), *(f"{p:,.1f}" for p in prices), f"{volume:,}", str(flags or "")]

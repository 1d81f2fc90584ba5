"""`kaboom bars indicators`: indicators of one symbol's stored bars."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kaboom.cli.data.held import choose_series, none_held, open_actions, open_store, print_series
from kaboom.cli.data.moment import AsOf, parse_as_of
from kaboom.cli.options import IntervalName, Json, Source
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.indicators.chosen import default_text, parse_indicators
from kaboom.indicators.table import indicator_specs
from kaboom.market.interval import parse_interval
from kaboom.providers.registry import get_source_spec
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from kaboom.indicators.chosen import Indicator
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
    print_series(session, series, session.words.count("bars_of", rows.height, symbol=symbol, interval=interval))
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
        raise none_held(session, f"{symbol} {interval}", source=series.source, symbol=name)
    return series, bars


def _compute(bars: "pl.DataFrame", chosen: "Sequence[Indicator]", sessions: int) -> "pl.DataFrame":
    from kaboom.indicators.compute import compute_indicators  # noqa: PLC0415  polars

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
            session.words.say("indicator_bounds", name=p.name, least=p.least, most=p.most) for p in spec.parameters
        )
        add_row(table, spec.name, default_text(spec), bounds, spec.title)
    session.show(table)

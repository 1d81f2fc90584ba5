"""`kaboom coverage`: how complete the bars of the data folder are."""

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.cli.local_store import choose_series, none_held, open_store, print_series
from kaboom.cli.options import IntervalName, Json, Source
from kaboom.cli.output.results import name_some
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.market.source import is_derived, provider_of
from kaboom.settings import load_settings
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    import polars as pl

    from kaboom.bars.coverage.judge import Judgement

_COUNTS = (*GAPS, *SUSPECTS, CellState.EMPTY)
_MOST_SYMBOLS = 20
#: The most sessions to show; a table of thousands would be of no use, and takes half a minute.
_MOST_SESSIONS = 60
#: Shown also if they are complete: a column of equal lines tells nothing.
_NEWEST = 5
#: The width of a terminal from which every count is shown.
_WIDE = 130


def coverage(
    context: typer.Context,
    interval: IntervalName = "1m",
    days: Annotated[int, typer.Option(help="calendar days back", min=1, max=20_000)] = 30,
    market: Annotated[
        str | None, typer.Option(help="all symbols of a market, such as TSE_PRIME (default: symbols with any data)")
    ] = None,
    source: Source = None,
    calendar: Annotated[
        str | None,
        typer.Option(help="exchange of your own files, such as XNYS (default: the TSE for its codes, else the files)"),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Show how complete each session is, and which symbols lack bars."""
    session: Session = context.obj.with_json(json)
    found = asyncio.run(_judge(session, interval, days, market, source, calendar))
    if session.is_json:
        _print_json(session, found)
        return
    if found.cells.is_empty():
        what = _say_span(session, interval, days)
        raise none_held(session, what, interval, source=found.series.source, market=market)
    held, words = found.held.height, session.words
    if market == "INDEX":
        count = words.count(
            "{interval}: {n:,} index session", "{interval}: {n:,} index sessions", held, interval=interval
        )
    else:
        count = words.count(
            "{interval}: {n:,} symbol session", "{interval}: {n:,} symbol sessions", held, interval=interval
        )
    print_series(session, found.series, count)
    session.show(_session_table(session, found, of="indices" if market == "INDEX" else "symbols"))
    _show_others(session, found)
    if rejected := int(found.sessions()["quarantined"].sum()):
        command = f"kaboom bars quarantine --interval {found.series.interval} --source {found.series.source}"
        session.tell(
            words.count(
                "{n:,} row of these days is in quarantine: {command}",
                "{n:,} rows of these days are in quarantine: {command}",
                rejected,
                command=command,
            )
        )
    wanting = _pick(found.cells, GAPS)
    if wanting.height:
        verdicts = found.sessions()
        degraded = verdicts.filter(verdicts["verdict"] == "degraded")["session"]
        own = wanting.filter(~wanting["session"].is_in(degraded.to_list()))
        if own.height:
            session.show(_gap_table(session.words, own))
        session.say("ingest what is missing with: {command}", command=command_for_gaps(found, market))
    if suspects := _pick(found.cells, SUSPECTS).height:
        session.say(
            "{count:,} symbol sessions are short, lack the closing auction or differ from their "
            "daily bar; to ingest these too: --include-short",
            count=suspects,
        )


def _say_span(session: Session, interval: str, days: int) -> str:
    return session.words.count(
        "{interval} of the last day", "{interval} of the last {n:,} days", days, interval=interval
    )


async def _judge(
    session: Session, interval: str, days: int, market: str | None, source: str | None, calendar: str | None
) -> "Judgement":
    from kaboom.bars.coverage.judge import (  # noqa: PLC0415  polars, which other commands do without
        CoverSpan,
        judge,
        load_sessions,
    )
    from kaboom.drivers.clock import utc_now  # noqa: PLC0415  the same
    from kaboom.market.calendar import JST  # noqa: PLC0415  the same
    from kaboom.providers.registry import get_source_spec  # noqa: PLC0415  the same

    async with open_store() as store:
        series = await choose_series(session, store, interval, source, market=market)
        now = utc_now()
        last = now.astimezone(JST).date()
        spec = get_source_spec(series.source)
        first = last - timedelta(days=days)
        span = CoverSpan(
            first,
            last,
            delay=spec.capabilities.delay,
            now=now,
            symbols=_symbols_of(market, last) if market else (),
            has_calendar=spec.is_tse,
            of_indices=market == "INDEX",
            given=load_sessions(calendar, first, last) if calendar else (),
        )
        return await judge(store, series, span)


def _symbols_of(market: str, session: date) -> tuple[str, ...]:
    from kaboom.market.listing import parse_market  # noqa: PLC0415  as above
    from kaboom.market.lists.universe import load_universe  # noqa: PLC0415  as above

    if not parse_market(market).is_section:
        # Such a market has no list: its symbols are those with bars, and for INDEX those that a provider was asked for.
        return ()
    return load_universe(parse_market(market), session, imported_dir=load_settings().symbols_dir).symbols


def _pick(cells: "pl.DataFrame", states: tuple[CellState, ...]) -> "pl.DataFrame":
    return cells.filter(cells["state"].is_in([state.value for state in states]))


def _print_json(session: Session, found: "Judgement") -> None:
    gaps = _pick(found.cells, (*GAPS, *SUSPECTS))
    session.print_json(
        {
            "source": found.series.source,
            "interval": found.series.interval,
            "sessions": found.sessions().to_dicts(),
            "gaps": gaps.to_dicts(),
            "coverage": found.held.to_dicts(),
        }
    )


def _show_others(session: Session, found: "Judgement") -> None:
    left_out = found.sessions().join(pick_sessions(found), on="session", how="anti")
    if left_out.height:
        words = session.words
        counted = sorted(left_out["verdict"].value_counts().rows())
        verdicts = words.say(" · ").join(f"{words.coded('coverage', name)} {count:,}" for name, count in counted)
        session.show(
            words.count(
                "… {n:,} other session ({verdicts}): --json",
                "… {n:,} other sessions ({verdicts}): --json",
                left_out.height,
                verdicts=verdicts,
            )
        )


def pick_sessions(found: "Judgement") -> "pl.DataFrame":
    """Return the sessions to show: the newest, and of the others those that are not complete."""
    recent = found.sessions().sort("session").tail(_MOST_SESSIONS)
    newest = recent["session"].tail(_NEWEST).to_list()
    return recent.filter((recent["verdict"] != "complete") | recent["session"].is_in(newest))


def _session_table(session: Session, found: "Judgement", *, of: str) -> Table:
    """Return a row for each session; a narrow terminal shows only the counts that are not all 0."""
    rows = list(pick_sessions(found).sort("session", descending=True).iter_rows(named=True))
    counts = [str(name) for name in (*_COUNTS, "flagged", "quarantined")]
    if session.out.width < _WIDE:
        counts = [name for name in counts if any(row[name] for row in rows)]
    numbers = ("symbols", "bars", "median", *counts)
    headers = (of, *numbers[1:])
    table = new_table(session.words, "session", "verdict", *headers, right=headers, whole={"session"})
    for row in rows:
        verdict = session.words.coded("coverage", row["verdict"])
        add_row(table, row["session"], verdict, *(f"{int(row[name] or 0):,}" for name in numbers))
    return table


def _gap_table(words: Speaker, gaps: "pl.DataFrame") -> Table:
    table = new_table(words, "symbol", "gap", "sessions")
    grouped = gaps.group_by("symbol", "state", maintain_order=True).agg("session")
    for symbol, state, days in grouped.head(_MOST_SYMBOLS).rows():
        named = name_some(words, [str(day) for day in days], len(days))
        add_row(table, symbol, words.coded("cell", state), named)
    if grouped.height > _MOST_SYMBOLS:
        add_row(table, words.say("… {count:,} more: --json", count=grouped.height - _MOST_SYMBOLS), "", "")
    return table


def command_for_gaps(found: "Judgement", market: str | None) -> str:
    """Return the command that fetches, or rolls up, everything that is missing between the first gap and the last."""
    from kaboom.market.calendar import sessions_between  # noqa: PLC0415  as above

    gaps = _pick(found.cells, GAPS)
    symbols: list[str] = gaps["symbol"].unique().sort().to_list()
    days: list[date] = gaps["session"].unique().sort().to_list()
    source = found.series.source
    if is_derived(source):
        back = len(sessions_between(days[0], days[-1]))
        interval = f"--interval {found.series.interval}={back}"
        parts = ["kaboom market-data roll-up --wait", interval, f"--session {days[-1]}"]
    else:
        parts = ["kaboom ingest backfill --wait", f"--interval {found.series.interval}"]
        parts += [f"--from {days[0]}", f"--to {days[-1]}"]
    parts += [f"--provider {provider_of(source)}"]
    if market and not is_derived(source):
        parts.append(f"--market {market}")
    elif len(symbols) <= _MOST_SYMBOLS:
        parts += [f"--symbol {symbol}" for symbol in symbols]
    return " ".join(parts)

"""`kaboom actions`: list, confirm, reject and add corporate actions of the data folder."""

import asyncio
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.local_store import open_actions, open_store
from kaboom.cli.options import AsOf, Json, Source, parse_as_of, parse_day
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.drivers.clock import utc_now
from kaboom.market.action import ActionKind, ActionState, CorporateAction, check_dividend, parse_factor
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import OLDEST_YEAR, is_session, next_session, previous_session, utc_midnight
from kaboom.market.interval import Interval
from kaboom.market.source import derived_source
from kaboom.providers.registry import get_provider_spec
from kaboom.settings import load_settings
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(
    help="Splits, dividends and other corporate actions: list, confirm, reject and add them.", no_args_is_help=True
)

Symbol = Annotated[str, typer.Argument(help="such as 7203")]
ExSession = Annotated[str, typer.Argument(help="the first session at the new price, YYYY-MM-DD")]
IsDividend = Annotated[bool, typer.Option("--dividend", help="the dividend, where a split has the same ex-session")]
Force = Annotated[bool, typer.Option("--force", help="keep it even if the stored bars speak against it")]
_FIELDS = ("symbol", "ex_session", "factor", "amount", "kind")


@app.command("list")
def list_actions(
    context: typer.Context,
    symbol: Annotated[list[str] | None, typer.Option(help="only this symbol (repeatable)")] = None,
    state: Annotated[list[ActionState] | None, typer.Option(help="only actions in this state (repeatable)")] = None,
    source: Source = None,
    as_of: AsOf = None,
    *,
    json: Json = False,
) -> None:
    """List corporate actions by symbol and session; adjusted bars apply those that are reported or confirmed."""
    session: Session = context.obj.with_json(json)
    name = _source(source)
    symbols = [get_provider_spec(name).parse_symbol(text) for text in symbol or []]
    actions = asyncio.run(_load(name, symbols, parse_as_of(as_of)))
    rows = [row for row in actions.to_dicts() if not state or row["state"] in state]
    if session.print_if_json({"source": name, "items": rows}):
        return
    if not rows:
        session.say(
            "no corporate actions of {source}; an ingest records them, and `kaboom actions add` adds one by hand",
            source=name,
        )
        return
    session.show(_table(session.words, rows))
    if suspected := [row for row in rows if row["state"] == ActionState.SUSPECTED]:
        which = f"{suspected[0]['symbol']} {suspected[0]['ex_session']} --source {name}"
        for line in session.words.say(
            "{count:,} suspected and not applied; if the first is right: kaboom actions confirm "
            "{which}\nif it is not: kaboom actions reject {which}",
            count=len(suspected),
            which=which,
        ).splitlines():
            session.tell(line)


@app.command("confirm")
def confirm(
    context: typer.Context,
    symbol: Symbol,
    ex_session: ExSession,
    factor: Annotated[str | None, typer.Option(help="such as 1/2 (default: the listed factor)")] = None,
    source: Source = None,
    *,
    dividend: IsDividend = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Confirm a listed corporate action: adjusted bars apply a factor, backtests and portfolios pay a dividend."""
    if dividend and factor:
        raise CliError(Exit.USAGE, "factor and dividend: expected one of them")
    action = _find(context.obj, (symbol, ex_session), source, is_dividend=dividend)
    if factor:
        action = CorporateAction(action.symbol, action.ex_session, parse_factor(factor))
        _hold_against_bars(action, source, is_forced=force)
    _keep(context.obj.with_json(json), action, ActionState.CONFIRMED, source)


@app.command("reject")
def reject(
    context: typer.Context,
    symbol: Symbol,
    ex_session: ExSession,
    source: Source = None,
    *,
    dividend: IsDividend = False,
    json: Json = False,
) -> None:
    """Reject a corporate action, even one that a provider reported. `confirm` reverses this."""
    action = _find(context.obj, (symbol, ex_session), source, is_dividend=dividend)
    _keep(context.obj.with_json(json), action, ActionState.REJECTED, source)


@app.command("add")
def add(
    context: typer.Context,
    symbol: Symbol,
    ex_session: ExSession,
    factor: Annotated[
        str | None, typer.Argument(help="multiplier of older prices: 1/2 for a split of one share into two")
    ] = None,
    source: Source = None,
    *,
    dividend: Annotated[float | None, typer.Option(help="yen a share before tax, instead of a factor")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Add a corporate action by hand, already confirmed: a factor, or a cash dividend."""
    if (factor is None) is (dividend is None):
        raise CliError(Exit.USAGE, "factor and dividend: expected one of them")
    spec, day = get_provider_spec(_source(source)), parse_day(ex_session, "ex-session")
    name = spec.parse_symbol(symbol)
    if spec.is_tse:
        _check_trades(day)
    if factor is not None:
        action = CorporateAction(name, day, parse_factor(factor))
    else:
        action = CorporateAction(name, day, amount=check_dividend(dividend or 0.0))
    _hold_against_bars(action, source, is_forced=force)
    _keep(context.obj.with_json(json), action, ActionState.CONFIRMED, source)


def _find(session: Session, asked: tuple[str, str], source: str | None, *, is_dividend: bool) -> CorporateAction:
    """Return the listed action of a symbol and an ex-session; of two, the dividend only if `is_dividend` is set."""
    name = _source(source)
    symbol, day = get_provider_spec(name).parse_symbol(asked[0]), parse_day(asked[1], "ex-session")
    listed = [
        row
        for row in asyncio.run(_load(name, [symbol])).to_dicts()
        if row["ex_session"] == day and (row["kind"] == ActionKind.DIVIDEND or not is_dividend)
    ]
    if not listed:
        words = {"symbol": symbol, "ex_session": day, "source": name}
        raise CliError(
            Exit.NOT_FOUND,
            session.words.say(
                "{source} has no action of {symbol} on {ex_session}; those that it has: kaboom actions "
                "list --symbol {symbol} --source {source}",
                **words,
            ),
        )
    return CorporateAction(symbol, day, listed[0]["factor"], listed[0]["amount"])


def _keep(session: Session, action: CorporateAction, state: ActionState, source: str | None) -> None:
    name = _source(source)
    asyncio.run(_save(name, action, state))
    row = {field: getattr(action, field) for field in _FIELDS} | {"state": state}
    if session.print_if_json({"source": name, **row}):
        return
    session.show(_table(session.words, [row]))
    session.say(
        "{state} for the bars of {source}; raw bars do not change",
        state=session.words.code("action", state.value),
        source=name,
    )


async def _load(source: str, symbols: list[str], as_of: datetime | None = None) -> "pl.DataFrame":
    from kaboom.bars.actions.adjustment import resolve_actions  # noqa: PLC0415  polars
    from kaboom.bars.history import reader_at  # noqa: PLC0415  polars

    async with open_actions() as store:
        return resolve_actions(await reader_at(store, as_of).load(source, symbols))


async def _save(source: str, action: CorporateAction, state: ActionState) -> None:
    from kaboom.bars.actions.store import Origin, build_notes  # noqa: PLC0415  polars

    async with open_actions() as store:
        await store.save(source, build_notes([action], Origin.PERSON, state, noted_at=utc_now()))


def _hold_against_bars(action: CorporateAction, source: str | None, *, is_forced: bool) -> None:
    """Reject an action that the stored daily bars speak against, unless the caller insists."""
    if is_forced:
        return
    if doubt := asyncio.run(_find_doubt(action, _source(source))):
        raise CliError(Exit.USAGE, doubt)


async def _find_doubt(action: CorporateAction, source: str) -> str | None:
    from kaboom.bars.actions.detect import LOOK_AHEAD, LOOK_BACK, find_doubt  # noqa: PLC0415  polars

    # The days of files have no bounds.
    first, last = max(action.ex_session, date(1901, 1, 1)), min(action.ex_session, date(9998, 1, 1))
    start, end = utc_midnight(first - LOOK_BACK), utc_midnight(last + LOOK_AHEAD)
    async with open_store() as store:
        for name in (source, derived_source(source)):
            bars = await store.read(BarSeries(name, Interval.D1), action.symbol, start=start, end=end)
            if not bars.is_empty():
                return find_doubt(action, bars)
    return None


def _table(words: Speaker, rows: list[dict[str, Any]]) -> Table:
    table = new_table(words, *_FIELDS, "state", right={"factor", "amount"})
    for row in rows:
        kind, state = words.coded("kind", row["kind"]), words.coded("action", row["state"])
        is_dividend = row["kind"] == ActionKind.DIVIDEND
        factor, amount = ("", f"{row['amount']:,g}") if is_dividend else (f"{row['factor']:.6g}", "")
        add_row(table, row["symbol"], row["ex_session"], factor, amount, kind, state)
    return table


def _source(source: str | None) -> str:
    return get_provider_spec(source or load_settings().provider).name


def _check_trades(day: date) -> None:
    if not OLDEST_YEAR <= day.year <= utc_now().year + 1:
        raise CliError(Exit.USAGE, f"ex-session was {day}, expected a trading day from {OLDEST_YEAR} to next year")
    if not is_session(day):
        before, after = previous_session(day), next_session(day)
        raise CliError(Exit.USAGE, f"ex-session was {day}, not a trading day; the nearest are {before} and {after}")

"""`kaboom symbols`: find symbols, import lists of them, and show the history of one."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.table import Table

from kaboom.cli.options import AsOf, Json, parse_as_of
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import JST
from kaboom.market.listing import Market
from kaboom.market.lists.master import MOST_LOST_PERCENT
from kaboom.market.lists.universe import load_universe
from kaboom.market.symbol import parse_symbol
from kaboom.settings import load_settings
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaboom.market.lists.history import Validity

MostLost = Annotated[
    float,
    typer.Option(
        help="reject a list that lacks more than this per cent of the previous issues; 100 accepts any", min=0, max=100
    ),
]

app = typer.Typer(help="Find symbols, import their lists, and show when one was listed.", no_args_is_help=True)

_FOUND = ("symbol", "name", "name_en", "market", "sector33", "scale")
_SPAN = ("market", "name", "came_after", "first_seen", "last_seen", "left_by", "moved_to", "renamed_to", "renamed_from")


@app.command("import")
def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JPX's list of listed issues: data_j.xls, .xlsx or .csv")],
    most_lost: MostLost = MOST_LOST_PERCENT,
    *,
    json: Json = False,
) -> None:
    """Import JPX's list of a date; jobs of that date and later use it as their universe."""
    from kaboom.market.lists.jpx import import_listings  # noqa: PLC0415  no other command reads workbooks

    session: Session = context.obj.with_json(json)
    report = import_listings(file, load_settings().symbols_dir, most_lost_percent=most_lost)
    if session.print_if_json(report.to_json()):
        return
    for market, count in report.counts.items():
        session.show(f"{market:<14} {count:>6,}")
    for kind, found in report.changes.to_json().items():
        session.show(f"{kind:<14} {found['count']:>6,}")
    session.say(
        "imported {count} listings as of {as_of}: {path}",
        count=sum(report.counts.values()),
        as_of=report.snapshot.as_of,
        path=report.path,
    )


@app.command("search")
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="words of a symbol, name or sector, such as トヨタ or topix")],
    limit: Annotated[int, typer.Option(help="most rows", min=1)] = 20,
    as_of: AsOf = None,
    *,
    json: Json = False,
) -> None:
    """Find symbols and indices by code, name or sector, by today's lists and the names in your files."""
    from kaboom.market.lists.history import load_history  # noqa: PLC0415  the lists, which other commands do without
    from kaboom.market.lists.own_names import load_own  # noqa: PLC0415
    from kaboom.market.reference import list_listings, search_listings  # noqa: PLC0415  polars

    session: Session = context.obj.with_json(json)
    known_at, folder = parse_as_of(as_of), load_settings().symbols_dir
    today = (known_at or utc_now()).astimezone(JST).date()
    tse = [market for market in Market if market.is_tse]
    universes = [load_universe(market, today, imported_dir=folder, known_at=known_at) for market in tse]
    if not known_at:
        universes.append(load_own(folder, today, universes))
    found = search_listings(list_listings(universes, load_history(folder, known_at=known_at)), text)
    if session.is_json:
        # Dates are written as text.
        session.print_json({"items": orjson.loads(found.head(limit).write_json()), "total": found.height})
        return
    if not found.height:
        session.say("no listed symbol has {text} in its code, name or sector", text=text)
        return
    rows = found.head(limit).to_dicts()
    # Lists of JPX have no English names.
    names = [name for name in _FOUND if name != "name_en" or any(row[name] for row in rows)]
    table = new_table(session.words, *names, whole={"symbol", "market"})
    for row in rows:
        add_row(table, *(str(row[name] or "") for name in names))
    session.show(table)
    if found.height > limit:
        session.say("{left:,} more; --limit shows them", left=found.height - limit)


@app.command("history")
def show_history(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="such as 7203")],
    as_of: AsOf = None,
    *,
    json: Json = False,
) -> None:
    """Show when a symbol was listed, and in which market, by the shipped and imported lists."""
    from kaboom.market.lists.history import load_history  # noqa: PLC0415  the lists, which other commands do without

    session: Session = context.obj.with_json(json)
    history = load_history(load_settings().symbols_dir, known_at=parse_as_of(as_of))
    spans = history.validities(parse_symbol(symbol))
    if session.is_json:
        session.print_json({"symbol": parse_symbol(symbol), "items": [asdict(span) for span in spans]})
    elif not spans:
        session.say(
            "no list names {symbol}; import JPX's list of another date: kaboom symbols import data_j.xls",
            symbol=parse_symbol(symbol),
        )
    else:
        session.show(_span_table(session.words, spans))


def _span_table(words: Speaker, spans: "Sequence[Validity]") -> Table:
    rows = [asdict(span) for span in spans]
    # Most symbols never moved, left or were renamed.
    names = [name for name in _SPAN if any(row[name] for row in rows)]
    table = new_table(words, *names, whole={"market", "first_seen", "last_seen"})
    for row in rows:
        add_row(table, *(str(row[name] or "") for name in names))
    return table

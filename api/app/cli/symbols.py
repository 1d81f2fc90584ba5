"""`kaboom symbols`: the lists of what is listed."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json
from app.cli.session import Session
from app.settings import load_settings

app = typer.Typer(help="Manage the symbol lists.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `import` a subcommand while it is the only one."""


@app.command("import")
def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JPX's list of listed issues: data_j.xls, .xlsx or .csv")],
    *,
    json: Json = False,
) -> None:
    """Import JPX's own list; runs of its date and later use it as their universe."""
    from batch.market.jpx import import_listings  # noqa: PLC0415  no other command reads workbooks

    session: Session = context.obj.with_json(json)
    summary = import_listings(file, load_settings().symbols_dir)
    counts = {str(market): count for market, count in summary.counts.items()}
    if session.is_json:
        session.print_json({"as_of": summary.as_of, "counts": counts, "path": str(summary.path)})
        return
    for market, count in counts.items():
        session.out.print(f"{market:<14} {count:>6,}", markup=False)
    session.say("imported", count=sum(counts.values()), as_of=summary.as_of, path=summary.path)

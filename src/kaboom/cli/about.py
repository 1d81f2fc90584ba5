"""`kaboom config show` and `kaboom openapi`: the settings, and the description of the API."""

import typer

from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_list
from kaboom.cli.session import Session
from kaboom.operations.settings import redact_settings
from kaboom.settings import load_settings
from kaboom.web.auth.tokens import make_ingest_token

app = typer.Typer(help="Show the settings.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `show` a subcommand while it is the only one."""


@app.command("show")
def show_config(context: typer.Context, *, json: Json = False) -> None:
    """Show the settings on this machine: from the environment, else from the Kaboom that runs here."""
    session: Session = context.obj.with_json(json)
    values = redact_settings(load_settings())
    if session.print_if_json(values):
        return
    table = new_list()
    for name, value in sorted(values.items()):
        add_row(table, name, "" if value is None else str(value))
    session.show(table)


def openapi(context: typer.Context) -> None:
    """Print the OpenAPI description of the HTTP API."""
    from kaboom.main import create_app  # noqa: PLC0415  no other command builds the API

    session: Session = context.obj
    # The token is not used for any call.
    session.print_json(create_app(load_settings(INGEST_API_TOKEN=make_ingest_token())).openapi())

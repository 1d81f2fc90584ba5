"""`kaboom user`: add, list, change and disable the users who log in with a password."""

import sys
from typing import Annotated, Any

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.lookup import find_id
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.web.auth.scopes import Role

app = typer.Typer(help="Manage the users who log in with a password.", no_args_is_help=True)

USERS = "/api/v1/users"
Named = Annotated[str, typer.Argument(metavar="USER", help="its name or its id")]


@app.command("add")
def add_user(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="an e-mail address or a name")],
    role: Annotated[Role, typer.Option(help="viewer, operator or admin")] = Role.VIEWER,
    *,
    json: Json = False,
) -> None:
    """Add a user. Asks for the password, or reads it from stdin."""
    session: Session = context.obj.with_json(json)
    body = {"name": name, "role": role.value, "password": _read_password(session)}
    _show(session, [session.client().call("POST", USERS, json=body)])


@app.command("list")
def list_users(context: typer.Context, *, json: Json = False) -> None:
    """List the users."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", USERS)
    if not session.print_if_json_or_empty(found, "no users: add one with `kaboom user add`"):
        _show(session, found["items"])


@app.command("role")
def change_role(context: typer.Context, user: Named, role: Role, *, json: Json = False) -> None:
    """Give a user another role; it holds at once."""
    _change(context.obj.with_json(json), user, role=role.value)


@app.command("disable")
def disable(context: typer.Context, user: Named, *, json: Json = False) -> None:
    """Refuse a user from now on, with all that the user had logged in with."""
    _change(context.obj.with_json(json), user, is_disabled=True)


@app.command("enable")
def enable(context: typer.Context, user: Named, *, json: Json = False) -> None:
    """Let a disabled user log in again."""
    _change(context.obj.with_json(json), user, is_disabled=False)


@app.command("password")
def change_password(context: typer.Context, user: Named, *, json: Json = False) -> None:
    """Give a user another password, and log the user out everywhere. Asks for it, or reads it from stdin."""
    session: Session = context.obj.with_json(json)
    _change(session, user, password=_read_password(session))


def _change(session: Session, user: str, **values: Any) -> None:
    user_id = find_id(session, USERS, user.casefold(), missing="no user {wanted}; there are: {names}")
    _show(session, [session.client().call("PATCH", f"{USERS}/{user_id}", json=values)])


def _read_password(session: Session) -> str:
    """Return a password that is typed twice, or the first line of stdin."""
    if sys.stdin.isatty():
        prompt = session.words.say("Password")
        again = session.words.say("Again")
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=again, err=True))
    if not (password := sys.stdin.readline().rstrip("\r\n")):
        raise CliError(Exit.USAGE, session.words.say("no password on stdin"))
    return password


def _show(session: Session, users: list[dict[str, Any]]) -> None:
    if session.print_if_json(users[0]):
        return
    table = new_table(session.words, "name", "role", "on", "id", whole={"id"})
    for user in users:
        is_on = session.words.say("no" if user["is_disabled"] else "yes")
        add_row(table, user["name"], user["role"], is_on, user["id"])
    session.show(table)

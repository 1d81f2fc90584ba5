"""`kaboom session`: list and end the sessions of browsers."""

from typing import Annotated

import typer

from kaboom.accounts.cli.users import USERS
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.lookup import find_id
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.times import to_jst
from kaboom.cli.session import Session

app = typer.Typer(help="List and end the sessions of browsers.", no_args_is_help=True)

_OWN, _ALL = "/api/v1/me/sessions", "/api/v1/sessions"
Everybody = Annotated[bool, typer.Option("--all", help="those of everybody, which needs the scope admin")]


@app.command("list")
def list_sessions(context: typer.Context, *, everybody: Everybody = False, json: Json = False) -> None:
    """List the sessions of browsers that the token has opened, or all; times are JST."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", _ALL if everybody else _OWN)
    if session.print_if_json_or_empty(found, "no browser is logged in"):
        return
    names = ("id", "user", "logged in by", "address", "browser", "last (JST)", "expires (JST)")
    table = new_table(session.words, *names, whole={"id"})
    for each in found["items"]:
        by = session.words.code("login", each["logged_in_by"])
        times = (to_jst(each[name]) for name in ("seen_at", "expires_at"))
        add_row(table, each["id"], each["name"], by, each["address"], each["agent"], *times)
    session.show(table)


@app.command("end")
def end_session(
    context: typer.Context,
    session_id: Annotated[str | None, typer.Argument(help="the id of a session, as `list` shows it")] = None,
    *,
    user: Annotated[str | None, typer.Option(help="end all sessions and JWTs of this user instead")] = None,
    everybody: Everybody = False,
) -> None:
    """End a session of a browser, or log a user out everywhere; it holds within 5 s in every process."""
    session: Session = context.obj
    if (session_id is None) is (user is None):
        raise CliError(
            Exit.USAGE,
            session.words.say("expected the id of a session, or --user NAME: `kaboom session list` shows the ids"),
        )
    if user is not None:
        user_id = find_id(session, USERS, user.casefold(), missing="no user {wanted}; there are: {names}")
        session.client().call("DELETE", f"{USERS}/{user_id}/sessions")
        session.say("{user} was logged out everywhere; it holds within 5 s in every process", user=user)
        return
    session.client().call("DELETE", f"{_ALL if everybody else _OWN}/{session_id}")
    session.say("session {session_id} ended; every process refuses it within 5 s", session_id=session_id)

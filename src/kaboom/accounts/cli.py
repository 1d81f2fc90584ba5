"""`kaboom user`, `kaboom session` and `kaboom token`: who may call the API, and the values of its secrets."""

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.lookup import find_id
from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session
from kaboom.drivers.clock import utc_now
from kaboom.jobs.callbacks.url_guard import WEBHOOK_SECRET_PREFIX, make_webhook_secret, parse_secrets
from kaboom.web.auth.scopes import Role, Scope
from kaboom.web.auth.tokens import make_ingest_token, parse_ingest_tokens

users_app = typer.Typer(help="Manage the users who log in with a password.", no_args_is_help=True)

USERS = "/api/v1/users"
Named = Annotated[str, typer.Argument(metavar="USER", help="its name or its id")]


@users_app.command("add")
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
    _show_users(session, [session.client().call("POST", USERS, json=body)])


@users_app.command("list")
def list_users(context: typer.Context, *, json: Json = False) -> None:
    """List the users."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", USERS)
    if not session.print_if_json_or_empty(found, "no users: add one with `kaboom user add`"):
        _show_users(session, found["items"])


@users_app.command("role")
def change_role(context: typer.Context, user: Named, role: Role, *, json: Json = False) -> None:
    """Give a user another role; it holds at once."""
    _change(context.obj.with_json(json), user, role=role.value)


@users_app.command("disable")
def disable(context: typer.Context, user: Named, *, json: Json = False) -> None:
    """Refuse a user from now on, with all that the user had logged in with."""
    _change(context.obj.with_json(json), user, is_disabled=True)


@users_app.command("enable")
def enable(context: typer.Context, user: Named, *, json: Json = False) -> None:
    """Let a disabled user log in again."""
    _change(context.obj.with_json(json), user, is_disabled=False)


@users_app.command("password")
def change_password(context: typer.Context, user: Named, *, json: Json = False) -> None:
    """Give a user another password, and log the user out everywhere. Asks for it, or reads it from stdin."""
    session: Session = context.obj.with_json(json)
    _change(session, user, password=_read_password(session))


def _change(session: Session, user: str, **values: Any) -> None:
    user_id = find_id(session, USERS, user.casefold(), missing="no user {wanted}; there are: {names}")
    _show_users(session, [session.client().call("PATCH", f"{USERS}/{user_id}", json=values)])


def _read_password(session: Session) -> str:
    """Return a password that is typed twice, or the first line of stdin."""
    if sys.stdin.isatty():
        prompt = session.words.say("Password")
        again = session.words.say("Again")
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=again, err=True))
    if not (password := sys.stdin.readline().rstrip("\r\n")):
        raise CliError(Exit.USAGE, session.words.say("no password on stdin"))
    return password


def _show_users(session: Session, users: list[dict[str, Any]]) -> None:
    if session.print_if_json(users[0]):
        return
    table = new_table(session.words, "name", "role", "on", "id", whole={"id"})
    for user in users:
        is_on = session.words.say("no" if user["is_disabled"] else "yes")
        add_row(table, user["name"], user["role"], is_on, user["id"])
    session.show(table)


sessions_app = typer.Typer(help="List and end the sessions of browsers.", no_args_is_help=True)

_OWN, _ALL = "/api/v1/me/sessions", "/api/v1/sessions"
Everybody = Annotated[bool, typer.Option("--all", help="those of everybody, which needs the scope admin")]


@sessions_app.command("list")
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


@sessions_app.command("end")
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


TOKENS = "/api/v1/tokens"
#: The list warns of tokens that expire within these days.
SOON_DAYS = 14

tokens_app = typer.Typer(
    help="Make, list, rotate and revoke tokens and webhook secrets. Values of settings are read from stdin.",
    no_args_is_help=True,
)


@tokens_app.command("new")
def new_token(
    context: typer.Context,
    *,
    webhook: Annotated[bool, typer.Option("--webhook", help="make a webhook secret instead")] = False,
    name: Annotated[str | None, typer.Option(help="make a token that the API keeps, with this name")] = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="what it allows, such as ingest (repeatable)")] = None,
    expires_days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="days until it expires, or never (default: 90)")
    ] = None,
    json: Json = False,
) -> None:
    """Print a new token: for INGEST_API_TOKEN, or with --name one that works at once and can be revoked."""
    if name is not None:
        _create_token(context.obj.with_json(json), name, scope or [], expires_days)
        return
    _print_value(context.obj.with_json(json), [make_webhook_secret() if webhook else make_ingest_token()])


@tokens_app.command("rotate")
def rotate_token(context: typer.Context, *, json: Json = False) -> None:
    """Put a new token or webhook secret before the current one; both are valid. Reads the current value from stdin."""
    session: Session = context.obj.with_json(json)
    kept = _read_values(session)
    if len(kept) > 1:
        raise CliError(
            Exit.CONFLICT,
            session.words.say(
                "the value already holds {count} tokens: switch all callers to the first, then run "
                "`kaboom token revoke`",
                count=len(kept),
            ),
        )
    _print_value(session, [make_webhook_secret() if _is_webhook_secret(kept[0]) else make_ingest_token(), *kept])
    session.say("save both and restart with them; then switch all callers to the first, and run `kaboom token revoke`")


@tokens_app.command("revoke")
def revoke_token(
    context: typer.Context,
    token_id: Annotated[str | None, typer.Argument(help="the id of a token that the API keeps")] = None,
    *,
    json: Json = False,
) -> None:
    """Revoke a token by its id; without one, keep only the first value of a setting, read from stdin."""
    session: Session = context.obj.with_json(json)
    if token_id is not None:
        revoked = session.client().call("DELETE", f"{TOKENS}/{token_id}")
        session.print_if_json(revoked)
        session.say("token {token_id} revoked; every process refuses it within 5 s", token_id=revoked["id"])
        return
    kept = _read_values(session)
    if len(kept) == 1:
        raise CliError(
            Exit.CONFLICT,
            session.words.say(
                "the value holds only one token, and nothing would replace it: run `kaboom token rotate` first"
            ),
        )
    _print_value(session, kept[:1])
    session.say(
        "{count} removed; still valid until all processes have restarted with the new value", count=len(kept) - 1
    )


@tokens_app.command("list")
def list_tokens(context: typer.Context, *, json: Json = False) -> None:
    """List the tokens that the API keeps, newest first, with what each allows now; times are JST."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", TOKENS)
    if session.print_if_json_or_empty(found, "no tokens: make one with `kaboom token new --name NAME --scope ingest`"):
        return
    words = session.words
    table = new_table(words, "id", "name", "state", "scopes", "last (JST)", "expires (JST)", whole={"id"})
    for token in found["items"]:
        expiry = to_jst(token["expires_at"]) if token["expires_at"] else words.say("never")
        state = words.code("token", token["state"])
        add_row(
            table,
            token["id"],
            token["name"],
            state,
            " ".join(token["scopes_now"]),
            to_jst(token["last_used_at"]),
            expiry,
        )
    session.show(table)
    soon = [token["name"] for token in found["items"] if token["state"] == "active" and _ends_soon(token)]
    if soon:
        session.say(
            "expiring within {days} days: {names}; make new ones with `kaboom token new`",
            names=", ".join(soon),
            days=SOON_DAYS,
        )


def _ends_soon(token: Mapping[str, Any]) -> bool:
    at = token["expires_at"]
    return bool(at) and datetime.fromisoformat(at) < utc_now() + timedelta(days=SOON_DAYS)


def _create_token(session: Session, name: str, scopes: list[Scope], days: str | None) -> None:
    expires_days = int(days) if days and days.isdecimal() else days
    body = given(name=name, scopes=[scope.value for scope in scopes], expires_days=expires_days)
    made = session.client().call("POST", TOKENS, json=body)
    if session.print_if_json(made):
        return
    sys.stdout.write(f"{made['token']}\n")
    session.say("token {token_id} created; its value is shown only this once", token_id=made["id"])
    if made["expires_at"]:
        session.say("it expires at {at} JST", at=to_jst(made["expires_at"]))


def _read_values(session: Session) -> list[str]:
    """Return the tokens or secrets of stdin, after checking that each is valid."""
    text = "" if sys.stdin.isatty() else sys.stdin.read()
    kept = text.split()
    if not kept:
        raise CliError(
            Exit.USAGE,
            session.words.say("no value on stdin: pipe one in, such as: kaboom token rotate < .kaboom/ingest-token"),
        )
    if _is_webhook_secret(kept[0]):
        parse_secrets(text)
    else:
        parse_ingest_tokens(text)
    return kept


def _is_webhook_secret(text: str) -> bool:
    return text.startswith(WEBHOOK_SECRET_PREFIX)


def _print_value(session: Session, tokens: list[str]) -> None:
    value = " ".join(tokens)
    if not session.print_if_json({"value": value}):
        sys.stdout.write(f"{value}\n")

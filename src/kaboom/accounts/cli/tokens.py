"""`kaboom token`: tokens that the API keeps, and values of INGEST_API_TOKEN and KABOOM_WEBHOOK_SECRET."""

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.times import to_jst
from kaboom.cli.session import Session
from kaboom.drivers.clock import utc_now
from kaboom.jobs.callbacks.callback import WEBHOOK_SECRET_PREFIX, make_webhook_secret, parse_secrets
from kaboom.web.auth.ingest_tokens import make_ingest_token, parse_ingest_tokens
from kaboom.web.auth.scopes import Scope

TOKENS = "/api/v1/tokens"
#: The list warns of tokens that expire within these days.
SOON_DAYS = 14

app = typer.Typer(
    help="Make, list, rotate and revoke tokens and webhook secrets. Values of settings are read from stdin.",
    no_args_is_help=True,
)


@app.command("new")
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
        _create(context.obj.with_json(json), name, scope or [], expires_days)
        return
    _print(context.obj.with_json(json), [make_webhook_secret() if webhook else make_ingest_token()])


@app.command("rotate")
def rotate_token(context: typer.Context, *, json: Json = False) -> None:
    """Put a new token or webhook secret before the current one; both are valid. Reads the current value from stdin."""
    session: Session = context.obj.with_json(json)
    kept = _read(session)
    if len(kept) > 1:
        raise CliError(
            Exit.CONFLICT,
            session.words.say(
                "the value already holds {count} tokens: switch all callers to the first, then run "
                "`kaboom token revoke`",
                count=len(kept),
            ),
        )
    _print(session, [make_webhook_secret() if _is_webhook_secret(kept[0]) else make_ingest_token(), *kept])
    session.say("save both and restart with them; then switch all callers to the first, and run `kaboom token revoke`")


@app.command("revoke")
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
    kept = _read(session)
    if len(kept) == 1:
        raise CliError(
            Exit.CONFLICT,
            session.words.say(
                "the value holds only one token, and nothing would replace it: run `kaboom token rotate` first"
            ),
        )
    _print(session, kept[:1])
    session.say(
        "{count} removed; still valid until all processes have restarted with the new value", count=len(kept) - 1
    )


@app.command("list")
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


def _create(session: Session, name: str, scopes: list[Scope], days: str | None) -> None:
    expires_days = int(days) if days and days.isdecimal() else days
    body = given(name=name, scopes=[scope.value for scope in scopes], expires_days=expires_days)
    made = session.client().call("POST", TOKENS, json=body)
    if session.print_if_json(made):
        return
    sys.stdout.write(f"{made['token']}\n")
    session.say("token {token_id} created; its value is shown only this once", token_id=made["id"])
    if made["expires_at"]:
        session.say("it expires at {at} JST", at=to_jst(made["expires_at"]))


def _read(session: Session) -> list[str]:
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


def _print(session: Session, tokens: list[str]) -> None:
    value = " ".join(tokens)
    if not session.print_if_json({"value": value}):
        sys.stdout.write(f"{value}\n")

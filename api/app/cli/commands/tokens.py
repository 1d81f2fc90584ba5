"""`kaboom token`: make, rotate and revoke values of INGEST_API_TOKEN and KABOOM_WEBHOOK_SECRET."""

import sys
from typing import Annotated

import typer

from app.auth.ingest_tokens import make_ingest_token, parse_ingest_tokens
from app.cli.exits import CliError, Exit
from app.cli.options import Json
from app.cli.session import Session
from batch.notify.signing import WEBHOOK_SECRET_PREFIX, make_webhook_secret, parse_secrets

app = typer.Typer(
    help="Make, rotate and revoke ingest tokens and webhook secrets. Values are read from stdin.",
    no_args_is_help=True,
)


@app.command("new")
def new_token(
    context: typer.Context,
    *,
    webhook: Annotated[bool, typer.Option("--webhook", help="make a webhook secret instead")] = False,
    json: Json = False,
) -> None:
    """Print a new ingest token of 32 random bytes."""
    _print(context.obj.with_json(json), [make_webhook_secret() if webhook else make_ingest_token()])


@app.command("rotate")
def rotate_token(context: typer.Context, *, json: Json = False) -> None:
    """Put a new token or webhook secret before the current one; both are valid. Reads the current value from stdin."""
    session: Session = context.obj.with_json(json)
    kept = _read(session)
    if len(kept) > 1:
        raise CliError(Exit.CONFLICT, session.words.say("token_rotates", count=len(kept)))
    _print(session, [make_webhook_secret() if _is_webhook_secret(kept[0]) else make_ingest_token(), *kept])
    session.say("token_rotated")


@app.command("revoke")
def revoke_token(context: typer.Context, *, json: Json = False) -> None:
    """Keep only the first token and revoke the others. Reads the current value from stdin."""
    session: Session = context.obj.with_json(json)
    kept = _read(session)
    if len(kept) == 1:
        raise CliError(Exit.CONFLICT, session.words.say("token_alone"))
    _print(session, kept[:1])
    session.say("token_revoked", count=len(kept) - 1)


def _read(session: Session) -> list[str]:
    """Return the tokens or secrets of stdin, each of which is valid."""
    text = "" if sys.stdin.isatty() else sys.stdin.read()
    kept = text.split()
    if not kept:
        raise CliError(Exit.USAGE, session.words.say("token_missing"))
    if _is_webhook_secret(kept[0]):
        parse_secrets(text)
    else:
        parse_ingest_tokens(text)
    return kept


def _is_webhook_secret(text: str) -> bool:
    return text.startswith(WEBHOOK_SECRET_PREFIX)


def _print(session: Session, tokens: list[str]) -> None:
    value = " ".join(tokens)
    if session.is_json:
        session.print_json({"value": value})
    else:
        sys.stdout.write(f"{value}\n")

"""`kaboom webhooks`: list, show, replay."""

from typing import Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table, to_jst_line
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

app = typer.Typer(help="List the webhooks of jobs, and send them again.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="msg_ and 32 hex digits, as the list prints them")]
_WEBHOOKS = "/api/v1/ingest/webhooks"


@app.command("list")
def list_webhooks(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="waiting, pending, delivered or dead (repeatable)")] = None,
    job: Annotated[str | None, typer.Option(help="only the webhooks of this job")] = None,
    limit: Annotated[int, typer.Option(help="webhooks on one page", min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the previous page")] = None,
    *,
    json: Json = False,
) -> None:
    """List webhooks, newest first."""
    session: Session = context.obj.with_json(json)
    params = given(limit=limit, status=status or [], job_id=job or None, cursor=cursor or None)
    page = session.client().call("GET", _WEBHOOKS, params=params)
    if not session.print_if_json_or_empty(
        page, "no webhooks; request one: kaboom ingest run-daily --callback-url https://…"
    ):
        session.show(_webhook_table(session.words, page["items"]))


@app.command("show")
def show_webhook(context: typer.Context, webhook_id: WebhookId, *, json: Json = False) -> None:
    """Show one webhook; times are JST."""
    session: Session = context.obj.with_json(json)
    webhook = session.client().call("GET", f"{_WEBHOOKS}/{webhook_id}")
    if session.print_if_json(webhook):
        return
    for name, value in webhook.items():
        shown = to_jst_line(value, "seconds") if name.endswith("_at") else value
        if name != "links":
            session.show(f"{name:<16}{'' if shown is None else shown}")


@app.command("replay")
def replay_webhook(context: typer.Context, webhook_id: WebhookId, *, json: Json = False) -> None:
    """Send a delivered or dead webhook again."""
    session: Session = context.obj.with_json(json)
    webhook = session.client().call("POST", f"{_WEBHOOKS}/{webhook_id}/replay")
    if not session.print_if_json(webhook):
        session.show(f"{webhook['id']}  {session.words.coded('webhook', webhook['status'])}")
        session.say("webhook {webhook_id} is sent again; see: kaboom webhooks show {webhook_id}", webhook_id=webhook_id)


def _webhook_table(words: Speaker, webhooks: list[dict[str, Any]]) -> Table:
    names = ("webhook", "job", "status", "attempts", "last result")
    table = new_table(words, *names, right={"attempts"}, whole={"webhook", "job"})
    for webhook in webhooks:
        last = webhook["last_error"] or str(webhook["last_status"] or "")
        status = words.coded("webhook", webhook["status"])
        add_row(table, webhook["id"], webhook["job_id"], status, str(webhook["attempts"]), last)
    return table

"""`kaboom webhooks`: list, show, replay."""

from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli.client import INGEST
from app.cli.options import Json
from app.cli.output.text import add_row
from app.cli.session import Session

app = typer.Typer(help="Look at the webhooks about jobs, and send them again.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="msg_ and 32 hex digits, as the list prints them")]
_WEBHOOKS = f"{INGEST}/webhooks"


@app.command("list")
def list_webhooks(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="waiting, pending, delivered or dead (repeatable)")] = None,
    job: Annotated[str | None, typer.Option(help="only those about this job")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before")] = None,
    *,
    json: Json = False,
) -> None:
    """List webhooks, newest first."""
    session: Session = context.obj.with_json(json)
    params: dict[str, Any] = {"limit": limit, "status": status or []}
    params |= {name: value for name, value in {"job_id": job, "cursor": cursor}.items() if value}
    page = session.client().call("GET", _WEBHOOKS, params=params)
    if session.is_json:
        session.print_json(page)
    elif not page["items"]:
        session.say("no_webhooks")
    else:
        session.show(_webhook_table(page["items"]))


@app.command("show")
def show_webhook(context: typer.Context, webhook_id: WebhookId, *, json: Json = False) -> None:
    """Show one webhook."""
    session: Session = context.obj.with_json(json)
    webhook = session.client().call("GET", f"{_WEBHOOKS}/{webhook_id}")
    if session.is_json:
        session.print_json(webhook)
        return
    for name, value in webhook.items():
        if name != "links":
            session.show(f"{name:<16}{'' if value is None else value}")


@app.command("replay")
def replay_webhook(context: typer.Context, webhook_id: WebhookId, *, json: Json = False) -> None:
    """Send a webhook that was delivered or given up again."""
    session: Session = context.obj.with_json(json)
    webhook = session.client().call("POST", f"{_WEBHOOKS}/{webhook_id}/replay")
    if session.is_json:
        session.print_json(webhook)
    else:
        session.show(f"{webhook['id']}  {webhook['status']}")
        session.say("webhook_replayed", webhook_id=webhook_id)


def _webhook_table(webhooks: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("webhook", "job", "status"):
        table.add_column(name, no_wrap=True)
    table.add_column("attempts", justify="right")
    table.add_column("last word")
    for webhook in webhooks:
        last = webhook["last_error"] or str(webhook["last_status"] or "")
        cells = (webhook["id"], webhook["job_id"], webhook["status"], str(webhook["attempts"]), last)
        add_row(table, *cells)
    return table

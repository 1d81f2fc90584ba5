"""`kaboom schedules`: list, show, add, enable, disable, run, remove."""

from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from app.cli.client import SCHEDULES, ApiClient
from app.cli.commands.following import follow, parse_pair
from app.cli.exits import CliError, Exit
from app.cli.options import Json
from app.cli.output.text import add_row
from app.cli.session import Session
from batch.market.calendar import JST

app = typer.Typer(help="Submit jobs by themselves: each session, or by cron.", no_args_is_help=True)

_RUN_DAILY = "ingest.run_daily"

Named = Annotated[str, typer.Argument(metavar="SCHEDULE", help="its name or its id")]


@app.command("list")
def list_schedules(context: typer.Context, *, json: Json = False) -> None:
    """List all schedules."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", SCHEDULES)
    if session.is_json:
        session.print_json(found)
    elif not found["items"]:
        session.say("no_schedules")
    else:
        session.show(_schedule_table(found["items"]))


@app.command("show")
def show_schedule(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Show one schedule: when it falls due next, and what became of the last times."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    found = client.call("GET", _path(client, schedule))
    if session.is_json:
        session.print_json(found)
        return
    session.show(_schedule_table([found]))
    session.show(f"request: {found['request']}")
    session.show(f"missed: {found['missed']}, at most {found['max_late_h']} h late")
    session.show("next (JST): " + ", ".join(_jst(at) for at in found["next_due"]))
    if found["firings"]:
        session.show(_firing_table(found["firings"]))
    if not found["is_enabled"]:
        session.say("schedule_is_off", schedule=found["name"])


@app.command("add")
def add_schedule(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="what to call it")],
    session_at: Annotated[str | None, typer.Option(help="HH:MM of each trading session, JST")] = None,
    cron: Annotated[str | None, typer.Option(help="or five cron fields, JST, such as '0 18 * * 5'")] = None,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length and sessions back, such as 1m=1 (repeatable)")
    ] = None,
    market: Annotated[str, typer.Option(help="TSE_PRIME, TSE_STANDARD, TSE_GROWTH or FILE")] = "TSE_PRIME",
    symbol: Annotated[list[str] | None, typer.Option(help="only this symbol (repeatable)")] = None,
    provider: Annotated[str | None, typer.Option(help="source of bars (default: the server's)")] = None,
    task: Annotated[str, typer.Option(help="what to submit, such as market_data.mirror")] = "ingest.run_daily",
    request_json: Annotated[
        str | None, typer.Option("--request", help="the body of another task's route, as JSON (default: {})")
    ] = None,
    missed: Annotated[str, typer.Option(help="latest, skip or all: what to do about missed times")] = "latest",
    max_late_h: Annotated[int, typer.Option(help="hours after which a missed time is let go")] = 72,
    *,
    disabled: Annotated[bool, typer.Option("--disabled", help="keep it off for now")] = False,
    json: Json = False,
) -> None:
    """Add a request that submits itself: a daily ingest, or what --task names."""
    session: Session = context.obj.with_json(json)
    if task == _RUN_DAILY:
        intervals = dict(parse_pair(text) for text in interval or ["1m=1"])
        request = {"intervals": intervals, "market": market, "symbols": symbol, "provider": provider}
    else:
        request = _parse_request(request_json or "{}")
    body: dict[str, Any] = {"session_at": session_at, "cron": cron, "missed": missed, "max_late_h": max_late_h}
    body |= {"name": name, "task": task, "is_enabled": not disabled}
    body["request"] = {name: value for name, value in request.items() if value}
    _print_changed(session, session.client().call("POST", SCHEDULES, json=body))


@app.command("enable")
def enable(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Let a schedule fire from its next due time on."""
    _switch(context.obj.with_json(json), schedule, is_enabled=True)


@app.command("disable")
def disable(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Keep a schedule from firing; jobs that it started go on."""
    _switch(context.obj.with_json(json), schedule, is_enabled=False)


@app.command("run")
def run(
    context: typer.Context,
    schedule: Named,
    *,
    wait: Annotated[bool, typer.Option(help="follow the job to its end")] = False,
    json: Json = False,
) -> None:
    """Submit its request now; its due times stay as they are."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    accepted = client.call("POST", f"{_path(client, schedule)}/run")
    if wait:
        follow(session, accepted["job_id"])
    if session.is_json:
        session.print_json(accepted)
        return
    session.show(f"{accepted['job_id']}  {accepted['status']}")
    session.say("detached", job_id=accepted["job_id"])


@app.command("remove")
def remove(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Delete a schedule and its history; its jobs stay."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    path = _path(client, schedule)
    client.call("DELETE", path)
    if session.is_json:
        session.print_json({"schedule_id": path.rpartition("/")[2], "status": "deleted"})
    session.say("schedule_removed", schedule=schedule)


def _parse_request(text: str) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except ValueError as e:
        raise CliError(Exit.USAGE, f"--request was {text[:80]!r}, expected JSON: {e}") from e
    if not isinstance(request, dict):
        raise CliError(Exit.USAGE, f"--request was {text[:80]!r}, expected a JSON object")
    return request


def _switch(session: Session, schedule: str, *, is_enabled: bool) -> None:
    client = session.client()
    _print_changed(session, client.call("PATCH", _path(client, schedule), json={"is_enabled": is_enabled}))


def _path(client: ApiClient, schedule: str) -> str:
    """Return the path of a schedule by its name or id; a name wins."""
    items = client.call("GET", SCHEDULES)["items"]
    ids = [item["schedule_id"] for item in items if item["name"] == schedule]
    ids += [item["schedule_id"] for item in items if item["schedule_id"] == schedule]
    if not ids:
        names = ", ".join(repr(item["name"]) for item in items) or "none"
        raise CliError(Exit.NOT_FOUND, f"schedule {schedule!r} does not exist; there are: {names}")
    return f"{SCHEDULES}/{ids[0]}"


def _print_changed(session: Session, schedule: dict[str, Any]) -> None:
    if session.is_json:
        session.print_json(schedule)
        return
    session.show(_schedule_table([schedule]))
    if schedule["is_enabled"] and schedule["next_at"]:
        session.say("schedule_is_on", schedule=schedule["name"], next_at=_jst(schedule["next_at"]))
    else:
        session.say("schedule_is_off", schedule=schedule["name"])


def _schedule_table(schedules: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("name", "when (JST)", "on", "next (JST)", "last (JST)", "last job", "task"):
        table.add_column(name, overflow="fold")
    for item in schedules:
        when = f"session {item['session_at']}" if item["kind"] == "session" else f"cron {item['cron']}"
        is_on = "yes" if item["is_enabled"] else "no"
        last = (_jst(item["last_at"]), item["last_job_id"] or "")
        add_row(table, item["name"], when, is_on, _jst(item["next_at"]), *last, item["task"])
    return table


def _firing_table(firings: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("due (JST)", "outcome", "job", "reason"):
        table.add_column(name, overflow="fold")
    for item in firings:
        outcome = f"{item['outcome']} (by hand)" if item["is_manual"] else item["outcome"]
        add_row(table, _jst(item["due_at"]), outcome, item["job_id"] or "", item["reason"])
    return table


def _jst(text: str | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone(JST):%Y-%m-%d %H:%M}" if text else ""

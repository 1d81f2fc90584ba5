"""`kaboom schedules`: list, show, add, enable, disable, run, remove."""

from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.job_follower import follow, parse_pair, print_state
from kaboom.cli.lookup import find_id
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session
from kaboom.market.listing import default_interval
from kaboom.text.catalogue import gettext_noop
from kaboom.text.speaker import Speaker

app = typer.Typer(help="Submit jobs automatically: after each session, or by cron.", no_args_is_help=True)

_SCHEDULES = "/api/v1/schedules"
_RUN_DAILY = "ingest.run_daily"

Named = Annotated[str, typer.Argument(metavar="SCHEDULE", help="its name or its id")]


@app.command("list")
def list_schedules(context: typer.Context, *, json: Json = False) -> None:
    """List all schedules."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", _SCHEDULES)
    if not session.print_if_json_or_empty(
        found, "no schedules yet; add one: kaboom schedules add 'daily ingest' --session-at 16:35"
    ):
        session.show(_schedule_table(session.words, found["items"]))


@app.command("show")
def show_schedule(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Show one schedule: its next due times, and the results of the last ones."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", _path(session, schedule))
    if session.print_if_json(found):
        return
    words = session.words
    session.show(_schedule_table(words, [found]))
    session.show(words.say("request: {request}", request=found["request"]))
    missed = words.coded("missed", found["missed"])
    session.show(
        words.say("missed: {missed}, at most {max_late_h} h late", missed=missed, max_late_h=found["max_late_h"])
    )
    session.show(words.say("next (JST): {times}", times=", ".join(to_jst(at) for at in found["next_due"])))
    if found["firings"]:
        session.show(_firing_table(words, found["firings"]))
    if not found["is_enabled"]:
        session.say(
            "{schedule} is disabled; enable it with: kaboom schedules enable '{schedule}'", schedule=found["name"]
        )


@app.command("add")
def add_schedule(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a name for the schedule")],
    session_at: Annotated[str | None, typer.Option(help="HH:MM on each trading session, JST")] = None,
    cron: Annotated[str | None, typer.Option(help="five cron fields instead, JST, such as '0 18 * * 5'")] = None,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length and sessions back, such as 1m=1 (repeatable)")
    ] = None,
    market: Annotated[str, typer.Option(help="TSE_PRIME, TSE_STANDARD, TSE_GROWTH, INDEX or FILE")] = "TSE_PRIME",
    symbol: Annotated[list[str] | None, typer.Option(help="only this symbol (repeatable)")] = None,
    provider: Annotated[str | None, typer.Option(help="source of bars (default: the server's)")] = None,
    task: Annotated[str, typer.Option(help="the task to submit, such as market_data.mirror")] = "ingest.run_daily",
    request_json: Annotated[
        str | None, typer.Option("--request", help="request of another task, as JSON (default: {})")
    ] = None,
    missed: Annotated[str, typer.Option(help="which missed times to run later: latest, skip or all")] = "latest",
    max_late_h: Annotated[int, typer.Option(help="hours after which a missed time is skipped")] = 72,
    *,
    disabled: Annotated[bool, typer.Option("--disabled", help="add it, but do not enable it")] = False,
    json: Json = False,
) -> None:
    """Add a schedule for a daily ingest, or for the task of --task."""
    session: Session = context.obj.with_json(json)
    if task == _RUN_DAILY:
        intervals = dict(parse_pair(text) for text in interval or [f"{default_interval(market)}=1"])
        request = {"intervals": intervals, "market": market, "symbols": symbol, "provider": provider}
    else:
        request = _parse_request(request_json or "{}")
    body: dict[str, Any] = {"session_at": session_at, "cron": cron, "missed": missed, "max_late_h": max_late_h}
    body |= {"name": name, "task": task, "is_enabled": not disabled}
    body["request"] = {name: value for name, value in request.items() if value}
    _print_changed(session, session.client().call("POST", _SCHEDULES, json=body))


@app.command("enable")
def enable(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Enable a schedule from its next due time on."""
    _switch(context.obj.with_json(json), schedule, is_enabled=True)


@app.command("disable")
def disable(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Disable a schedule; jobs that it started continue."""
    _switch(context.obj.with_json(json), schedule, is_enabled=False)


@app.command("run")
def run(
    context: typer.Context,
    schedule: Named,
    *,
    wait: Annotated[bool, typer.Option(help="follow the job until it ends")] = False,
    json: Json = False,
) -> None:
    """Submit the request of a schedule now; its due times do not change."""
    session: Session = context.obj.with_json(json)
    accepted = session.client().call("POST", f"{_path(session, schedule)}/run")
    if wait:
        follow(session, accepted["job_id"])
    print_state(
        session, accepted, "the job goes on; follow it with: kaboom jobs watch {job_id}", job_id=accepted["job_id"]
    )


@app.command("remove")
def remove(context: typer.Context, schedule: Named, *, json: Json = False) -> None:
    """Delete a schedule and its history; its jobs stay."""
    session: Session = context.obj.with_json(json)
    path = _path(session, schedule)
    session.client().call("DELETE", path)
    session.print_if_json({"schedule_id": path.rpartition("/")[2], "status": "deleted"})
    session.say("schedule {schedule} removed; its jobs stay", schedule=schedule)


def _parse_request(text: str) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except ValueError as e:
        raise CliError(Exit.USAGE, f"--request was {text[:80]!r}, expected JSON: {e}") from e
    if not isinstance(request, dict):
        raise CliError(Exit.USAGE, f"--request was {text[:80]!r}, expected a JSON object")
    return request


def _switch(session: Session, schedule: str, *, is_enabled: bool) -> None:
    changed = session.client().call("PATCH", _path(session, schedule), json={"is_enabled": is_enabled})
    _print_changed(session, changed)


def _path(session: Session, schedule: str) -> str:
    missing = gettext_noop("no schedule {wanted}; there are: {names}")
    return f"{_SCHEDULES}/{find_id(session, _SCHEDULES, schedule, missing=missing, key='schedule_id')}"


def _print_changed(session: Session, schedule: dict[str, Any]) -> None:
    if session.print_if_json(schedule):
        return
    session.show(_schedule_table(session.words, [schedule]))
    if not schedule["is_enabled"]:
        session.say(
            "{schedule} is disabled; enable it with: kaboom schedules enable '{schedule}'", schedule=schedule["name"]
        )
    elif schedule["next_at"]:
        session.say(
            "{schedule} fires next at {next_at} JST", schedule=schedule["name"], next_at=to_jst(schedule["next_at"])
        )


def _schedule_table(words: Speaker, schedules: list[dict[str, Any]]) -> Table:
    names = ("name", "when (JST)", "on", "next (JST)", "last (JST)", "last job", "task")
    table = new_table(words, *names, whole={"when (JST)", "on", "next (JST)"})
    for item in schedules:
        if item["kind"] == "session":
            when = words.say("session {at}", at=item["session_at"])
        else:
            when = words.say("cron {cron}", cron=item["cron"])
        is_on = words.say("yes" if item["is_enabled"] else "no")
        last = (to_jst(item["last_at"]), item["last_job_id"] or "")
        add_row(table, item["name"], when, is_on, to_jst(item["next_at"]), *last, item["task"])
    return table


def _firing_table(words: Speaker, firings: list[dict[str, Any]]) -> Table:
    table = new_table(words, "due (JST)", "outcome", "job", "reason")
    for item in firings:
        outcome = words.coded("firing", item["outcome"])
        if item["is_manual"]:
            outcome = words.say("{outcome} (by hand)", outcome=outcome)
        add_row(table, to_jst(item["due_at"]), outcome, item["job_id"] or "", words.detail(item["reason"]))
    return table

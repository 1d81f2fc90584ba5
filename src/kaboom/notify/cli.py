"""`kaboom notify`: channels, rules, the delivery log, tests and replays."""

import sys
from typing import Annotated, Any

import typer

from kaboom.cli.lookup import find_id
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

app = typer.Typer(help="Send events to Slack, Discord, LINE, Teams, e-mail or webhooks.", no_args_is_help=True)
API = "/api/v1/notifications"
Named = Annotated[str, typer.Argument(metavar="CHANNEL", help="its name or its id")]


@app.command("channels")
def list_channels(context: typer.Context, *, json: Json = False) -> None:
    """List all channels; their URLs are never shown."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", f"{API}/channels")
    if session.print_if_json_or_empty(
        found, "no channels yet; set one up: kaboom notify add-channel NAME, with its URL on stdin"
    ):
        return
    table = new_table(session.words, "name", "service", "on", "rests until (JST)", "id", whole={"id"})
    for each in found["items"]:
        where = f"{each['service']} {each['host']}".strip()
        is_on = session.words.say("yes" if each["is_enabled"] else "no")
        add_row(table, each["name"], where, is_on, to_jst(each["rests_until"]), each["id"])
    session.show(table)


@app.command("add-channel")
def add_channel(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a name for the channel")],
    *,
    webhook: Annotated[bool, typer.Option("--webhook", help="the URL takes signed webhooks")] = False,
    json: Json = False,
) -> None:
    """Set up a channel; its URL is read from stdin, so that it is in no history."""
    session: Session = context.obj.with_json(json)
    url = "" if sys.stdin.isatty() else sys.stdin.read().strip()
    body = {"name": name, "kind": "webhook" if webhook else "apprise", "url": url}
    made = session.client().call("POST", f"{API}/channels", json=body)
    if not session.print_if_json(made):
        session.say("channel {channel} is set up; test it: kaboom notify test '{channel}'", channel=name)


@app.command("rules")
def list_rules(context: typer.Context, *, json: Json = False) -> None:
    """List all rules, with what each sent in seven days."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    found = client.call("GET", f"{API}/rules")
    if session.print_if_json_or_empty(
        found, "no rules yet; add one: kaboom notify add-rule NAME --channel CHANNEL --event job_ended"
    ):
        return
    names = {each["id"]: each["name"] for each in client.call("GET", f"{API}/channels")["items"]}
    table = new_table(session.words, "name", "events", "channel", "when (JST)", "on", "sent", right={"sent"})
    for each in found["items"]:
        is_on = session.words.say("yes" if each["is_enabled"] else "no")
        what, when = ", ".join(each["events"]), _when(session.words, each)
        add_row(table, each["name"], what, names.get(each["channel_id"], ""), when, is_on, str(each["sent_7d"]))
    session.show(table)


@app.command("add-rule")
def add_rule(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a name for the rule")],
    channel: Annotated[str, typer.Option(help="name or id of the channel")],
    event: Annotated[list[str], typer.Option(help="kind of event, such as job_ended (repeatable)")],
    only: Annotated[list[str] | None, typer.Option(help="such as status=failed (repeatable)")] = None,
    quiet: Annotated[str | None, typer.Option(help="when nothing is sent, such as 22:00-07:00, JST")] = None,
    digest_at: Annotated[str | None, typer.Option(help="gather events until this time of day, JST")] = None,
    digest_minutes: Annotated[int | None, typer.Option(help="or for so many minutes of the day")] = None,
    deadline: Annotated[str | None, typer.Option(help="of data_incomplete: HH:MM, JST")] = None,
    lang_of_text: Annotated[
        str | None, typer.Option(help="language of the messages: ja or en (default: that of this command)")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Add a rule: which events go to which channel, and when."""
    session: Session = context.obj.with_json(json)
    channel_id = find_id(session, f"{API}/channels", channel, missing="no channel {wanted}; there are: {names}")
    body: dict[str, Any] = {"name": name, "channel_id": channel_id, "events": event}
    for field, _, value in (text.partition("=") for text in only or []):
        body.setdefault("only", {}).setdefault(field, []).append(value)
    if quiet is not None:
        body["quiet_from"], _, body["quiet_until"] = quiet.partition("-")
    body |= {"digest_at": digest_at, "digest_minutes": digest_minutes, "deadline": deadline}
    body["language"] = lang_of_text or session.words.language
    made = session.client().call("POST", f"{API}/rules", json=body)
    if not session.print_if_json(made):
        session.say("rule {rule} is on", rule=name)


@app.command("log")
def show_log(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="waiting, pending, delivered or dead (repeatable)")] = None,
    limit: Annotated[int, typer.Option(help="messages on one page", min=1, max=200)] = 20,
    *,
    json: Json = False,
) -> None:
    """List messages, newest first, and what became of each."""
    session: Session = context.obj.with_json(json)
    page = session.client().call("GET", f"{API}/messages", params={"limit": limit, "status": status or []})
    if session.print_if_json_or_empty(page, "no messages yet"):
        return
    names = ("message", "event", "status", "attempts", "last result")
    table = new_table(session.words, *names, right={"attempts"}, whole={"message"})
    for each in page["items"]:
        first = each["events"][0]["title"] if each["events"] else each["rule_name"]
        title = first if each["count"] == 1 else f"{each['rule_name']} ({each['count']})"
        last = session.words.detail(each["last_error"] or "") or str(each["last_status"] or "")
        add_row(table, each["id"], title, session.words.coded("message", each["status"]), str(each["attempts"]), last)
    session.show(table)


@app.command("test")
def send_test(context: typer.Context, channel: Named, *, json: Json = False) -> None:
    """Send a test through a channel."""
    session: Session = context.obj.with_json(json)
    channel_id = find_id(session, f"{API}/channels", channel, missing="no channel {wanted}; there are: {names}")
    _print_queued(session, session.client().call("POST", f"{API}/channels/{channel_id}/test"))


@app.command("replay")
def replay(
    context: typer.Context,
    message_id: Annotated[str, typer.Argument(help="msg_ and 32 hex digits, as the log prints them")],
    *,
    json: Json = False,
) -> None:
    """Send a delivered or dead message again."""
    session: Session = context.obj.with_json(json)
    _print_queued(session, session.client().call("POST", f"{API}/messages/{message_id}/replay"))


def _print_queued(session: Session, message: dict[str, Any]) -> None:
    if not session.print_if_json(message):
        session.say("message {message} is sent now; see what becomes of it: kaboom notify log", message=message["id"])


def _when(words: Speaker, rule: dict[str, Any]) -> str:
    parts = [words.say("now")]
    if rule["digest_at"]:
        parts = [words.say("digest {at}", at=rule["digest_at"])]
    elif rule["digest_minutes"]:
        parts = [words.say("digest every {minutes} min", minutes=rule["digest_minutes"])]
    if rule["quiet_from"]:
        parts.append(words.say("quiet {begins} to {ends}", begins=rule["quiet_from"], ends=rule["quiet_until"]))
    return words.say(" · ").join(parts)

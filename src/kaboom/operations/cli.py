"""`kaboom workers`, `alerts` and `providers`: what runs, what to look at, and where bars come from."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.local_store import closing
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session
from kaboom.drivers.clock import utc_now
from kaboom.market.outcome import Outcome
from kaboom.providers.registry import get_source_spec
from kaboom.settings import load_settings
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    from kaboom.providers.trial import Trial


_MIB = 2**20


def workers(context: typer.Context, *, json: Json = False) -> None:
    """Show the workers of the last 15 minutes, and the chunks that each runs now."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/workers")
    if not session.print_if_json_or_empty(
        found, "no worker has reported in the last 15 minutes; start one: kaboom worker"
    ):
        session.show(_worker_table(session.words, found["items"]))
        _show_chunks(session, found["items"])


def _worker_table(words: Speaker, items: list[dict[str, Any]]) -> Table:
    names = ("worker", "state", "busy", "memory", "queues", "up since (JST)", "seen (JST)")
    table = new_table(words, *names, right={"busy", "memory"})
    for each in items:
        memory = "" if each["memory_bytes"] is None else f"{each['memory_bytes'] / _MIB:,.0f} MiB"
        times = (to_jst(each["started_at"]), to_jst(each["seen_at"], "seconds").partition(" ")[2])
        state = words.coded("worker", each["state"])
        add_row(
            table, each["name"], state, f"{each['busy']}/{each['slots']}", memory, ", ".join(each["queues"]), *times
        )
    return table


def _show_chunks(session: Session, items: list[dict[str, Any]]) -> None:
    names = ("worker", "slot", "queue", "job", "chunk", "since (JST)")
    table = new_table(session.words, *names, right={"slot", "chunk"}, whole={"job"})
    for each in items:
        for chunk in each["chunks"]:
            since = to_jst(chunk["since"], "seconds").partition(" ")[2]
            cells = [str(chunk[name] or "") for name in ("slot", "queue", "job_id", "chunk")]
            add_row(table, each["name"], *cells, since)
    if table.row_count:
        session.show("")
        session.show(table)


def alerts(context: typer.Context, *, json: Json = False) -> None:
    """Show what a human should look at now, each with the command to begin with."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/alerts")
    if session.print_if_json(found):
        return
    if found["items"]:
        session.show(_alert_table(session.words, found["items"]))
    elif not found["unknown"]:
        session.say("nothing needs attention")
    if found["unknown"]:
        session.say("could not be checked: {kinds}", kinds=", ".join(found["unknown"]))


def _alert_table(words: Speaker, items: list[dict[str, Any]]) -> Table:
    table = new_table(words, "severity", "what", "since (JST)", "detail", "fix")
    for each in items:
        title = f"{each['title']} ({each['about']})" if each["about"] else each["title"]
        severity = words.coded("severity", each["severity"])
        add_row(table, severity, title, to_jst(each["since"]), each["detail"], each["command"])
    return table


def run_trial(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="such as jquants or yahoo")],
    symbol: Annotated[str, typer.Option(help="whose bars are asked for")] = "7203",
    *,
    json: Json = False,
) -> None:
    """Ask a provider a few small questions with this machine's settings, and show what it may do; nothing is stored."""
    session: Session = context.obj.with_json(json)
    trials = asyncio.run(_try(session, name, symbol))
    if not session.print_if_json({"provider": name, "items": [asdict(trial) for trial in trials]}):
        session.show(_trial_table(session.words, trials))
    failed = [trial for trial in trials if not trial.outcome.is_fine]
    if failed:
        raise CliError(
            Exit.UNAVAILABLE,
            session.words.say(
                "{failed} of {total} questions failed: the details say why", failed=len(failed), total=len(trials)
            ),
        )
    session.say("all {total} questions were answered", total=len(trials))


async def _try(session: Session, name: str, symbol: str) -> "list[Trial]":
    from kaboom.bars.open_provider import build_provider  # noqa: PLC0415  polars
    from kaboom.providers.trial import try_provider  # noqa: PLC0415  polars

    asked = get_source_spec(name).parse_symbol(symbol)
    trials = []
    async with closing(build_provider(load_settings(), name)) as provider:
        async for trial in try_provider(provider, asked, now=utc_now()):
            trials.append(trial)
            if session.err.is_terminal:
                session.say("{done} answered", done=len(trials))
    return trials


def _trial_table(words: Speaker, trials: "list[Trial]") -> Table:
    table = new_table(words, "asked for", "session", "result", "rows", "seconds", "detail", right=("rows", "seconds"))
    for trial in trials:
        asked = words.coded("trial", trial.question)
        about = f"{asked} {trial.interval}" if trial.interval else asked
        # An answer without a count is Kaboom's own list or calendar: the provider has none.
        rows = words.say("Kaboom's own") if trial.rows is None and trial.outcome.is_fine else f"{trial.rows or 0:,}"
        result = words.say("answered") if trial.outcome is Outcome.OK else words.coded("outcome", trial.outcome)
        add_row(table, about, trial.session.isoformat(), result, rows, f"{trial.seconds:.1f}", trial.message)
    return table


app = typer.Typer(help="Show the data providers: which are on, their limits, and which are paused; and test one.")
app.command("test")(run_trial)
#: The code of its prices, by `is_adjusted`.
_PRICES = {None: "unknown", False: "raw", True: "adjusted"}


@app.callback(invoke_without_command=True)
def providers(context: typer.Context, *, json: Json = False) -> None:
    """Show the data providers: which are on, their limits, and which are paused; and test one."""
    if context.invoked_subcommand:
        return
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/providers")
    if session.print_if_json(found):
        return
    session.show(_provider_table(session.words, found["items"]))
    for each in found["items"]:
        if each["is_paused"]:
            until = to_jst(each["paused_until"], "seconds")
            session.say(
                "{name} is paused until {until} JST: {reason}",
                name=each["name"],
                until=until,
                reason=each["pause_reason"],
            )
    if any(each["is_paused"] is None for each in found["items"]):
        session.say("Redis is unavailable, so it is unknown which providers are paused")


def _provider_table(words: Speaker, items: list[dict[str, Any]]) -> Table:
    limits = ("requests", "at once")
    table = new_table(words, "provider", "state", *limits, "prices", "intervals", "markets", "detail", right=limits)
    for each in items:
        state = words.coded("provider", _state(each))
        state = words.say("{state} (default)", state=state) if each["is_default"] else state
        bounds = [_rate(words, each), "" if each["concurrency"] is None else f"{each['concurrency']:,}"]
        prices = words.code("prices", _PRICES[each.get("is_adjusted")])
        lists = [", ".join(each[name]) for name in ("intervals", "markets")]
        add_row(table, each["name"], state, *bounds, prices, *lists, each["lacking"] or each["summary"])
    return table


def _rate(words: Speaker, provider: dict[str, Any]) -> str:
    if n := provider.get("requests_per_minute"):
        return words.say("{n:,}/min", n=n)
    n = provider.get("requests_per_second")
    return words.say("{n:,}/s", n=n) if n else ""


def _state(provider: dict[str, Any]) -> str:
    if not provider["is_on"]:
        return "off"
    return "paused" if provider["is_paused"] else "on"

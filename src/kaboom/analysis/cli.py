"""`kaboom ai`: analyses of symbols, portfolios and jobs; and a fake OpenRouter to try them with."""

from contextlib import suppress
from typing import Annotated, Any, Literal

import typer

from kaboom.analysis.jobs import ANALYSE
from kaboom.analysis.request import DEFAULT_SESSIONS
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.job_follower import submit
from kaboom.cli.lookup import find_portfolio_id
from kaboom.cli.options import Callback, Json, Provider, Tags, Timeout, given
from kaboom.cli.session import Session

app = typer.Typer(
    help="Analyse symbols, portfolios and jobs; information only, no investment advice.", no_args_is_help=True
)


@app.command("analyse")
def analyse(
    context: typer.Context,
    symbols: Annotated[list[str] | None, typer.Argument(help="symbols such as 7203")] = None,
    *,
    kind: Annotated[Literal["technical", "risk"], typer.Option(help="what about the symbols")] = "technical",
    portfolio: Annotated[str | None, typer.Option(help="with what this portfolio holds (name or id)")] = None,
    job: Annotated[str | None, typer.Option(help="explain this ingest job instead")] = None,
    backtest: Annotated[str | None, typer.Option(help="sum this backtest or sweep up instead")] = None,
    sessions: Annotated[int, typer.Option(help="look-back in sessions", min=30, max=1000)] = DEFAULT_SESSIONS,
    session: Annotated[str | None, typer.Option(help="the last session (default: newest closed)")] = None,
    provider: Provider = None,
    analyst: Annotated[Literal["auto", "rules", "models"], typer.Option(help="who analyses")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be sent to models")] = False,
    callback_url: Callback = None,
    tags: Tags = None,
    wait: Annotated[bool, typer.Option(help="follow the job until it ends, and print the report")] = True,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Analyse symbols or a portfolio, explain an ingest job, or sum a backtest up."""
    called: Session = context.obj.with_json(json)
    if (bool(symbols or portfolio), bool(job), bool(backtest)).count(True) != 1:
        raise CliError(Exit.USAGE, "expected symbols, --portfolio, --job or --backtest")
    body: dict[str, Any] = {"analyst": analyst, "language": called.words.language, "dry_run": dry_run}
    if job or backtest:
        body |= {"kind": "ingest" if job else "backtest", "job_id": job or backtest}
    else:
        held = find_portfolio_id(called, portfolio) if portfolio else None
        body |= {"kind": kind, "symbols": symbols, "portfolio_id": held, "sessions": sessions}
    body |= {"session": session, "provider": provider, "callback_url": callback_url, "tags": tags}
    if analyst != "rules" and not dry_run:
        _say_what_leaves(called)
    submit(called, ANALYSE.path, given(**body), wait=wait, timeout_s=timeout)


@app.command("close-breaker")
def close_breaker(context: typer.Context) -> None:
    """Ask models again after a 402, once the account has credit; the next 402 stops them again."""
    session: Session = context.obj
    session.client().call("DELETE", f"{ANALYSE.path.rpartition('/')[0]}/models/breaker")
    session.say("models are asked again")


@app.command("fake-openrouter")
def fake_openrouter(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(help="port on this machine", min=1, max=65535)] = 8400,
    slow_s: Annotated[float, typer.Option(help="how long `slow` models think, in seconds", min=0, max=600)] = 5.0,
) -> None:
    """Run a fake OpenRouter on this machine: to try analyses by models without a key, and to test what uses them."""
    from kaboom.analysis.fake_openrouter import BEHAVIOURS, KEY  # noqa: PLC0415  the same
    from kaboom.cli.stack.fake_openrouter import open_server  # noqa: PLC0415  a server, for this command alone

    session: Session = context.obj
    server = open_server(port, slow_s=slow_s)
    url = f"http://127.0.0.1:{port}"
    session.say(
        "A fake OpenRouter listens on {url}. It knows no market and costs nothing. Set before `kaboom up`:", url=url
    )
    models = 'KABOOM_AI_MODELS="good/a good/b last/c"'
    session.show(f"export OPENROUTER_BASE_URL={url} OPENROUTER_API_KEY={KEY} {models}")
    session.say("The part of a model's name before the slash chooses what it does:")
    for name, about in BEHAVIOURS.items():
        session.tell(f"  {name}: {about}")
    with suppress(KeyboardInterrupt), server:
        server.serve_forever()


def _say_what_leaves(session: Session) -> None:
    """Before a job that uses models is submitted, print where its facts are sent."""
    if session.is_json:
        return
    with suppress(CliError):
        # A token may have the right to submit, but not to read.
        found = session.client().call("GET", f"{ANALYSE.path.rpartition('/')[0]}/models")
        if not found["is_asked"]:
            return
        dollars, models = found["job_budget_microdollars"] / 1_000_000, ", ".join(found["models"])
        session.say(
            "facts go to {destination} for {models}, at most ${dollars:.2f}; --dry-run shows them, "
            "--analyst rules sends nothing",
            destination=found["destination"],
            models=models,
            dollars=dollars,
        )
        if found.get("sends_pictures"):
            session.say("the candles of each symbol are sent, too, as a picture (KABOOM_AI_IMAGES)")

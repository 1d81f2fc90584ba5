"""`kaboom backtest`: run, sweep, rerun, check, list, and the reports of runs."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kaboom.backtest.cli.local import check_here, is_file, run_here
from kaboom.backtest.cli.options import (
    First,
    Given,
    Last,
    Market,
    Params,
    Sessions,
    Strategy,
    keep_given,
    read_choices,
    read_moment,
    read_parameters,
)
from kaboom.backtest.cli.tables import (
    print_comparison,
    print_next_orders,
    print_repetition,
    print_run,
    print_strategies,
    print_sweep,
    say_parameters,
)
from kaboom.backtest.jobs import RUN, SWEEP
from kaboom.cli.exits import BY_STATUS, CliError, Exit
from kaboom.cli.job_follower import submit, wait_for
from kaboom.cli.options import AsOf, IntervalName, Json, Provider, Symbols, Timeout, take
from kaboom.cli.output.summary import print_summary
from kaboom.cli.session import Session


@take(Given)
def run(context: typer.Context, strategy: Strategy, shared: Given, param: Params = None) -> None:
    """Run a strategy over stored bars; with --wait, print the result and write the report."""
    session: Session = context.obj.with_json(shared.json)
    body = shared.to_body() | keep_given({"parameters": read_parameters(param)})
    session.say_terms(shared.provider)
    if is_file(strategy):
        run_here(session, strategy, body, shared.out)
        return
    _submit(session, RUN.path, strategy, body, shared)


@take(Given)
def sweep(
    context: typer.Context,
    strategy: Strategy,
    shared: Given,
    param: Annotated[
        list[str] | None, typer.Option(help="values to try: fast=5,10,20 or slow=20:100:10 (repeatable)")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="draw so many combinations (default: all)")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="random, or tpe: choose the trials where earlier ones did well")
    ] = None,
    keep: Annotated[int | None, typer.Option(help="how many of the best are shown (default: 20)")] = None,
    rank_by: Annotated[str | None, typer.Option(help="sharpe, total_return or max_drawdown")] = None,
    out_of_sample: Annotated[float | None, typer.Option(help="share of the bars for the test, such as 0.3")] = None,
    folds: Annotated[int | None, typer.Option(help="walk forward in so many steps")] = None,
) -> None:
    """Run a strategy with every combination of some parameters; with --wait, print the best of them."""
    session: Session = context.obj.with_json(shared.json)
    if is_file(strategy):
        raise CliError(
            Exit.USAGE,
            session.words.say(
                "{file} is a file; a sweep runs in workers: put it in their KABOOM_STRATEGIES_DIR, and "
                "name it without .py",
                file=strategy,
            ),
        )
    own: dict[str, Any] = {"parameters": read_choices(param), "trials": trials, "keep": keep, "rank_by": rank_by}
    own |= {"out_of_sample": out_of_sample, "folds": folds, "sampler": sampler}
    session.say_terms(shared.provider)
    _submit(session, SWEEP.path, strategy, shared.to_body() | keep_given(own), shared)


def _submit(session: Session, path: str, strategy: str, body: dict[str, Any], shared: Given) -> None:
    body |= {"strategy": strategy} | keep_given({"callback_url": shared.callback_url, "tags": shared.tags})
    submit(session, path, body, wait=shared.wait, timeout_s=shared.timeout, show=partial(show_end, out=shared.out))


RESULTS = "/api/v1/backtest/results"


def show_end(session: Session, job: dict[str, Any], *, out: Path | None) -> None:
    """Print the result of a run or a sweep that has ended, and write its report."""
    if job["status"] not in {"completed", "partial"}:
        print_summary(session, job)
        return
    path = f"{RESULTS}/{job['job_id']}"
    found = session.client().call("GET", path)
    if session.is_json:
        session.print_json(found)
    elif found["kind"] == "run":
        print_run(session, found)
    else:
        print_sweep(session, found)
    report = session.client().fetch(f"{path}/report.html", "text/html")
    session.save_file(out or Path(f"backtest-{found['strategy']}.html"), report, "report: {path}")


def rerun(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="the job of a backtest or a sweep that has ended")],
    timeout: Timeout = None,
    *,
    json: Json = False,
) -> None:
    """Run a backtest again, and say whether it gave the same bytes, or what has changed; exit code 8: it differs."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    old = client.call("GET", f"{RESULTS}/{job_id}")
    accepted = client.call("POST", f"/api/v1/backtest/{old['kind']}", json=old["request"], params={"on_overlap": "new"})
    session.say("job {job_id} accepted", job_id=accepted["job_id"])
    job = wait_for(session, accepted["job_id"], timeout_s=timeout)
    if job["status"] != "completed":
        print_summary(session, job)
        raise typer.Exit(BY_STATUS[job["status"]])
    new = client.call("GET", f"{RESULTS}/{accepted['job_id']}")
    names = ("digest", "fingerprint", "code_version", "strategy_digest")
    same = {name: old[name] == new[name] for name in names}
    if not session.print_if_json({"job_id": accepted["job_id"], "is_same": same["digest"], "same": same}):
        print_repetition(session, old, new)
    raise typer.Exit(Exit.OK if same["digest"] else Exit.PARTIAL)


def check(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="a Python file with a class Strategy; it is run here")],
    symbol: Symbols = None,
    market: Market = None,
    param: Params = None,
    interval: IntervalName = "1d",
    first: First = None,
    last: Last = None,
    sessions: Sessions = None,
    as_of: AsOf = None,
    provider: Provider = None,
    *,
    json: Json = False,
) -> None:
    """Look for decisions of a strategy that need later bars: on made-up bars, or on those of --symbol or --market."""
    session: Session = context.obj.with_json(json)
    asked = {"first": first, "last": last, "sessions": sessions, "as_of": read_moment(as_of), "provider": provider}
    body: dict[str, Any] = keep_given(asked | {"symbols": symbol, "market": market})
    if (body or interval != "1d") and not (symbol or market):
        raise CliError(
            Exit.USAGE,
            session.words.say(
                "made-up bars are daily, without dates and provider: name the bars by --symbol or --market, or "
                "leave the other options out"
            ),
        )
    check_here(session, file, read_parameters(param), body | {"interval": interval} if body else None)


def list_strategies(
    context: typer.Context,
    what: Annotated[Literal["strategies"], typer.Argument(help="strategies")] = "strategies",
    *,
    json: Json = False,
) -> None:
    """List the strategies that come with Kaboom, with their parameters."""
    from kaboom.backtest.results import list_strategies as find  # noqa: PLC0415 (beside its use)

    session: Session = context.obj.with_json(json)
    items = find().model_dump(mode="json")["items"]
    if not session.print_if_json({what: items}):
        print_strategies(session, items)


#: A picture takes seconds, and may wait for other pictures.
_DRAWN_S = 300.0
JobId = Annotated[str, typer.Argument(help="the job of a backtest or a sweep that has ended")]
Lang = Annotated[
    Literal["en", "ja"] | None,
    typer.Option("--in", help="language that the report opens in (default: of the commands)"),
]


def report(
    context: typer.Context,
    job_id: JobId,
    out: Annotated[
        Path | None, typer.Option(help="where it is written (default: backtest-<id>.html or .png here)")
    ] = None,
    language: Lang = None,
    *,
    png: Annotated[bool, typer.Option("--png", help="draw it; the server needs kaboom-api[pictures]")] = False,
    json: Json = False,
) -> None:
    """Write the report of a backtest as one HTML file, with --png as a picture; with --json print its numbers."""
    session: Session = context.obj.with_json(json)
    if session.is_json:
        session.print_json(session.client().call("GET", f"{RESULTS}/{job_id}/report.json"))
        return
    ending, kind = ("png", "image/png") if png else ("html", "text/html")
    path = f"{RESULTS}/{job_id}/report.{ending}?lang={language or session.words.language}"
    content = session.client().fetch(path, kind, timeout=_DRAWN_S)
    session.save_file(out or Path(f"backtest-{job_id[:8]}.{ending}"), content, "report: {path}")


def signals(
    context: typer.Context,
    job_id: Annotated[
        str | None, typer.Argument(help="the job of a backtest that has ended (default: the newest)")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="the newest of this strategy")] = None,
    *,
    json: Json = False,
) -> None:
    """Show the orders that wait after the last bar of a backtest: what its strategy does in the next session."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    if job_id is None:
        body = {"status": ["completed"], "q": f"backtest.run {strategy or ''}".strip(), "limit": 200}
        items = client.call("GET", "/api/v1/backtest/jobs", params=body)["items"]
        found = [each for each in items if strategy in {None, each["subject"]["strategy"]}]
        if not found:
            raise CliError(
                Exit.NOT_FOUND,
                session.words.say(
                    "no backtest has completed: run one with kaboom backtest run {strategy} --symbol CODE",
                    strategy=strategy or "sma_cross",
                ),
            )
        job_id = found[0]["job_id"]
    result = client.call("GET", f"{RESULTS}/{job_id}")
    result = result if result["kind"] == "run" else result["run"]
    names = ("strategy", "parameters", "last", "next_session", "next_order_count", "next_orders")
    if not session.print_if_json({"job_id": job_id} | {name: result.get(name) for name in names}):
        head = f"{result['strategy']} {say_parameters(result['strategy'], result['parameters'])}".strip()
        session.show(session.words.say("{run}, job {job_id}", run=head, job_id=job_id))
        session.show(session.say_source(result["provider"]))
        print_next_orders(session, result)


def compare(
    context: typer.Context,
    job_ids: Annotated[list[str], typer.Argument(help="the jobs of two to eight backtests that have ended")],
    *,
    json: Json = False,
) -> None:
    """Show backtests side by side: metrics, and what differs between them."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/backtest/compare", params={"job": job_ids})
    if not session.print_if_json(found):
        print_comparison(session, found)

"""`kaboom backtest run` and `sweep`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from kaboom.backtest.cli.local import is_file, run_here
from kaboom.backtest.cli.options import (
    Benchmark,
    Cash,
    Fee,
    First,
    Last,
    Market,
    Model,
    Params,
    Seed,
    Sessions,
    Short,
    Strategy,
    Ticks,
    keep_given,
    read_choices,
    read_model,
    read_moment,
    read_parameters,
)
from kaboom.backtest.cli.tables import print_run, print_sweep
from kaboom.backtest.jobs import RUN, SWEEP
from kaboom.cli.dates import AsOf
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.job_follower import submit
from kaboom.cli.options import Callback, IntervalName, Json, Provider, Symbols, Timeout, Wait
from kaboom.cli.output.summary import print_summary
from kaboom.cli.session import Session

Out = Annotated[Path | None, typer.Option(help="where the report is written (default: backtest-<strategy>.html here)")]


def run(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbols = None,
    market: Market = None,
    interval: IntervalName = "1d",
    param: Params = None,
    first: First = None,
    last: Last = None,
    sessions: Sessions = None,
    as_of: AsOf = None,
    cash: Cash = None,
    fee: Fee = None,
    slippage: Ticks = None,
    model: Model = None,
    benchmark: Benchmark = None,
    provider: Provider = None,
    seed: Seed = None,
    out: Out = None,
    callback_url: Callback = None,
    *,
    short: Short = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Run a strategy over stored bars; with --wait, print the result and write the report."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {
        "symbols": symbol,
        "market": market,
        "interval": interval,
        "parameters": read_parameters(param),
    }
    body |= {
        "first": first,
        "last": last,
        "sessions": sessions,
        "as_of": read_moment(as_of),
        "cash": cash,
        "benchmark": benchmark,
    }
    body |= {"provider": provider, "seed": seed, "model": read_model(model, fee, slippage, is_short=short)}
    given = keep_given(body)
    session.say_terms(provider)
    if is_file(strategy):
        run_here(session, strategy, given, out)
        return
    given |= {"strategy": strategy} | keep_given({"callback_url": callback_url})
    submit(session, RUN.path, given, wait=wait, timeout_s=timeout, show=partial(show_end, out=out))


def sweep(
    context: typer.Context,
    strategy: Strategy,
    symbol: Symbols = None,
    market: Market = None,
    interval: IntervalName = "1d",
    param: Annotated[
        list[str] | None, typer.Option(help="values to try: fast=5,10,20 or slow=20:100:10 (repeatable)")
    ] = None,
    first: First = None,
    last: Last = None,
    sessions: Sessions = None,
    as_of: AsOf = None,
    trials: Annotated[int | None, typer.Option(help="draw so many combinations (default: all)")] = None,
    keep: Annotated[int | None, typer.Option(help="how many of the best are shown (default: 20)")] = None,
    rank_by: Annotated[str | None, typer.Option(help="sharpe, total_return or max_drawdown")] = None,
    out_of_sample: Annotated[float | None, typer.Option(help="share of the bars for the test, such as 0.3")] = None,
    folds: Annotated[int | None, typer.Option(help="walk forward in so many steps")] = None,
    cash: Cash = None,
    fee: Fee = None,
    slippage: Ticks = None,
    model: Model = None,
    benchmark: Benchmark = None,
    provider: Provider = None,
    seed: Seed = None,
    out: Out = None,
    callback_url: Callback = None,
    *,
    short: Short = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Run a strategy with every combination of some parameters; with --wait, print the best of them."""
    session: Session = context.obj.with_json(json)
    if is_file(strategy):
        raise CliError(
            Exit.USAGE,
            session.words.say(
                "{file} is a file; a sweep runs in workers: put it in their KABOOM_STRATEGIES_DIR, and "
                "name it without .py",
                file=strategy,
            ),
        )
    body: dict[str, Any] = {"strategy": strategy, "symbols": symbol, "market": market, "interval": interval}
    body |= {
        "parameters": read_choices(param),
        "first": first,
        "last": last,
        "sessions": sessions,
        "as_of": read_moment(as_of),
    }
    body |= {"trials": trials, "keep": keep, "rank_by": rank_by, "out_of_sample": out_of_sample, "folds": folds}
    body |= {"cash": cash, "benchmark": benchmark, "provider": provider, "seed": seed, "callback_url": callback_url}
    body |= {"model": read_model(model, fee, slippage, is_short=short)}
    session.say_terms(provider)
    submit(session, SWEEP.path, keep_given(body), wait=wait, timeout_s=timeout, show=partial(show_end, out=out))


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
    report = session.client().fetch(f"{path}/report.html")
    session.save_file(out or Path(f"backtest-{found['strategy']}.html"), report, "report: {path}")

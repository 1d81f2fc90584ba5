"""`kaboom backtest`: run, sweep, rerun, check, list, and the reports of runs, with their options."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kaboom.backtest.choices import parse_value, parse_values
from kaboom.backtest.cli.local import check_here, is_file, run_here
from kaboom.backtest.cli.tables import print_comparison, print_repetition, print_run, print_strategies, print_sweep
from kaboom.backtest.jobs import RUN, SWEEP
from kaboom.cli.dates import AsOf, parse_as_of
from kaboom.cli.exits import BY_STATUS, CliError, Exit
from kaboom.cli.job_follower import submit, wait_for
from kaboom.cli.options import Callback, IntervalName, Json, Provider, Symbols, Timeout, Wait
from kaboom.cli.output.summary import print_summary
from kaboom.cli.session import Session

Strategy = Annotated[str, typer.Argument(help="a name of `kaboom backtest list`, or a Python file, which runs here")]
Market = Annotated[str | None, typer.Option(help="all symbols of TSE_PRIME, TSE_STANDARD or TSE_GROWTH")]
Params = Annotated[list[str] | None, typer.Option("--param", help="a parameter, such as fast=10 (repeatable)")]
First = Annotated[str | None, typer.Option("--from", help="first day, YYYY-MM-DD")]
Last = Annotated[str | None, typer.Option("--to", help="last session, YYYY-MM-DD (default: newest)")]
Sessions = Annotated[int | None, typer.Option(help="look-back in sessions (default: 1250)")]
Cash = Annotated[float | None, typer.Option(help="yen before the first bar (default: 10000000)")]
Fee = Annotated[float | None, typer.Option(help="fee as a share of a fill's value (default: 0.0005)")]
Ticks = Annotated[
    int | None, typer.Option("--slippage", help="slippage of market and stop orders, in ticks (default: 1)")
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="a field of the fill model, such as volume_cap=0, lot=1 or fees.fixed=100 (repeatable)"
    ),
]
Short = Annotated[bool, typer.Option("--short", help="allow short positions")]
Benchmark = Annotated[
    str | None, typer.Option(help="a symbol or an index to compare with, such as topix (default: equal weights)")
]
Seed = Annotated[int | None, typer.Option(help="of what is drawn at random")]


def read_model(texts: list[str] | None, fee: float | None, ticks: int | None, *, is_short: bool) -> dict[str, Any]:
    """Return the part of the fill model that the options set.

    Raises:
        CliError: a field is not given as NAME=VALUE.

    """
    model: dict[str, Any] = {}
    for name, text in _pairs("--model", texts, "volume_cap=0 or fees.fixed=100"):
        part, _, field = name.partition(".")
        value = _read_field(text)
        model |= {part: {**model.get(part, {}), field: value}} if field else {part: value}
    if fee is not None:
        model["fees"] = {**model.get("fees", {}), "rate": fee}
    if ticks is not None:
        model["slippage"] = {**model.get("slippage", {}), "ticks": ticks}
    return model | ({"allows_short": True} if is_short else {})


def read_moment(text: str | None) -> str | None:
    """Return the moment of `--as-of` in the format of requests.

    Raises:
        CliError: the text is neither a day nor a time with its zone.

    """
    moment = parse_as_of(text)
    return moment.isoformat() if moment else None


def read_parameters(texts: list[str] | None) -> dict[str, Any]:
    """Return the parameters of options such as `fast=10`.

    Raises:
        CliError: an option does not have that form.

    """
    return {name: parse_value(value) for name, value in _pairs("--param", texts, "fast=10")}


def read_choices(texts: list[str] | None) -> dict[str, list[Any]]:
    """Return the choices of options such as `fast=5,10,20` or `slow=20:100:10` (from, to, step; both included).

    Raises:
        CliError: an option does not have that form.

    """
    return {name: parse_values(value) for name, value in _pairs("--param", texts, "fast=5,10,20 or slow=20:100:10")}


def keep_given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given."""
    return {name: value for name, value in values.items() if value not in (None, [], {}, False)}


def _read_field(text: str) -> Any:
    """Return a value of the fill model; a table of fees is JSON."""
    try:
        return orjson.loads(text) if text.startswith("[") else parse_value(text)
    except orjson.JSONDecodeError as e:
        raise CliError(Exit.USAGE, f"--model was {text!r}, expected JSON such as [[100000,99],[500000,275]]") from e


def _pairs(option: str, texts: list[str] | None, such_as: str) -> list[tuple[str, str]]:
    found = []
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise CliError(Exit.USAGE, f"{option} was {text!r}, expected NAME=VALUE such as {such_as}")
        found.append((name.replace("-", "_"), value))
    return found


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
    if body and not (symbol or market):
        raise CliError(
            Exit.USAGE,
            session.words.say(
                "made-up bars have no days and no provider: name the bars by --symbol or --market, or "
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

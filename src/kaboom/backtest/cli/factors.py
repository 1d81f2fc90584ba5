"""`kaboom factors`: measure how well a column orders the returns that follow."""

from typing import Annotated, Any

import typer

from kaboom.backtest.cli.options import First, Last, Market, Sessions, keep_given, read_moment
from kaboom.backtest.jobs import FACTORS
from kaboom.cli.job_follower import submit
from kaboom.cli.options import AsOf, Callback, Json, Provider, Symbols, Tags, Timeout, Wait
from kaboom.cli.output.summary import print_summary
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session

_NUMBERS = frozenset({"horizon", "IC", "t", "t, overlapping", "highest less lowest", "rank autocorrelation"})

app = typer.Typer(help="Measure how well a column orders the returns that follow.", no_args_is_help=True)


@app.callback()
def factors() -> None:
    """Measure how well a column orders the returns that follow."""


@app.command("report")
def report(
    context: typer.Context,
    expression: Annotated[
        str, typer.Argument(help="a column such as change_20d or per, or a formula such as close / sma_75")
    ],
    symbol: Symbols = None,
    market: Market = None,
    horizon: Annotated[list[int] | None, typer.Option(help="sessions (default: 1, 5, 10 and 20; repeatable)")] = None,
    quantiles: Annotated[int | None, typer.Option(help="groups of symbols (default: 5)")] = None,
    first: First = None,
    last: Last = None,
    sessions: Sessions = None,
    as_of: AsOf = None,
    provider: Provider = None,
    callback_url: Callback = None,
    tags: Tags = None,
    wait: Wait = False,  # noqa: FBT002 (a flag)
    timeout: Timeout = None,
    *,
    json: Json = False,
) -> None:
    """Measure a factor on daily bars: returns by quantile, information coefficient, turnover, by horizon."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {"expression": expression, "symbols": symbol, "market": market, "horizons": horizon}
    body |= {"quantiles": quantiles, "first": first, "last": last, "sessions": sessions, "as_of": read_moment(as_of)}
    session.say_terms(provider)
    body |= {"provider": provider, "callback_url": callback_url, "tags": tags}
    submit(session, FACTORS.path, keep_given(body), wait=wait, timeout_s=timeout, show=show_end)


def show_end(session: Session, job: dict[str, Any]) -> None:
    """Print the report of a job that has ended."""
    result = job.get("result")
    if job["status"] != "completed" or not result or session.is_json:
        print_summary(session, job)
        return
    words = session.words
    said = {name: result[name] for name in ("expression", "first", "last")}
    counts = {
        "symbols": words.count("{n:,} symbol", "{n:,} symbols", result["symbols"]),
        "sessions": words.count("{n:,} session", "{n:,} sessions", result["sessions"]),
    }
    session.show(words.say("{expression}: {symbols}, {sessions} measured of {first} to {last}", **said, **counts))
    session.show(session.say_source(result["provider"]))
    if result["tied"]:
        session.show(
            words.count(
                "{n:,} session left out: too many symbols have one value",
                "{n:,} sessions left out: too many symbols have one value",
                result["tied"],
            )
        )
    _show_horizons(session, result["horizons"])
    _show_quantiles(session, result["horizons"])


def _show_horizons(session: Session, horizons: list[dict[str, Any]]) -> None:
    table = new_table(
        session.words,
        "horizon",
        "IC",
        "t",
        "t, overlapping",
        "highest less lowest",
        "rank autocorrelation",
        right=_NUMBERS,
    )
    for each in horizons:
        numbers = [_number(each["ic_mean"], 4), _number(each["ic_t"], 2), _number(each["ic_t_overlap"], 2)]
        spread, kept = _percent(each["spread"]), _number(each["autocorrelation"], 3)
        add_row(table, str(each["horizon"]), *numbers, spread, kept)
    session.show(table)


def _show_quantiles(session: Session, horizons: list[dict[str, Any]]) -> None:
    words = session.words
    table = new_table(words, "quantile")
    for each in horizons:
        table.add_column(words.say("return, {n}", n=each["horizon"]), justify="right", no_wrap=True)
        table.add_column(words.say("turnover, {n}", n=each["horizon"]), justify="right", no_wrap=True)
    for places in zip(*(each["quantiles"] for each in horizons), strict=True):
        numbers = [text for one in places for text in (_percent(one["mean_return"]), _percent(one["turnover"], 1))]
        add_row(table, str(places[0]["quantile"]), *numbers)
    session.show(table)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}%}"

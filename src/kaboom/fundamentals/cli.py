"""`kaboom fundamentals` shows what a company has disclosed."""

from typing import Annotated, Any

import typer

from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session

_PATH = "/api/v1/fundamentals"
_MILLION = 1_000_000
_TEXTS = ("disclosed (JST)", "period", "period end")
_FIGURES = ("sales, ¥M", "operating profit, ¥M", "net profit, ¥M", "EPS", "forecast EPS")


def fundamentals(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="such as 7203")],
    as_of: Annotated[
        str | None, typer.Option(help="what was public then: a day, or a time with its zone (default: now)")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="whose (default: KABOOM_PROVIDER)")] = None,
    limit: Annotated[int, typer.Option(help="statements to show", min=1, max=400)] = 12,
    *,
    json: Json = False,
) -> None:
    """Show the statements of a company as they were public at a moment, and its next announcement."""
    session: Session = context.obj.with_json(json)
    asked = given(as_of=as_of, provider=provider, limit=limit)
    found = session.client().call("GET", f"{_PATH}/{symbol}", params=asked)
    if session.print_if_json(found):
        return
    if found["statements"]:
        table = new_table(session.words, *_TEXTS, *_FIGURES, right=_FIGURES)
        for item in found["statements"]:
            add_row(table, *_texts(item), *_figures(item))
        session.show(table)
    else:
        session.say(
            "no statements of {symbol} were public then; take them with:"
            " kaboom market-data fundamentals --symbol {symbol}",
            symbol=found["symbol"],
        )
    if planned := found["next_announcement"]:
        session.say("next announcement: {period} on {day}", period=planned["period"], day=planned["day"])
    session.tell(session.say_source(found["provider"]))


def _texts(item: dict[str, Any]) -> list[str]:
    return [to_jst(item["disclosed_at"]), item["period"], item["period_end"] or ""]


def _figures(item: dict[str, Any]) -> list[str]:
    in_millions = [item[name] for name in ("sales", "operating_profit", "net_profit")]
    figures = ["" if each is None else f"{each / _MILLION:,.0f}" for each in in_millions]
    return figures + ["" if item[name] is None else f"{item[name]:,.2f}" for name in ("eps", "forecast_eps")]

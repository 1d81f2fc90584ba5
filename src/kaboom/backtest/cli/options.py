"""Read the options of backtests: parameters, choices, and the fill model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from kaboom.backtest.choices import parse_value, parse_values
from kaboom.backtest.engine.rules import TAX_RATE
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.options import AsOf, Callback, IntervalName, Json, Provider, Symbols, Tags, Timeout, Wait, parse_as_of

Strategy = Annotated[str, typer.Argument(help="a name of `kaboom backtest list`, or a Python file, which runs here")]
Market = Annotated[str | None, typer.Option(help="all symbols of TSE_PRIME, TSE_STANDARD or TSE_GROWTH")]
Params = Annotated[list[str] | None, typer.Option("--param", help="a parameter, such as fast=10 (repeatable)")]
First = Annotated[str | None, typer.Option("--from", help="first day, YYYY-MM-DD")]
Last = Annotated[str | None, typer.Option("--to", help="last session, YYYY-MM-DD (default: newest)")]
Sessions = Annotated[int | None, typer.Option(help="look-back in sessions (default: 1250)")]


@dataclass(frozen=True, slots=True)
class Given:
    """The options of both a run and a sweep."""

    symbol: Symbols = None
    market: Market = None
    interval: IntervalName = "1d"
    first: First = None
    last: Last = None
    sessions: Sessions = None
    as_of: AsOf = None
    cash: Annotated[float | None, typer.Option(help="yen before the first bar (default: 10000000)")] = None
    fee: Annotated[float | None, typer.Option(help="fee as a share of a fill's value (default: 0.0005)")] = None
    fee_table: Annotated[
        str | None,
        typer.Option(help="the fees of a broker instead: sbi-zero, rakuten-zero, monex or matsui-box"),
    ] = None
    slippage: Annotated[int | None, typer.Option(help="slippage of market and stop orders, in ticks (default: 1)")] = (
        None
    )
    model: Annotated[
        list[str] | None,
        typer.Option(help="a field of the fill model, such as volume_cap=0, lot=1 or fees.fixed=100 (repeatable)"),
    ] = None
    benchmark: Annotated[
        str | None, typer.Option(help="a symbol or an index to compare with, such as topix (default: equal weights)")
    ] = None
    provider: Provider = None
    seed: Annotated[int | None, typer.Option(help="of what is drawn at random")] = None
    out: Annotated[
        Path | None, typer.Option(help="where the report is written (default: backtest-<strategy>.html here)")
    ] = None
    callback_url: Callback = None
    tags: Tags = None
    short: Annotated[bool, typer.Option("--short", help="allow short positions")] = False
    tax: Annotated[
        bool, typer.Option("--tax", help="withhold the tax of Japan, 20.315 % of the gains of a calendar year")
    ] = False
    wait: Wait = False
    timeout: Timeout = None
    json: Json = False

    def to_body(self) -> dict[str, Any]:
        """Return the fields of a request.

        Raises:
            CliError: an option does not have the form that its help shows.

        """
        names = ("market", "interval", "first", "last", "sessions", "cash", "benchmark", "provider", "seed")
        body = {"symbols": self.symbol} | {name: getattr(self, name) for name in names}
        model = read_model(self.model, self.fee, self.slippage, is_short=self.short)
        if self.fee_table:
            model["fees"] = {**model.get("fees", {}), "table": self.fee_table}
        if self.tax:
            model["tax_rate"] = TAX_RATE
        return keep_given(body | {"as_of": read_moment(self.as_of), "model": model})


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
    """Return the fields that were given; 0 is given, though it equals False."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value not in ([], {})
    }


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

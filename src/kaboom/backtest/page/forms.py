"""The forms to start a run or a sweep; a refused form is shown again with the reason at its field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from html import escape
from typing import Annotated, Any, Literal
from uuid import uuid4

import orjson
from fastapi import APIRouter, Query, Request, Response, status

from kaboom.backtest.choices import parse_value, parse_values
from kaboom.backtest.engine.rules import TAX_RATE
from kaboom.backtest.fee_tables import FEE_TABLES
from kaboom.backtest.model import FillModel
from kaboom.backtest.page.reports import API
from kaboom.backtest.report.text import shown
from kaboom.backtest.request import count_combinations
from kaboom.backtest.results import StrategyList, StrategyView
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.dashboard.api_client import problem_of
from kaboom.dashboard.page_request import OpenPage, Page
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import Accepted, JobView
from kaboom.jobs.deps import needs
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.registry import provider_names
from kaboom.text.catalogue import Language, gettext, ngettext
from kaboom.web.auth.scopes import Scope

#: Fields that are sent as typed, and fields that are numbers.
_TEXTS = ("market", "interval", "provider", "benchmark", "first", "last", "as_of")
_NUMBERS = ("sessions", "cash", "seed")
_SWEEP_NUMBERS = ("trials", "keep", "folds")
#: Fields of forms that are shown again; those of parameters begin with `p_`.
_FORM = (
    *("strategy", "own", "symbols", "fee", "fee_table", "ticks", "short", "tax", "model", "rank_by", "out_of_sample"),
    "sampler", "tags",
    *_TEXTS, *_NUMBERS, *_SWEEP_NUMBERS,
)  # fmt: skip
_MOST_LETTERS = 50_000
_USUAL = FillModel()


@dataclass(frozen=True, slots=True)
class ParameterField:
    """A parameter of a strategy as a field of a form.

    Attributes:
        name: of the parameter.
        kind: `integer`, `number` or `choice`.
        least, most: its bounds as text, "" without a bound.
        default: as text, "" without a default.
        choices: the values of a choice.
        about: its description in English.

    """

    name: str
    kind: str
    least: str
    most: str
    default: str
    choices: Sequence[str]
    about: str


def list_fields(strategy: StrategyView) -> list[ParameterField]:
    """Return the parameters of a strategy of the API; those that only this strategy has come first."""
    found = [_field(name, about) for name, about in strategy.parameters.get("properties", {}).items()]
    # The parameters that all strategies have come last.
    return sorted(found, key=lambda each: each.name in {"weight", "stop_loss", "take_profit"})


def read_values(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the fields of a form, to show it again."""
    names = [*_FORM, *(name for name in fields if name.startswith("p_"))]
    return {name: first_of(fields, name).strip()[:_MOST_LETTERS] for name in names if name in fields}


def lines_of(values: Mapping[str, str]) -> str:
    """Return the parameters of a strategy of the user's own as lines: as typed, or of an earlier request."""
    return values.get("own") or "\n".join(f"{name} = {text}" for name, text in _parameters(values))


def run_body(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the request of a run; the API checks its values.

    Raises:
        InvalidRequest: a line of parameters has no name or no value, or is not the first of its name.

    """
    return _bars(values) | {"parameters": {name: parse_value(text) for name, text in _parameters(values)}}


def sweep_body(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the request of a sweep; the API checks its values.

    Raises:
        InvalidRequest: a list has too many values, or a line of parameters has no name or no value, or is not the first
            of its name.

    """
    choices: dict[str, list[Any]] = {}
    for name, text in _parameters(values):
        try:
            choices[name] = parse_values(text)
        except InvalidRequest as e:
            raise InvalidRequest(e.message, pointer=f"/parameters/{name}") from e
    body = _bars(values) | {"parameters": choices}
    body |= {name: parse_value(values[name]) for name in _SWEEP_NUMBERS if values.get(name)}
    body |= {name: values[name] for name in ("rank_by", "sampler") if values.get(name)}
    if values.get("out_of_sample"):
        body["out_of_sample"] = _share(values["out_of_sample"])
    return body


def say_size(values: Mapping[str, str], language: Language) -> str:
    """Return how many trials a sweep has at most, as text; "" while its fields cannot be read."""
    try:
        size = count_combinations({name: tuple(parse_values(text)) for name, text in _parameters(values)})
    except InvalidRequest:
        return ""
    drawn = parse_value(values.get("trials") or str(size))
    if isinstance(drawn, int) and drawn < size:
        text = gettext(
            "{drawn} of {n} combinations, chosen by those before"
            if values.get("sampler") == "tpe"
            else "{drawn} of {n} combinations, drawn at random",
            language,
        )
        return text.format(drawn=f"{drawn:,}", n=f"{size:,}")
    return ngettext("{n} combination", "{n} combinations", size, language).format(n=f"{size:,}")


def usual_costs() -> dict[str, str]:
    """Return the fields of the default costs, which are those of every door."""
    return {"fee": _percent(_USUAL.fees.rate), "ticks": _typed(_USUAL.slippage.ticks)}


def values_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a form from an earlier request, to submit it again."""
    names = (*_TEXTS, *_NUMBERS, *_SWEEP_NUMBERS, "strategy", "rank_by", "sampler")
    # `as_of` is left out: a new run reads the bars as they are now.
    found = {name: _typed(request[name]) for name in names if name in request and name != "as_of"}
    found["symbols"] = ", ".join(request.get("symbols") or ())
    found["tags"] = " ".join(request.get("tags") or ())
    found |= {f"p_{name}": _typed(value) for name, value in request.get("parameters", {}).items()}
    model = request.get("model", {})
    found["model"] = _rest_of(model)
    fees, slippage = model.get("fees", {}), model.get("slippage", {})
    found |= {"fee_table": fees["table"]} if fees.get("table") else {"fee": _percent(fees.get("rate"))}
    found |= {"ticks": _typed(slippage.get("ticks"))}
    found |= {"short": "yes"} if model.get("allows_short") else {}
    found |= {"tax": "yes"} if model.get("tax_rate") == TAX_RATE else {}
    found |= {"out_of_sample": _percent(request.get("out_of_sample"))}
    return {name: text for name, text in found.items() if text}


def _field(name: str, about: Mapping[str, Any]) -> ParameterField:
    shape = next((each for each in about.get("anyOf", ()) if each.get("type") != "null"), about)
    default = about.get("default")
    return ParameterField(
        name=name,
        kind="choice" if "enum" in shape else str(shape.get("type", "string")),
        least=_bound(shape, "minimum", "exclusiveMinimum"),
        most=_bound(shape, "maximum", "exclusiveMaximum"),
        default="" if default is None else _typed(default),
        choices=shape.get("enum", ()),
        about=about.get("description", ""),
    )


def _bound(shape: Mapping[str, Any], *names: str) -> str:
    return next((_typed(shape[name]) for name in names if name in shape), "")


def _parameters(values: Mapping[str, str]) -> list[tuple[str, str]]:
    found = {name[2:]: text for name, text in values.items() if name.startswith("p_") and text}
    for line in filter(str.strip, values.get("own", "").splitlines()):
        name, _, text = map(str.strip, line.replace("\uff1d", "=").partition("="))
        if not name or not text or name in found:
            raise InvalidRequest(
                f"parameters had the line {line[:40]!r}, expected name = value once", pointer="/parameters"
            )
        found[name] = text
    return list(found.items())


def _bars(values: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"strategy": values.get("strategy", "")}
    body |= {name: values[name] for name in _TEXTS if values.get(name)}
    body |= {name: parse_value(values[name]) for name in _NUMBERS if values.get(name)}
    if symbols := values.get("symbols", "").replace("、", ",").replace(",", " ").split():
        body["symbols"] = symbols
    if tags := values.get("tags", "").split():
        body["tags"] = tags
    model = _read_rest(values.get("model", ""))
    if values.get("fee_table"):
        model["fees"] = {"table": values["fee_table"]}
    elif values.get("fee"):
        model["fees"] = {**model.get("fees", {}), "rate": _share(values["fee"])}
    if values.get("ticks"):
        model["slippage"] = {**model.get("slippage", {}), "ticks": parse_value(values["ticks"])}
    if values.get("short"):
        model["allows_short"] = True
    if values.get("tax"):
        model["tax_rate"] = TAX_RATE
    return body | ({"model": model} if model else {})


def _rest_of(model: Mapping[str, Any]) -> str:
    """Return the values of a fill model that are neither defaults nor fields of the form, as JSON; "" without any."""
    usual = _USUAL.to_json()
    rest = {name: value for name, value in model.items() if name != "allows_short" and value != usual.get(name)}
    rest = {name: value for name, value in rest.items() if (name, value) != ("tax_rate", TAX_RATE)}
    for part, fields in (("fees", {"rate", "table"}), ("slippage", {"ticks"})):
        given = {name: value for name, value in model.get(part, {}).items() if name not in fields}
        own = {name: value for name, value in given.items() if value not in (None, usual[part].get(name))}
        rest = {name: value for name, value in rest.items() if name != part} | ({part: own} if own else {})
    return orjson.dumps(rest).decode() if rest else ""


def _read_rest(text: str) -> dict[str, Any]:
    """Return the values that `_rest_of` wrote; {} for any other text."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    parts = [found.get(part, {}) for part in ("fees", "slippage")] if isinstance(found, dict) else [None]
    return found if all(isinstance(part, dict) for part in parts) else {}


def _share(percent: str) -> float | str:
    """Return the share for a percentage; any other text is unchanged, for the API to refuse."""
    try:
        share = Decimal(percent.removesuffix("%")) / 100
    except InvalidOperation:
        return percent
    return float(share) if share.is_finite() and abs(share) < 10**9 else percent


def _percent(share: float | None) -> str:
    return "" if share is None else f"{(Decimal(str(share)) * 100).normalize():f}"


def _typed(value: Any) -> str:
    """Return a value as a person types it, with every digit."""
    if isinstance(value, list):
        return ",".join(_typed(each) for each in value)
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    return "" if value is None else shown(value)


type Kind = Literal["run", "sweep"]

router = APIRouter()
_BODIES: Mapping[Kind, Callable[[Mapping[str, str]], dict[str, Any]]] = {"run": run_body, "sweep": sweep_body}
_DEFAULTS = {"interval": "1d", "sessions": "1250", "cash": "10000000"} | usual_costs()
#: The default values of a sweep for one or two parameters of each strategy; other strategies have none.
_GRIDS = {
    "sma_cross": {"p_fast": "5:30:5", "p_slow": "20:120:20"},
    "breakout": {"p_entry": "20:100:20", "p_exit": "10:40:10"},
    "mean_reversion": {"p_period": "10:40:5", "p_deviations": "1,1.5,2,2.5,3"},
    "momentum_rank": {"p_lookback": "20:240:20", "p_top": "1,2,3,5,10"},
    "value_rank": {"p_by": "per,forward_per,pbr,dividend_yield", "p_top": "1,2,3,5,10"},
    "buy_and_hold": {"p_weight": "0.25,0.5,0.75,1"},
}
#: Only an id, because it becomes a part of an API path.
_Again = Annotated[str, Query(alias="from", pattern="^([0-9a-f]{32})?$")]
_Chosen = Annotated[str, Query(max_length=40)]


@router.get("/backtests/new", dependencies=[needs(Scope.JOBS_READ)])
async def show_run_form(page: Page, strategy: _Chosen = "", again: _Again = "") -> Response:
    """Show the form of a run; `from` fills it with the request of another run."""
    return await _open(page, "run", strategy, again)


@router.get("/backtests/sweep", dependencies=[needs(Scope.JOBS_READ)])
async def show_sweep_form(page: Page, strategy: _Chosen = "", again: _Again = "") -> Response:
    """Show the form of a sweep; `from` fills it with the request of another sweep."""
    return await _open(page, "sweep", strategy, again)


@router.get("/backtests/sweep/size", dependencies=[needs(Scope.JOBS_READ)])
async def show_size(page: Page) -> Response:
    """Say how many combinations the fields of the form have; htmx asks while they are edited."""
    fields = {name: page.request.query_params.getlist(name) for name in page.request.query_params}
    return page.pages.answer(escape(say_size(read_values(fields), page.viewer.language)))


@router.post("/backtests/new", dependencies=[needs(Scope.JOBS_WRITE)])
async def submit_run(page: Page, request: Request) -> Response:
    """Submit a run, and open its page."""
    return await _submit(page, request, "run")


@router.post("/backtests/sweep", dependencies=[needs(Scope.JOBS_WRITE)])
async def submit_sweep(page: Page, request: Request) -> Response:
    """Submit a sweep, and open its page."""
    return await _submit(page, request, "sweep")


async def _open(page: OpenPage, kind: Kind, strategy: str, again: str) -> Response:
    if again:
        job = await page.api.get(JobView, f"{API}/jobs/{again}")
        values = values_of(job.data.request or {})
        return await _show(page, kind, {**values, **({"strategy": strategy} if strategy else {})})
    chosen = strategy or "sma_cross"
    values = _DEFAULTS | {"strategy": chosen} | (_GRIDS.get(chosen, {}) if kind == "sweep" else {})
    return await _show(page, kind, values)


async def _submit(page: OpenPage, request: Request, kind: Kind) -> Response:
    fields = await read_form(request)
    values = read_values(fields)
    try:
        body = _BODIES[kind](values)
    except InvalidRequest as e:
        return await _show(page, kind, values, status_code=422, problem=problem_of(e))
    # A form that is sent twice submits once.
    reply = await page.api.post(Accepted, f"{API}/{kind}", body, key=first_of(fields, "key")[:64])
    if reply.is_ok:
        return page.go_to(f"/backtests/{reply.data.job_id}")
    if reply.status in {status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN}:
        return await page.show_problem(reply)
    return await _show(page, kind, values, status_code=reply.status, problem=reply.problem)


async def _show(
    page: OpenPage,
    kind: Kind,
    values: Mapping[str, str],
    *,
    status_code: int = 200,
    problem: Mapping[str, Any] | None = None,
) -> Response:
    found = await page.api.get(StrategyList, f"{API}/strategies")
    own = found.data.own if found.is_ok else None
    # The API sorts them by name; PARAMETERS begins with the best-known strategy.
    strategies = sorted(found.items, key=lambda each: list(PARAMETERS).index(each.name))
    chosen = next((each for each in strategies if each.name == values.get("strategy")), None)
    return await page.show(
        "backtests/form.html",
        status_code,
        kind=kind,
        values=values,
        strategies=strategies,
        own=own,
        own_lines=lines_of(values) if values.get("strategy") in (own or ()) else None,
        chosen=chosen,
        parameters=list_fields(chosen) if chosen else [],
        fee_tables=list(FEE_TABLES),
        intervals=[interval.value for interval in Interval],
        markets=[market.value for market in Market if market.is_section],
        providers=provider_names(),
        problem=problem,
        size=say_size(values, page.viewer.language) if kind == "sweep" and (chosen or values.get("own")) else "",
        key=uuid4().hex,
    )

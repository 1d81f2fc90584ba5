"""The fields of the forms of backtests: parameters of a strategy, from their JSON schema, and all other fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from kaboom.backtest.choices import parse_value, parse_values
from kaboom.backtest.model import FillModel
from kaboom.backtest.report.text import shown
from kaboom.dashboard.viewer import first_of
from kaboom.errors import InvalidRequest

#: Fields that are sent as typed, and fields that are numbers.
_TEXTS = ("market", "interval", "provider", "benchmark", "first", "last", "as_of")
_NUMBERS = ("sessions", "cash", "seed")
_SWEEP_NUMBERS = ("trials", "keep", "folds")
#: Fields of forms that are shown again; those of parameters begin with `p_`.
_FORM = (
    *("strategy", "own", "symbols", "fee", "ticks", "short", "model", "rank_by", "out_of_sample"),
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


def list_fields(strategy: Mapping[str, Any]) -> list[ParameterField]:
    """Return the parameters of a strategy of the API; those that only this strategy has come first."""
    found = [_field(name, about) for name, about in strategy["parameters"].get("properties", {}).items()]
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
    body |= {"rank_by": values["rank_by"]} if values.get("rank_by") else {}
    if values.get("out_of_sample"):
        body["out_of_sample"] = _share(values["out_of_sample"])
    return body


def usual_costs() -> dict[str, str]:
    """Return the fields of the default costs, which are those of every door."""
    return {"fee": _percent(_USUAL.fees.rate), "ticks": _typed(_USUAL.slippage.ticks)}


def values_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a form from an earlier request, to submit it again."""
    names = (*_TEXTS, *_NUMBERS, *_SWEEP_NUMBERS, "strategy", "rank_by")
    # `as_of` is left out: a new run reads the bars as they are now.
    found = {name: _typed(request[name]) for name in names if name in request and name != "as_of"}
    found["symbols"] = ", ".join(request.get("symbols") or ())
    found |= {f"p_{name}": _typed(value) for name, value in request.get("parameters", {}).items()}
    model = request.get("model", {})
    found["model"] = _rest_of(model)
    fees, slippage = model.get("fees", {}), model.get("slippage", {})
    found |= {"fee": _percent(fees.get("rate")), "ticks": _typed(slippage.get("ticks"))}
    found |= {"short": "yes"} if model.get("allows_short") else {}
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
    model = _read_rest(values.get("model", ""))
    if values.get("fee"):
        model["fees"] = {**model.get("fees", {}), "rate": _share(values["fee"])}
    if values.get("ticks"):
        model["slippage"] = {**model.get("slippage", {}), "ticks": parse_value(values["ticks"])}
    if values.get("short"):
        model["allows_short"] = True
    return body | ({"model": model} if model else {})


def _rest_of(model: Mapping[str, Any]) -> str:
    """Return the values of a fill model that are neither defaults nor fields of the form, as JSON; "" without any."""
    usual = _USUAL.to_json()
    rest = {name: value for name, value in model.items() if name != "allows_short" and value != usual.get(name)}
    for part, field in (("fees", "rate"), ("slippage", "ticks")):
        own = {name: value for name, value in model.get(part, {}).items() if value not in (None, usual[part].get(name))}
        own.pop(field, None)
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

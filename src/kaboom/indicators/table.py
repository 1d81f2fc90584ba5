"""The indicators: their names, parameters, outputs and look-back, and those of a request; importable without polars."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval

#: The start value of an average weighs less than this after `settling` rows.
SETTLED = 1e-12

type Values = tuple[float, ...]
#: The most indicators in one request: there are fourteen, each with a few useful choices.
MAX_INDICATORS = 32


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an indicator: its name, its default and its bounds; a whole number if `is_whole`."""

    name: str
    default: float
    least: float
    most: float
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class IndicatorSpec:
    """The description of an indicator.

    Attributes:
        name: as callers write it.
        title: one line for people.
        parameters: in the order in which callers write them.
        outputs: suffixes of its columns; "" for the column named after the indicator.
        lookback: the rows without a value at the beginning of a history, like TA-Lib's `lookback`.
        settling: the rows after which the start of the history no longer matters.
        is_cumulative: whether it is computed from the first row of a span, without earlier rows.
        is_intraday: whether it is for intraday bars only.
        rule: a condition on its parameters together, as a sentence, with the check.

    """

    name: str
    title: str
    parameters: tuple[Parameter, ...]
    lookback: Callable[[Values], int]
    outputs: tuple[str, ...] = ("",)
    settling: Callable[[Values], int] = lambda _: 0
    is_cumulative: bool = False
    is_intraday: bool = False
    rule: tuple[str, Callable[[Values], bool]] = ("", lambda _: True)

    @property
    def defaults(self) -> Values:
        """The default parameters."""
        return tuple(parameter.default for parameter in self.parameters)


def _periods(*named: tuple[str, int], least: int = 2) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, default, least, 500) for name, default in named)


def _until_settled(kept: float) -> int:
    """Return after how many rows a weight is below `SETTLED` if each row keeps this share of it."""
    return math.ceil(math.log(SETTLED) / math.log(kept)) if kept > 0 else 0


def _of_ema(period: float) -> int:
    return _until_settled(1 - 2 / (period + 1))


def _of_wilder(period: float) -> int:
    return _until_settled(1 - 1 / period)


_SPECS: Mapping[str, IndicatorSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            IndicatorSpec("sma", "simple moving average", _periods(("period", 25)), lambda v: int(v[0]) - 1),
            IndicatorSpec(
                "ema",
                "exponential moving average",
                _periods(("period", 25)),
                lambda v: int(v[0]) - 1,
                settling=lambda v: _of_ema(v[0]),
            ),
            IndicatorSpec("wma", "weighted moving average", _periods(("period", 25)), lambda v: int(v[0]) - 1),
            IndicatorSpec(
                "rsi",
                "relative strength index (Wilder)",
                _periods(("period", 14)),
                lambda v: int(v[0]),
                settling=lambda v: _of_wilder(v[0]),
            ),
            IndicatorSpec(
                "macd",
                "moving average convergence/divergence",
                (*_periods(("fast", 12), ("slow", 26)), Parameter("signal", 9, 1, 500)),
                lambda v: int(v[1] + v[2]) - 2,
                outputs=("", "signal", "histogram"),
                settling=lambda v: _of_ema(v[1]) + _of_ema(v[2]),
                rule=("fast below slow", lambda v: v[0] < v[1]),
            ),
            IndicatorSpec(
                "bbands",
                "Bollinger bands",
                (*_periods(("period", 20)), Parameter("deviations", 2, 0.1, 10, is_whole=False)),
                lambda v: int(v[0]) - 1,
                outputs=("upper", "middle", "lower"),
            ),
            IndicatorSpec(
                "atr",
                "average true range (Wilder)",
                _periods(("period", 14), least=1),
                lambda v: int(v[0]),
                settling=lambda v: _of_wilder(v[0]),
            ),
            IndicatorSpec(
                "stoch",
                "stochastic oscillator, slow",
                _periods(("fast_k", 5), ("slow_k", 3), ("slow_d", 3), least=1),
                lambda v: int(sum(v)) - 3,
                outputs=("k", "d"),
            ),
            IndicatorSpec(
                "adx",
                "average directional index (Wilder)",
                _periods(("period", 14)),
                lambda v: 2 * int(v[0]) - 1,
                outputs=("", "plus_di", "minus_di"),
                settling=lambda v: 2 * _of_wilder(v[0]),
            ),
            IndicatorSpec("obv", "on-balance volume", (), lambda _: 0, is_cumulative=True),
            IndicatorSpec(
                "cci", "commodity channel index", (Parameter("period", 20, 2, 200),), lambda v: int(v[0]) - 1
            ),
            IndicatorSpec("roc", "rate of change, per cent", _periods(("period", 10), least=1), lambda v: int(v[0])),
            IndicatorSpec("mfi", "money flow index", _periods(("period", 14)), lambda v: int(v[0])),
            IndicatorSpec(
                "vwap", "volume-weighted average price of the session so far", (), lambda _: 0, is_intraday=True
            ),
        )
    }
)


def indicator_specs() -> tuple[IndicatorSpec, ...]:
    """Return all indicators."""
    return tuple(_SPECS.values())


def get_indicator_spec(name: str) -> IndicatorSpec:
    """Return the description of an indicator.

    Raises:
        InvalidRequest: there is no indicator of that name.

    """
    try:
        return _SPECS[name]
    except KeyError as e:
        raise InvalidRequest(
            f"indicator was {name[:20]!r}, supported are {', '.join(_SPECS)}", pointer="/indicators"
        ) from e


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator with the values of its parameters."""

    spec: IndicatorSpec
    values: Values

    @property
    def text(self) -> str:
        """The text of the indicator, with every parameter."""
        return f"{self.spec.name}:{','.join(map(_format, self.values))}" if self.values else self.spec.name

    @property
    def label(self) -> str:
        """Its name in columns and files, such as `macd_12_26_9`."""
        return "_".join([self.spec.name, *map(_format, self.values)])

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, such as `macd_12_26_9` and `macd_12_26_9_signal`."""
        return tuple(f"{self.label}_{output}" if output else self.label for output in self.spec.outputs)

    @property
    def rows_before(self) -> int:
        """The rows needed before a span, so that its values equal those over the whole history."""
        return 0 if self.spec.is_cumulative else self.spec.lookback(self.values) + self.spec.settling(self.values)


def default_text(spec: IndicatorSpec) -> str:
    """Return the text of an indicator with its defaults."""
    return Indicator(spec, spec.defaults).text


def parse_indicators(texts: Sequence[str], interval: Interval) -> tuple[Indicator, ...]:
    """Return the indicators in texts, each once, in their order.

    Raises:
        InvalidRequest: there are no or too many indicators, one is unknown or not for bars of this interval, or a
            parameter is out of bounds.

    """
    if not 1 <= len(texts) <= MAX_INDICATORS:
        raise InvalidRequest(
            f"indicators had {len(texts)} entries, expected 1 to {MAX_INDICATORS}", pointer="/indicators"
        )
    chosen = tuple({indicator.label: indicator for indicator in map(_parse, texts)}.values())
    for indicator in chosen:
        if indicator.spec.is_intraday and not interval.is_intraday:
            raise InvalidRequest(
                f"interval was {interval}, expected an intraday one for indicator {indicator.text}",
                pointer="/indicators",
            )
    return chosen


def _parse(text: str) -> Indicator:
    name, colon, rest = text.strip().lower().partition(":")
    spec = get_indicator_spec(name)
    given = rest.split(",") if colon else []
    if len(given) > len(spec.parameters):
        expected = ", ".join(parameter.name for parameter in spec.parameters) or "none"
        raise InvalidRequest(
            f"indicator {name} had {len(given)} parameters, expected at most: {expected}", pointer="/indicators"
        )
    values = (
        *(_parse_value(name, parameter, part) for parameter, part in zip(spec.parameters, given, strict=False)),
        *spec.defaults[len(given) :],
    )
    rule, holds = spec.rule
    if not holds(values):
        raise InvalidRequest(f"indicator was {text[:40]!r}, expected {rule}", pointer="/indicators")
    return Indicator(spec, values)


def _parse_value(name: str, parameter: Parameter, text: str) -> float:
    try:
        value = float(int(text)) if parameter.is_whole else float(text)
    except ValueError:
        value = float("nan")
    # A comparison with NaN is false.
    if not parameter.least <= value <= parameter.most:
        kind = "a whole number" if parameter.is_whole else "a number"
        raise InvalidRequest(
            f"{parameter.name} of {name} was {text[:20]!r}, expected {kind} from {parameter.least:g} to "
            f"{parameter.most:g}",
            pointer="/indicators",
        )
    return value


def _format(value: float) -> str:
    return f"{value:g}"

"""The table of indicators: names, parameters, outputs and look-back; importable without polars."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kaboom.errors import InvalidRequest

#: The start value of an average weighs less than this after `settling` rows.
SETTLED = 1e-12

type Values = tuple[float, ...]


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

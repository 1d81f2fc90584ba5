"""An indicator with its parameters, written as `sma:25`, `macd:12,26,9` or `obv`; importable without polars."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaboom.errors import InvalidRequest
from kaboom.indicators.table import IndicatorSpec, Parameter, Values, get_indicator_spec
from kaboom.market.interval import Interval

#: The most indicators in one request: there are fourteen, each with a few useful choices.
MAX_INDICATORS = 32


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

"""The request of a job that computes indicators; importable without polars, since the API checks it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, WithJsonSchema, field_serializer, field_validator

from kaboom.drivers.request import PlannedRequest
from kaboom.indicators.table import MAX_INDICATORS, Indicator, parse_indicators
from kaboom.market.fields import Day, IntervalName, LookBack, MarketName, Moment
from kaboom.market.interval import Interval
from kaboom.providers.registry import OfSource, SourceName, SourceSymbols

DEFAULT_SESSIONS = 250

_SCHEMA = WithJsonSchema(
    {"type": "array", "items": {"type": "string", "maxLength": 40}, "minItems": 1, "maxItems": MAX_INDICATORS}
)


def _check_texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and len(text) <= 40 for text in value):
        raise ValueError("expected a list of texts such as sma:25")
    return value


class IndicatorRequest(OfSource, PlannedRequest):
    """Which indicators to compute, and for which stored bars."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"indicators": ("--indicator", "-i"), "adjusted": ("--raw",)}

    interval: IntervalName = Interval.D1
    indicators: Annotated[tuple[Indicator, ...], _SCHEMA] = Field(
        description="such as macd:12,26,9; docs/reference/indicators.md"
    )
    sessions: LookBack = Field(default=DEFAULT_SESSIONS, description="look-back in sessions")
    market: MarketName | None = Field(default=None, description="only symbols that are listed there")
    provider: SourceName | None = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    symbols: SourceSymbols | None = Field(default=None, description="only these; default: all of which bars are held")
    session: Day | None = Field(default=None, description="the last session; default: newest closed")
    as_of: Moment | None = Field(
        default=None,
        description="bars, splits and lists as they were known at this time, with its zone, or at 00:00 in Japan of a"
        " day; their files go to a folder of their own; default: as they are",
    )
    adjusted: bool = Field(default=True, description="adjust bars for splits first; false: as traded")

    @field_validator("indicators", mode="plain")
    @classmethod
    def _parse_indicators(cls, value: Any, info: ValidationInfo) -> tuple[Indicator, ...]:
        if isinstance(value, tuple):
            return value
        return parse_indicators(_check_texts(value), info.data.get("interval", Interval.D1))

    @field_serializer("indicators")
    def _dump_indicators(self, indicators: tuple[Indicator, ...]) -> list[str]:
        return [indicator.text for indicator in indicators]

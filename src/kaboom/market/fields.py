"""Fields of requests: intervals, sessions, symbols and counts, with their bounds; importable without polars.

The JSON schema of a name lists the valid names; the error for an unknown name has the same list.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from kaboom.errors import InvalidRequest
from kaboom.market.bounds import MAX_LOOKBACK, MAX_OWN_DAYS, MAX_SYMBOLS
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval, parse_interval
from kaboom.market.listing import Market, parse_market


def one_of(names: Iterable[str]) -> WithJsonSchema:
    """Return the schema of a text that is one of some names."""
    return WithJsonSchema({"type": "string", "enum": [str(name) for name in names]})


def parsed[T](parse: Callable[[str], T], kind: type[T]) -> BeforeValidator:
    """Return a validator that reads a short JSON text by `parse`, and lets a value of `kind` through."""

    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str) or len(value) > 40 or not value.isascii():
            raise ValueError("expected a short text of ASCII letters")
        return parse(value)

    return BeforeValidator(read)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == 10 else date.fromisoformat("")
    except ValueError as e:
        raise ValueError(f"was {text!r}, expected a date as YYYY-MM-DD") from e


def _parse_moment(text: str) -> datetime:
    """Return the time in a text; a day means 00:00 of that day in Japan."""
    found = datetime.fromisoformat(text)
    if _ONE_DAY.fullmatch(text):
        found = datetime.combine(found.date(), time(), JST)
    if found.tzinfo is None:
        raise ValueError("expected a time zone, such as 2025-11-04T09:00:00+09:00, or a day alone")
    if not 1900 <= found.year < 2200:
        raise ValueError("expected a year from 1900 to 2199")
    return found.astimezone(UTC)


def interval_at(pointer: str) -> BeforeValidator:
    """Return the validator of an interval in the field at `pointer`."""

    def parse(text: str) -> Interval:
        try:
            return parse_interval(text)
        except InvalidRequest as e:
            raise InvalidRequest(e.message, pointer=pointer) from e

    return parsed(parse, Interval)


def _to_whole(value: Any) -> Any:
    """Turn a float such as 20.0 into an integer, which it is in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: Write it after the bounds of a whole number; before them it would remove the bounds from the JSON schema.
WHOLE = BeforeValidator(_to_whole)

_DAY = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
#: A day as YYYY-MM-DD.
Day = Annotated[date, parsed(_parse_day, date), WithJsonSchema(_DAY)]

_ONE_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS_OF_MOMENTS = "^(19|20|21)[0-9]{2}-"
_MOMENT = {
    "anyOf": [
        {"type": "string", "format": "date", "pattern": _YEARS_OF_MOMENTS},
        {"type": "string", "format": "date-time", "pattern": _YEARS_OF_MOMENTS},
    ],
    "examples": ["2025-11-04", "2025-11-04T09:00:00+09:00"],
}
#: A time with its zone, or a day, which begins at 00:00 in Japan; in UTC.
Moment = Annotated[datetime, parsed(_parse_moment, datetime), WithJsonSchema(_MOMENT)]

MarketName = Annotated[Market, parsed(parse_market, Market), one_of(Market)]
#: An interval as a field of its own, and as a key of `intervals`.
IntervalName = Annotated[Interval, interval_at("/interval"), one_of(Interval)]
IntervalKey = Annotated[Interval, interval_at("/intervals"), one_of(Interval)]

LookBack = Annotated[int, Field(ge=1, le=MAX_LOOKBACK), WHOLE]

#: Interval → look-back in trading sessions, the last one included. Only own files reach further than `MAX_LOOKBACK`.
Lookbacks = Annotated[
    dict[IntervalKey, Annotated[int, Field(ge=1, le=MAX_OWN_DAYS), WHOLE]], Field(min_length=1, max_length=5)
]

_Symbol = Annotated[str, Field(min_length=1, max_length=20)]


def _to_tuple(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if not value:
        message = "symbols was empty: name at least one symbol, or leave symbols out to take all"
        raise InvalidRequest(message, pointer="/symbols")
    if len(value) > MAX_SYMBOLS:
        raise ValueError(f"had {len(value)} entries, expected at most {MAX_SYMBOLS}")
    return tuple(value)


#: Some symbols; the request's own validator parses them by their market or provider.
SymbolTexts = Annotated[tuple[_Symbol, ...], Field(min_length=1, max_length=MAX_SYMBOLS), BeforeValidator(_to_tuple)]


def parse_symbols(texts: Iterable[str], parse: Callable[[str], str]) -> tuple[str, ...]:
    """Return symbols, each once, as `parse` reads them.

    Raises:
        InvalidRequest: a text is not a symbol.

    """
    return tuple(dict.fromkeys(parse(text) for text in texts))

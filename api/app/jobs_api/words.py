"""The vocabulary of requests: sessions, symbols, look-backs, each with its bounds.

Names such as `1m` or `synthetic` are checked by the domain, whose message lists those that there are. What OpenAPI
says of them stands here: a schema that names each.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema

from batch.market.bounds import MAX_LOOKBACK
from batch.market.interval import Interval
from batch.market.listing import Market
from batch.market.source import derived_source
from batch.providers.registry import master_names, provider_names


def one_of(names: Iterable[str]) -> WithJsonSchema:
    """Return the schema of a text that is one of some names."""
    return WithJsonSchema({"type": "string", "enum": [str(name) for name in names]})


_INTERVALS = one_of(Interval)


def _to_whole(value: Any) -> Any:
    """To JSON, and so to JSON Schema, 20.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_is_text(value: Any) -> Any:
    """A bare number would be taken for seconds since 1970, which no schema of ours allows."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("expected a time with its zone, such as 2025-11-04T09:00:00+09:00")
    return value


#: Behind the bounds of a whole number: before them it would take them out of its schema.
WHOLE = BeforeValidator(_to_whole)
#: A time with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_check_is_text)]
_ProviderName = Annotated[str, Field(min_length=1, max_length=40), one_of(provider_names())]
_SOURCES = (*provider_names(), *map(derived_source, provider_names()))

IntervalName = Annotated[str, Field(max_length=8), _INTERVALS]
MarketName = Annotated[str, Field(min_length=1, max_length=20), one_of(Market)]
#: Interval → look-back in trading sessions.
Lookbacks = dict[IntervalName, Annotated[int, Field(ge=1, le=MAX_LOOKBACK), WHOLE]]
Symbols = list[Annotated[str, Field(min_length=1, max_length=20)]]
Provider = _ProviderName | None
#: A provider that has a list of what is listed.
MasterProvider = Annotated[str, Field(min_length=1, max_length=40), one_of(master_names())] | None
#: A provider, or bars that were rolled up from one's minutes.
Source = Annotated[str, Field(min_length=1, max_length=40), one_of(_SOURCES)] | None
#: A day as YYYY-MM-DD.
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", json_schema_extra={"format": "date"})]
_Url: dict[str, Any] = {"type": "string", "maxLength": 2048, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"}
CallbackUrl = Annotated[str, Field(max_length=2048), WithJsonSchema(_Url)] | None

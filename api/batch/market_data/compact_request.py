"""What a caller may ask of a compaction; importable without polars, since the API checks it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch.errors import InvalidRequest
from batch.market.bounds import parse_count
from batch.market.interval import Interval, parse_interval

#: A hundred years.
MAX_KEEP_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class CompactRequest:
    """How many calendar days of bars to keep, by interval; what is not named is kept whole, and only made compact."""

    keep_days: Mapping[Interval, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types."""
        return {"keep_days": {interval.value: days for interval, days in self.keep_days.items()}}


def parse_compact(values: Mapping[str, Any], *, keep_days: Mapping[str, int]) -> CompactRequest:
    """Return the request that JSON types say, checked against every bound; `keep_days` is what none means.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    given = values.get("keep_days")
    kept = keep_days if given is None else given
    return CompactRequest(
        {_parse_interval(text): parse_count(days, MAX_KEEP_DAYS, f"/keep_days/{text}") for text, days in kept.items()}
    )


def _parse_interval(text: str) -> Interval:
    try:
        return parse_interval(text)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/keep_days") from e

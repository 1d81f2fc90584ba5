"""The request of a compaction; importable without polars, since the API checks it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field

from kaboom.drivers.request import PlannedRequest
from kaboom.market.fields import WHOLE, interval_at, one_of
from kaboom.market.interval import Interval, parse_interval

#: A hundred years.
MAX_KEEP_DAYS = 36_500

_Kept = Annotated[Interval, interval_at("/keep_days"), one_of(Interval)]


class CompactRequest(PlannedRequest):
    """How many calendar days of bars to keep, by interval; bars of other intervals are kept, and only compacted."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"keep_days": ("--keep",)}

    keep_days: dict[_Kept, Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS), WHOLE]] | None = Field(
        default=None, max_length=5, description="default: KABOOM_RETENTION"
    )

    def with_default(self, keep_days: Mapping[str, int]) -> Self:
        """Return the request with the days to keep; `keep_days` counts if the request names none."""
        if self.keep_days is not None:
            return self
        return self.model_copy(update={"keep_days": {parse_interval(name): days for name, days in keep_days.items()}})

"""The bodies of requests for jobs on the bars that are kept."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.jobs_api.submitting import JobBody
from app.jobs_api.words import WHOLE, Day, IntervalName, Provider, Symbols, one_of
from batch.bars.export.formats import Format
from batch.market.bounds import MAX_LOOKBACK, MAX_SYMBOLS
from batch.market_data.compact_request import MAX_KEEP_DAYS, parse_compact
from batch.market_data.mirror_request import DEFAULT_MONTHS, MAX_MONTHS, MirrorRequest, parse_mirror
from batch.market_data.roll_up_request import LONGER, RollUpRequest, parse_roll_up

_LongerLookbacks = dict[
    Annotated[str, Field(max_length=8), one_of(LONGER)], Annotated[int, Field(ge=1, le=MAX_LOOKBACK), WHOLE]
]
_FormatName = Annotated[
    str, Field(max_length=20), one_of(sorted(form.value for form in Format if form is not Format.JSON))
]


class RollUpBody(JobBody):
    """Which bars to make of minutes: interval → look-back in sessions, of all symbols that have minutes, or of some."""

    model_config = ConfigDict(json_schema_extra={"example": {"intervals": {"5m": 1, "1d": 20}}})

    intervals: _LongerLookbacks = Field(
        default={"5m": 1, "15m": 1, "1h": 1, "1d": 1}, min_length=1, max_length=4, description="5m, 15m, 1h and 1d"
    )
    symbols: Symbols = Field(default=[], max_length=MAX_SYMBOLS)
    provider: Provider = Field(default=None, description="whose minutes; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="the last session; default: newest closed")

    def to_request(self, default_provider: str) -> RollUpRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows.

        """
        return parse_roll_up(self.model_dump(), provider=default_provider)


class MirrorBody(JobBody):
    """Which files of the mirror to write: those of the newest months anew, older ones where they are not there."""

    model_config = ConfigDict(json_schema_extra={"example": {"format": "parquet", "months": 2}})

    format: _FormatName = Field(default="parquet", description="parquet, csv or arrow")
    months: Annotated[int, Field(ge=1, le=MAX_MONTHS), WHOLE] = DEFAULT_MONTHS

    def to_request(self) -> MirrorRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: the format is none of those.

        """
        return parse_mirror(self.model_dump())


class CompactBody(JobBody):
    """How many calendar days of bars to keep, by interval; the others are kept whole, and only made compact."""

    model_config = ConfigDict(json_schema_extra={"example": {"keep_days": {"1m": 90}, "dry_run": True}})

    keep_days: dict[IntervalName, Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS), WHOLE]] | None = Field(
        default=None, max_length=5, description="default: KABOOM_RETENTION"
    )

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types; what is not said, the worker's settings say when it runs.

        Raises:
            InvalidRequest: an interval is not one that Kaboom knows.

        """
        return {} if self.keep_days is None else parse_compact(self.model_dump(), keep_days={}).to_json()

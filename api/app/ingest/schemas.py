"""The bodies of ingest requests."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from batch.ingest.gap_request import BackfillRequest, parse_backfill
from batch.ingest.request import (
    DEFAULT_CHUNK_SIZE,
    MAX_CHUNK_SIZE,
    MAX_LOOKBACK,
    MAX_SYMBOLS,
    IngestRequest,
    parse_request,
)

_Lookback = Annotated[int, Field(ge=1, le=MAX_LOOKBACK)]
_Interval = Annotated[str, Field(max_length=8)]
_Symbol = Annotated[str, Field(min_length=1, max_length=20)]


_Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class JobBody(BaseModel):
    """What every ingest job is told: which bars there should be, and what to do about it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    intervals: dict[_Interval, _Lookback] = Field(min_length=1, max_length=5)
    market: str = Field(default="TSE_PRIME", max_length=20)
    chunk_size: int = Field(
        default=DEFAULT_CHUNK_SIZE, ge=1, le=MAX_CHUNK_SIZE, description="points in one write request"
    )
    symbols: list[_Symbol] = Field(default=[], max_length=MAX_SYMBOLS)
    provider: str | None = Field(default=None, max_length=40)
    callback_url: str | None = Field(
        default=None, max_length=2048, description="where the job's end is posted to; docs/reference/webhooks.md"
    )
    dry_run: bool = Field(default=False, description="plan only: the job ends with its plan, and no bar is taken")


class RunDailyBody(JobBody):
    """Which bars to take: interval → look-back in trading sessions, of a market's universe or of some symbols."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}},
    )

    session: _Day | None = Field(default=None, description="the last session; default: newest closed")

    def to_request(self) -> IngestRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows.

        """
        return parse_request(self.model_dump())


class BackfillBody(JobBody):
    """Which bars should be there: interval → look-back in sessions, of a market's universe or of some symbols."""

    model_config = ConfigDict(json_schema_extra={"example": {"intervals": {"1m": 20}, "market": "TSE_PRIME"}})

    first: _Day | None = Field(default=None, description="no session before this one, whatever the look-back")
    last: _Day | None = Field(default=None, description="the last session; default: newest closed")
    include_short: bool = Field(
        default=False, description="also sessions with less than half of the symbol's median, or no closing auction"
    )

    def to_request(self) -> BackfillRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows; `last` is its `session`.

        """
        return parse_backfill(self.model_dump() | {"session": self.last})

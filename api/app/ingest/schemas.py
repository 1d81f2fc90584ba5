"""The bodies of ingest requests."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.jobs_api.submitting import JobBody
from app.jobs_api.words import WHOLE, Day, Lookbacks, MarketName, Provider, Symbols
from batch.ingest.gap_request import BackfillRequest, parse_backfill
from batch.ingest.request import DEFAULT_CHUNK_SIZE, MAX_CHUNK_SIZE, IngestRequest, parse_request
from batch.market.bounds import MAX_SYMBOLS


class _IngestBody(JobBody):
    """What every ingest job is told: which bars there should be, and what to do about it."""

    intervals: Lookbacks = Field(min_length=1, max_length=5)
    market: MarketName = "TSE_PRIME"
    chunk_size: Annotated[int, Field(ge=1, le=MAX_CHUNK_SIZE), WHOLE] = Field(
        default=DEFAULT_CHUNK_SIZE, description="points in one write request"
    )
    symbols: Symbols = Field(default=[], max_length=MAX_SYMBOLS)
    provider: Provider = Field(default=None, description="who is asked; default: KABOOM_PROVIDER")


class RunDailyBody(_IngestBody):
    """Which bars to take: interval → look-back in trading sessions, of a market's universe or of some symbols."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}},
    )

    session: Day | None = Field(default=None, description="the last session; default: newest closed")

    def to_request(self) -> IngestRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows.

        """
        return parse_request(self.model_dump())


class BackfillBody(_IngestBody):
    """Which bars should be there: interval → look-back in sessions, of a market's universe or of some symbols."""

    model_config = ConfigDict(json_schema_extra={"example": {"intervals": {"1m": 20}, "market": "TSE_PRIME"}})

    first: Day | None = Field(default=None, description="no session before this one, whatever the look-back")
    last: Day | None = Field(default=None, description="the last session; default: newest closed")
    include_short: bool = Field(
        default=False, description="also sessions with less than half of the symbol's median, or no closing auction"
    )

    def to_request(self) -> BackfillRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows; `last` is its `session`.

        """
        return parse_backfill(self.model_dump() | {"session": self.last})

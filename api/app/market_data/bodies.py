"""The bodies of requests for jobs on the bars that are kept."""

from pydantic import ConfigDict, Field

from app.jobs_api.submitting import JobBody
from app.jobs_api.words import Day, Lookbacks, Provider, Symbols
from batch.market.bounds import MAX_SYMBOLS
from batch.market_data.roll_up_request import RollUpRequest, parse_roll_up


class RollUpBody(JobBody):
    """Which bars to make of minutes: interval → look-back in sessions, of all symbols that have minutes, or of some."""

    model_config = ConfigDict(json_schema_extra={"example": {"intervals": {"5m": 1, "1d": 20}}})

    intervals: Lookbacks = Field(
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

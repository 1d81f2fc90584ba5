"""The bodies of requests that refresh quotes and symbol lists, or compute indicators."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.jobs_api.submitting import JobBody
from app.jobs_api.words import WHOLE, Day, IntervalName, MarketName, MasterProvider, Provider, Source, Symbols
from batch.indicators.chosen import MAX_INDICATORS
from batch.indicators.request import DEFAULT_SESSIONS, IndicatorRequest, parse_indicator_request
from batch.ingest.quotes_request import parse_quotes
from batch.ingest.request import IngestRequest
from batch.market.bounds import MAX_LOOKBACK, MAX_SYMBOLS
from batch.market.master import MOST_LOST_PERCENT
from batch.market.master_request import MasterRequest, parse_master_request


class RefreshQuotesBody(JobBody):
    """Whose newest bars to take: those of a market's universe, or of some symbols."""

    model_config = ConfigDict(json_schema_extra={"example": {"interval": "1m", "market": "TSE_PRIME"}})

    interval: IntervalName = "1m"
    market: MarketName = "TSE_PRIME"
    symbols: Symbols = Field(default=[], max_length=MAX_SYMBOLS)
    provider: Provider = Field(default=None, description="who is asked; default: KABOOM_PROVIDER")

    def to_request(self, default_provider: str) -> IngestRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows.

        """
        return parse_quotes(self.model_dump(), provider=default_provider)


class RefreshSymbolsBody(JobBody):
    """Whose list of what is listed to take, and how many issues it may lack."""

    model_config = ConfigDict(json_schema_extra={"example": {"provider": "jquants"}})

    provider: MasterProvider = Field(default=None, description="whose list; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="as of which session; default: today's, or the one before")
    most_lost_percent: float = Field(
        default=MOST_LOST_PERCENT,
        ge=0,
        le=100,
        strict=False,
        description="refuse a list that lacks more of the issues before; 100 takes any",
    )

    def to_request(self, default_provider: str) -> MasterRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows.

        """
        return parse_master_request(self.model_dump(), provider=default_provider)


class IndicatorsBody(JobBody):
    """Which indicators to compute, of which bars that are held."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"indicators": ["sma:25", "rsi:14"], "interval": "1d", "sessions": 250}}
    )

    indicators: list[Annotated[str, Field(max_length=40)]] = Field(
        min_length=1, max_length=MAX_INDICATORS, description="such as macd:12,26,9; docs/reference/indicators.md"
    )
    interval: IntervalName = "1d"
    sessions: Annotated[int, Field(ge=1, le=MAX_LOOKBACK), WHOLE] = Field(
        default=DEFAULT_SESSIONS, description="look-back in sessions"
    )
    market: MarketName | None = Field(default=None, description="only symbols that are listed there")
    symbols: Symbols = Field(default=[], max_length=MAX_SYMBOLS)
    provider: Source = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="the last session; default: newest closed")
    adjusted: bool = Field(default=True, description="adjust bars for splits first; false: as traded")

    def to_request(self, default_provider: str) -> IndicatorRequest:
        """Return the domain's request.

        Raises:
            InvalidRequest: a name or a value is not one that Kaboom knows.

        """
        return parse_indicator_request(self.model_dump(), provider=default_provider)

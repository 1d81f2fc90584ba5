"""What a caller may ask of a toy digest."""

from typing import Annotated

from pydantic import Field

from kaboom.drivers.request import Request
from kaboom.market.fields import WHOLE, Day, MarketName
from kaboom.market.listing import Market
from kaboom.providers.registry import OfSource, SourceName


class ToyDigestRequest(OfSource, Request):
    """Which market and session to describe, and how many symbols to name."""

    market: MarketName = Market.TSE_PRIME
    provider: SourceName | None = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="which session; default: newest closed")
    names: Annotated[int, Field(ge=1, le=10), WHOLE] = Field(default=3, description="symbols to name")

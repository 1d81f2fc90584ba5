"""What a caller may ask of a digest."""

from typing import Annotated

from pydantic import Field

from batch.kit.request import Request
from batch.market.fields import WHOLE, MarketName
from batch.market.listing import Market


class DigestRequest(Request):
    """Which market to describe, and how many symbols to name."""

    market: MarketName = Market.TSE_PRIME
    names: Annotated[int, Field(ge=1, le=10), WHOLE] = Field(default=3, description="symbols to name")

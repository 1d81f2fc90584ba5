"""The request to take rows back from quarantine; importable without polars."""

from typing import Annotated

from pydantic import Field

from kaboom.drivers.request import PlannedRequest
from kaboom.market.fields import Day, IntervalName
from kaboom.market.interval import Interval
from kaboom.providers.fields import OfSource, SourceName


class TakeBackRequest(OfSource, PlannedRequest):
    """Which rejected rows to store as bars after all: of a rule, a symbol or a day, or all of a series."""

    interval: IntervalName = Field(default=Interval.D1, description="the length of the bars")
    provider: SourceName | None = Field(default=None, description="whose rows; default: KABOOM_PROVIDER")
    reason: Annotated[str, Field(max_length=40, pattern="^[a-z0-9_ ]+$")] | None = Field(
        default=None, description="only rows rejected by this rule, such as off_grid; default: by any"
    )
    symbol: Annotated[str, Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="only rows of this symbol, as written in the row"
    )
    session: Day | None = Field(default=None, description="only rows with a time on this day in Japan")

"""The request of a refresh of the list of issues."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from kaboom.drivers.request import PlannedRequest
from kaboom.market.fields import Day
from kaboom.market.lists.master import MOST_LOST_PERCENT
from kaboom.providers.fields import MasterProvider


class MasterRequest(PlannedRequest):
    """Which provider's list of issues to fetch, and how many issues it may lack."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"most_lost_percent": ("--most-lost",)}

    provider: MasterProvider | None = Field(default=None, description="whose list; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="as of which session; default: today's, or the one before")
    most_lost_percent: Annotated[float, Field(ge=0, le=100, strict=False)] = Field(
        default=MOST_LOST_PERCENT, description="refuse a list that lacks more of the issues before; 100 takes any"
    )

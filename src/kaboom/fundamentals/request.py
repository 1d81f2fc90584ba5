"""The request of the job that takes statements and events; importable without polars, since the API checks it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from kaboom.drivers.request import PlannedRequest
from kaboom.market.fields import WHOLE, Day, one_of
from kaboom.providers.base import DisclosureKind
from kaboom.providers.registry import DisclosureSource, SourceSymbols

#: Ten years.
MAX_DAYS = 3_653
#: A day is read again on the three days after it: providers correct what they published first.
DEFAULT_DAYS = 4

_Kind = Annotated[
    str,
    Field(pattern=f"^({'|'.join(DisclosureKind)})$", examples=[DisclosureKind.STATEMENTS.value]),
    one_of(DisclosureKind),
]


class FundamentalsRequest(PlannedRequest):
    """Which statements and events to take: of the days up to a session, or all of some symbols."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"kinds": ("--kind",)}

    provider: DisclosureSource | None = Field(default=None, description="whose; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="the last day, any calendar day; default: today")
    days: Annotated[int, Field(ge=1, le=MAX_DAYS), WHOLE] = Field(
        default=DEFAULT_DAYS, description="how many calendar days up to it"
    )
    symbols: SourceSymbols | None = Field(default=None, description="all of these symbols instead of days")
    kinds: Annotated[list[_Kind], Field(min_length=1, max_length=len(DisclosureKind))] = Field(
        default=[kind.value for kind in DisclosureKind],
        description="statements, announcements or dividends; J-Quants has dividends for its plan Premium",
    )

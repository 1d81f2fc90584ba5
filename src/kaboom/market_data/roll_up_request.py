"""The request of a roll-up; importable without polars, since the API checks it."""

from typing import Annotated

from pydantic import Field

from kaboom.drivers.request import PlannedRequest
from kaboom.errors import InvalidRequest
from kaboom.market.fields import Day, LookBack, one_of, parsed
from kaboom.market.interval import Interval, parse_interval
from kaboom.providers.fields import OfSource, ProviderName, SourceSymbols

#: The intervals that minutes can be rolled up to.
LONGER = tuple(interval for interval in Interval if interval is not Interval.M1)


def _parse_longer(text: str) -> Interval:
    interval = parse_interval(text)
    if interval not in LONGER:
        raise InvalidRequest(
            f"intervals had 1m, from which bars are rolled up; expected some of {', '.join(LONGER)}",
            pointer="/intervals/1m",
        )
    return interval


_Longer = Annotated[Interval, parsed(_parse_longer, Interval), one_of(LONGER)]


class RollUpRequest(OfSource, PlannedRequest):
    """Which bars to make of minutes: interval → look-back in sessions, of all symbols that have minutes, or of some."""

    intervals: Annotated[dict[_Longer, LookBack], Field(min_length=1, max_length=4)] = Field(
        default=dict.fromkeys(LONGER, 1), description="5m, 15m, 1h and 1d"
    )
    provider: ProviderName | None = Field(default=None, description="whose minutes; default: KABOOM_PROVIDER")
    symbols: SourceSymbols | None = Field(default=None, description="only these; default: all that have minutes")
    session: Day | None = Field(default=None, description="the last session; default: newest closed")

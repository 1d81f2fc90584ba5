"""The requests of the jobs on stored bars; importable without polars, since the API checks them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field

from kaboom.bars.export.formats import Format
from kaboom.drivers.request import PlannedRequest
from kaboom.errors import InvalidRequest
from kaboom.market.fields import WHOLE, Day, IntervalName, LookBack, Moment, interval_at, one_of, parsed
from kaboom.market.interval import Interval, parse_interval
from kaboom.market.lists.master import MOST_LOST_PERCENT
from kaboom.providers.registry import MasterProvider, OfSource, ProviderName, SourceName, SourceSymbols

#: A hundred years.
MAX_KEEP_DAYS = 36_500

_Kept = Annotated[Interval, interval_at("/keep_days"), one_of(Interval)]
MAX_MONTHS = 1_200
#: Providers correct bars for some days, so the file of a month is written for one more month after its end.
DEFAULT_MONTHS = 2

_OFFERED = sorted(form.value for form in Format if form is not Format.JSON)
#: The intervals that minutes can be rolled up to.
LONGER = tuple(interval for interval in Interval if interval is not Interval.M1)


class CompactRequest(PlannedRequest):
    """How many calendar days of bars to keep, by interval; bars of other intervals are kept, and only compacted."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"keep_days": ("--keep",)}

    keep_days: dict[_Kept, Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS), WHOLE]] | None = Field(
        default=None, max_length=5, description="default: KABOOM_RETENTION"
    )

    def with_default(self, keep_days: Mapping[str, int]) -> Self:
        """Return the request with the days to keep; `keep_days` counts if the request names none."""
        if self.keep_days is not None:
            return self
        return self.model_copy(update={"keep_days": {parse_interval(name): days for name, days in keep_days.items()}})


def _parse_format(text: str) -> Format:
    if text not in _OFFERED:
        raise InvalidRequest(f"format was {text!r:.30}, expected one of {', '.join(_OFFERED)}", pointer="/format")
    return Format(text)


class MirrorRequest(PlannedRequest):
    """Which files of the mirror to write: those of the newest months again, older ones only if they are missing."""

    format: Annotated[Format, parsed(_parse_format, Format), one_of(_OFFERED)] = Field(
        default=Format.PARQUET, description="parquet, csv or arrow"
    )
    months: Annotated[int, Field(ge=1, le=MAX_MONTHS), WHOLE] = DEFAULT_MONTHS
    as_of: Moment | None = Field(
        default=None,
        description="bars as they were known at this time, with its zone, or at 00:00 in Japan of a day, in a folder of"
        " their own; default: as they are",
    )


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


class MasterRequest(PlannedRequest):
    """Which provider's list of issues to fetch, and how many issues it may lack."""

    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {"most_lost_percent": ("--most-lost",)}

    provider: MasterProvider | None = Field(default=None, description="whose list; default: KABOOM_PROVIDER")
    session: Day | None = Field(default=None, description="as of which session; default: today's, or the one before")
    most_lost_percent: Annotated[float, Field(ge=0, le=100, strict=False)] = Field(
        default=MOST_LOST_PERCENT, description="refuse a list that lacks more of the issues before; 100 takes any"
    )

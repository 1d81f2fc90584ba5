"""The request of a mirror; importable without polars, since the API checks it."""

from typing import Annotated

from pydantic import Field

from kaboom.bars.export.formats import Format
from kaboom.drivers.request import PlannedRequest
from kaboom.errors import InvalidRequest
from kaboom.market.fields import WHOLE, Moment, one_of, parsed

MAX_MONTHS = 1_200
#: Providers correct bars for some days, so the file of a month is written for one more month after its end.
DEFAULT_MONTHS = 2

_OFFERED = sorted(form.value for form in Format if form is not Format.JSON)


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

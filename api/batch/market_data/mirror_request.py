"""What a caller may ask of a mirror; importable without polars, since the API checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch.bars.export.formats import Format
from batch.errors import InvalidRequest
from batch.market.bounds import parse_count

MAX_MONTHS = 1_200
#: Providers correct bars for some days: after a month's end its file is written for one month more.
DEFAULT_MONTHS = 2


@dataclass(frozen=True, slots=True)
class MirrorRequest:
    """Which files to write: those of the newest `months` anew, older ones where they are not there."""

    form: Format = Format.PARQUET
    months: int = DEFAULT_MONTHS

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types."""
        return {"format": self.form.value, "months": self.months}


def parse_mirror(values: Mapping[str, Any]) -> MirrorRequest:
    """Return the request that JSON types say, checked against every bound.

    Raises:
        InvalidRequest: something in it cannot be; `pointer` says what.

    """
    text = values.get("format", Format.PARQUET.value)
    offered = [form.value for form in Format if form is not Format.JSON]
    if text not in offered:
        raise InvalidRequest(f"format was {text!r:.30}, expected one of {', '.join(offered)}", pointer="/format")
    return MirrorRequest(Format(text), parse_count(values.get("months", DEFAULT_MONTHS), MAX_MONTHS, "/months"))

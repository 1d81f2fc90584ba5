"""Choose a format by the Accept header (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from kaboom.bars.export.formats import Format
from kaboom.web.caller_errors import NotAcceptable

#: Clients do not send more parts; further parts are ignored.
_MOST_PARTS = 50
#: The media types without parameters, with their alternative names.
_NAMES = {form: {form.media_type.partition(";")[0]} for form in Format}
_NAMES[Format.ARROW] |= {"application/vnd.apache.arrow"}
_NAMES[Format.PARQUET] |= {"application/x-parquet"}


def choose_format(accept: str | None, offered: Sequence[Format] = tuple(Format)) -> Format:
    """Return the format that an Accept header prefers; of equal ones the first in `offered`.

    Raises:
        NotAcceptable: the header accepts none of the formats.

    """
    ranges = [_parse(part) for part in (accept or "*/*").lower().split(",")[:_MOST_PARTS]]
    best = max(offered, key=lambda form: _quality(form, ranges))
    if _quality(best, ranges) <= 0:
        names = ", ".join(form.media_type.partition(";")[0] for form in offered)
        raise NotAcceptable(f"Accept was {(accept or '')[:80]!r}, expected one of {names}")
    return best


def _quality(form: Format, ranges: list[tuple[str, float]]) -> float:
    """Return the quality that the most specific matching range gives a format; 0 if none matches."""
    major = form.media_type.partition("/")[0]
    for names in (_NAMES[form], {f"{major}/*"}, {"*/*"}):
        said = [weight for name, weight in ranges if name in names]
        if said:
            return max(said)
    return 0.0


def _parse(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    weight = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    try:
        return name, min(max(float(weight), 0.0), 1.0)
    except ValueError:
        return name, 0.0

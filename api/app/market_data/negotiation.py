"""Which format an Accept header asks for (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from app.errors import NotAcceptable
from batch.bars.export.formats import Format

#: More parts than that no client sends; the rest is not looked at.
_MOST_PARTS = 50
#: Before any parameter, and what else people call them.
_NAMES = {form: {form.media_type.partition(";")[0]} for form in Format}
_NAMES[Format.ARROW] |= {"application/vnd.apache.arrow"}
_NAMES[Format.PARQUET] |= {"application/x-parquet"}


def choose_format(accept: str | None, offered: Sequence[Format] = tuple(Format)) -> Format:
    """Return the format that an Accept header likes best; of several the first that is offered.

    Raises:
        NotAcceptable: it takes none of them.

    """
    ranges = [_parse(part) for part in (accept or "*/*").lower().split(",")[:_MOST_PARTS]]
    best = max(offered, key=lambda form: _quality(form, ranges))
    if _quality(best, ranges) <= 0:
        names = ", ".join(form.media_type.partition(";")[0] for form in offered)
        raise NotAcceptable(f"Accept was {(accept or '')[:80]!r}, expected one of {names}")
    return best


def _quality(form: Format, ranges: list[tuple[str, float]]) -> float:
    """What the most specific range that fits says of a format; 0 where none fits."""
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

"""The unit of the volumes of a file, by the name of their column or the lines around the table; pure."""

import re
import unicodedata
from collections.abc import Iterable

from kaboom.errors import InvalidRequest

#: A unit after the name of a column of volumes, without signs, and the power of ten of one.
SHARE_UNITS = {
    "": 0, "株": 0, "口": 0, "shares": 0,
    "千": 3, "千株": 3, "千口": 3, "thousand": 3, "thousands": 3, "000": 3, "000s": 3, "'000": 3, "'000s": 3, "k": 3,
    "万株": 4, "万口": 4,
    "百万株": 6, "百万口": 6, "million": 6, "millions": 6, "m": 6,
}  # fmt: skip
#: A unit after the name of a column of prices: it changes no number.
PRICE_UNITS = ("", "円", "yen", "jpy", "usd")

_OF_SHARES = re.compile("(百万|千|万)(?:株|口)")
_POWERS = {"千": 3, "万": 4, "百万": 6}
#: A line that says the unit, beside others that name a scale.
_SAYS_UNIT = re.compile(r"単位|^\W*(?:百万|千|万)(?:株|口)\W*$")
#: An amount, and the shares of an order, which are no units of volumes.
_OTHER = re.compile(r"[0-9][0-9.,]*\s*(?:百万|千|万|億)(?:株|口|円)|(?:売買単位|単元)\S*")
#: A scale that may be that of the volumes, or of other numbers.
_VAGUE = re.compile(
    r"(?:百万|千|億)円|thousand|million|'000|hundreds|\b(?:in|of) lots\b|[0-9]+(?:株|口)単位|出来高\S*単元",
    re.IGNORECASE,
)


def find_scale(titles: Iterable[str]) -> int:
    """Return the power of ten of one volume by the lines above the header, such as `単位:千株`.

    Raises:
        InvalidRequest: they have a scale, but do not say that it is of the volumes.

    """
    found = set[int]()
    for plain in map(_plain, titles):
        powers = {_POWERS[scale] for scale in _OF_SHARES.findall(plain)}
        found |= powers
        unclear = _OF_SHARES.search(plain) or _VAGUE.search(plain)
        if unclear and (not powers or len(found) > 1 or not _SAYS_UNIT.search(plain)):
            raise InvalidRequest(explain_scale(unclear[0]))
    return found.pop() if found else 0


def names_scale(text: str) -> bool:
    """Return whether a text that is no number or time names a scale, as a row of units or a note does."""
    plain = _plain(text)
    return bool(_OF_SHARES.search(plain) or _VAGUE.search(plain))


def explain_scale(text: str) -> str:
    """Return why a file with a scale beside its columns is refused."""
    return f"expected the unit of volumes in the name of their column, such as Volume (thousands), found {text[:40]!r}"


def _plain(text: str) -> str:
    return _OTHER.sub("", unicodedata.normalize("NFKC", text))

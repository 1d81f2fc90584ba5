"""Amounts of yen as exact decimals with at most four digits after the point, and their text."""

import re
from decimal import ROUND_HALF_EVEN, Decimal

from kaboom.errors import InvalidRequest

ZERO = Decimal(0)
#: The form of an amount; it has decimals because a price may be the mean of several executions.
AMOUNT_FORM = r"^[0-9]{1,13}(\.[0-9]{1,4})?$"
#: The largest amount of one entry, in yen.
MOST_YEN = Decimal(10) ** 13
_FORM = re.compile(AMOUNT_FORM)
_STEP = Decimal("0.0001")


def parse_yen(text: str, *, field: str) -> Decimal:
    """Return the amount of a text such as `"2841.5"`, in yen; `field` names it in the error.

    Raises:
        InvalidRequest: the text is not such an amount, or is over MOST_YEN.

    """
    # `re` also accepts digits of other scripts, which other readers of the file may not.
    if not (text.isascii() and _FORM.fullmatch(text)) or Decimal(text) > MOST_YEN:
        raise InvalidRequest(
            f"{field} was {text[:20]!r}, expected yen from 0 to {MOST_YEN:.0f} with at most 4 digits after the point",
            pointer=f"/{field}",
        )
    return Decimal(text)


def format_yen(amount: Decimal) -> str:
    """Return an amount as plain text without trailing zeros: `"2841.5"`, `"-300"`."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def round_yen(amount: Decimal) -> Decimal:
    """Return an amount rounded to four digits after the point, half to even."""
    return amount.quantize(_STEP, rounding=ROUND_HALF_EVEN)

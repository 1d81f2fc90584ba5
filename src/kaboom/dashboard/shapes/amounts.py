"""Amounts of yen for pages, from the decimal text of the API."""

from decimal import Decimal

#: Shown for an unknown value, instead of 0.
UNKNOWN = "\N{EN DASH}"


def yen(amount: str | None) -> str:
    """Return an amount with commas, rounded to a hundredth of a yen; a dash if it is unknown."""
    return UNKNOWN if amount is None else _short(amount, "")


def signed_yen(amount: str | None) -> str:
    """Return an amount like `yen`, with its sign; a dash if it is unknown."""
    if amount is None:
        return UNKNOWN
    return _short(amount, "+").replace("-", "\N{MINUS SIGN}") if Decimal(amount) else "0"


def direction(amount: str | None) -> str:
    """Return the class of an amount's colour: `up`, `down`, or "" for neither."""
    found = Decimal(amount or 0)
    return "up" if found > 0 else "down" if found < 0 else ""


def _short(amount: str, sign: str) -> str:
    return f"{Decimal(amount):{sign},.2f}".rstrip("0").rstrip(".")

"""Corporate actions such as splits, as factors between older and newer prices."""

import math
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction

from batch.errors import InvalidRequest

#: No split was ever larger; a factor beyond is a typing error, or an error of a provider.
_LEAST, _MOST = 1e-4, 1e4
#: Shares are split in ratios of small whole numbers; a provider writes a third as 0.333333.
_MOST_SHARES = 100
_ROUNDING = 5e-6


class ActionKind(StrEnum):
    """The meaning of a factor: more shares, fewer, or a ratio that no split has (such as a rights issue)."""

    SPLIT = "split"
    REVERSE_SPLIT = "reverse_split"
    OTHER = "other"


class ActionState(StrEnum):
    """The state of an action: reported by the provider, suspected from bars, or reviewed by a person."""

    REPORTED = "reported"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"

    @property
    def is_applied(self) -> bool:
        """Whether bars are adjusted by it."""
        return self in {ActionState.REPORTED, ActionState.CONFIRMED}


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """One action of a symbol.

    Attributes:
        symbol: the symbol.
        ex_session: the first session at the new price.
        factor: prices before `ex_session` are multiplied by it, volumes divided: 0.5 if one share becomes two. It is
            J-Quants' AdjFactor; cash dividends have none.

    """

    symbol: str
    ex_session: date
    factor: float

    @property
    def kind(self) -> ActionKind:
        """The meaning of the factor."""
        return kind_of(self.factor)


def kind_of(factor: float) -> ActionKind:
    """Return the meaning of a factor."""
    if find_ratio(factor) is None:
        return ActionKind.OTHER
    return ActionKind.SPLIT if factor < 1 else ActionKind.REVERSE_SPLIT


def check_factor(factor: float) -> float:
    """Return a factor; a rounded ratio of small whole numbers becomes exact (0.333333 is a third).

    Raises:
        InvalidRequest: it is not a number, is 1, or is out of bounds.

    """
    if not (math.isfinite(factor) and _LEAST <= factor <= _MOST) or factor == 1:
        raise InvalidRequest(f"factor was {factor:g}, expected {_LEAST:g} to {_MOST:g}, but not 1", pointer="/factor")
    ratio = find_ratio(factor)
    return factor if ratio is None else float(ratio)


def parse_factor(text: str) -> float:
    """Return the factor of a text such as `"1/2"`, `"0.5"` or `"10"`.

    Raises:
        InvalidRequest: the text is not such a number.

    """
    try:
        return check_factor(float(Fraction(text[:40])))
    except (ValueError, ZeroDivisionError, OverflowError) as e:
        raise InvalidRequest(
            f"factor was {text[:40]!r}, expected a number such as 1/2 or 0.5", pointer="/factor"
        ) from e


def find_ratio(factor: float) -> Fraction | None:
    """Return the ratio of small whole numbers that a factor was rounded from, or None."""
    below = min(factor, 1 / factor)
    # One share of more than a hundred is a ratio too.
    many = below * _MOST_SHARES < 1
    ratio = Fraction(1, round(1 / below)) if many else Fraction(below).limit_denominator(_MOST_SHARES)
    if abs(float(ratio) / below - 1) > _ROUNDING:
        return None
    return ratio if factor < 1 else 1 / ratio

"""Corporate actions: splits and similar events, as factors between older and newer prices, and cash dividends."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction

from kaboom.errors import InvalidRequest

#: Yen a share; a larger dividend is a typing error.
_MOST_DIVIDEND = 1e6
#: No split was ever larger; a factor outside of these bounds is a typing error, or an error of a provider.
_LEAST, _MOST = 1e-4, 1e4
#: Shares are split in ratios of small whole numbers; a provider writes a third as 0.333333.
_MOST_SHARES = 100
_ROUNDING = 5e-6


class ActionKind(StrEnum):
    """The kind of an action. OTHER is a factor that no split has, such as that of a rights issue."""

    SPLIT = "split"
    REVERSE_SPLIT = "reverse_split"
    OTHER = "other"
    DIVIDEND = "dividend"


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
    """One action of a symbol: a factor, or a cash dividend. A session may have one of each.

    Attributes:
        symbol: the symbol.
        ex_session: the first session at the new price.
        factor: prices before `ex_session` are multiplied by it, volumes divided: 0.5 if one share becomes two. It is
            J-Quants' AdjFactor; 1 of a dividend, which adjusts no prices.
        amount: yen before tax for each share held at the previous close; 0 unless it is a dividend.

    """

    symbol: str
    ex_session: date
    factor: float = 1.0
    amount: float = 0.0

    @property
    def kind(self) -> ActionKind:
        """The kind of the action."""
        return ActionKind.DIVIDEND if self.amount else kind_of(self.factor)


def kind_of(factor: float) -> ActionKind:
    """Return the meaning of a factor."""
    if find_ratio(factor) is None:
        return ActionKind.OTHER
    return ActionKind.SPLIT if factor < 1 else ActionKind.REVERSE_SPLIT


def check_factor(factor: float) -> float:
    """Return a factor; a rounded ratio of small whole numbers becomes exact (0.333333 is a third).

    Raises:
        InvalidRequest: the factor is not a number, is 1, or is out of bounds.

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


def check_dividend(amount: float) -> float:
    """Return the amount of a dividend, in yen a share.

    Raises:
        InvalidRequest: the amount is not a number, or is out of bounds.

    """
    if not 0 < amount <= _MOST_DIVIDEND:
        raise InvalidRequest(
            f"dividend was {amount:g}, expected more than 0 yen a share, at most {_MOST_DIVIDEND:g}",
            pointer="/amount",
        )
    return amount


def find_ratio(factor: float) -> Fraction | None:
    """Return the ratio of small whole numbers that a factor was rounded from, or None."""
    below = min(factor, 1 / factor)
    # One to more than a hundred is a ratio too.
    many = below * _MOST_SHARES < 1
    ratio = Fraction(1, round(1 / below)) if many else Fraction(below).limit_denominator(_MOST_SHARES)
    if abs(float(ratio) / below - 1) > _ROUNDING:
        return None
    return ratio if factor < 1 else 1 / ratio


@dataclass(frozen=True, slots=True)
class Split:
    """From `ex_session` on one share is `shares` shares: 2 of a split in two, 1/10 of a reverse split of ten."""

    symbol: str
    ex_session: date
    shares: Fraction


def splits_of(actions: Iterable[CorporateAction]) -> tuple[Split, ...]:
    """Return the splits among corporate actions, by ex-session and symbol.

    An action whose factor is not a ratio of shares, such as a rights issue, gives a holder no shares, and is left out.
    """
    found = [(action, find_ratio(action.factor)) for action in actions]
    splits = (Split(action.symbol, action.ex_session, 1 / ratio) for action, ratio in found if ratio)
    return tuple(sorted(splits, key=lambda split: (split.ex_session, split.symbol)))

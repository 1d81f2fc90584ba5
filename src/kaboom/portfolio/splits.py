"""Splits and reverse splits of the shares in a portfolio: how many shares one share becomes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from kaboom.market.action import CorporateAction, find_ratio


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

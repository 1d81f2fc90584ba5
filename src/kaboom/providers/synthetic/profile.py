"""How trading is spread over a session: the shares of volume and of price movement of each minute."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kaboom.market.calendar import auction_stamps, minute_grid
from kaboom.providers.synthetic.rng import Floats

# Shares of the day's volume. They are assumptions: no source that could be cited was found.
OPEN_SHARE = 0.04
_FIRST_TEN_SHARE = 0.09
AM_AUCTION_SHARE = 0.01
CLOSE_SHARE = 0.12
_REST_SHARE = 1 - OPEN_SHARE - _FIRST_TEN_SHARE - AM_AUCTION_SHARE - CLOSE_SHARE


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of a session of T one-minute steps.

    Attributes:
        stamps: UTC epoch seconds of the steps, [T].
        volume: share of each step in continuous trading, without the opening auction; 0 at auctions, [T].
        movement: share of each step in the day's price variance, [T].
        am_auction, close_auction: the numbers of the two steps that have a single price.

    """

    stamps: NDArray[np.int64]
    volume: Floats
    movement: Floats
    am_auction: int
    close_auction: int


@lru_cache(maxsize=64)
def build_profile(session: date) -> Profile:
    """Return the shape of one session."""
    stamps = np.array(minute_grid(session), dtype=np.int64)
    am, close = (int(np.searchsorted(stamps, stamp)) for stamp in auction_stamps(session))
    am_t, pm_t = np.arange(am), np.arange(close - am - 1)
    morning = 1 + 4.5 * np.exp(-am_t / 8) + 0.5 * (am_t / 150) ** 3
    afternoon = 0.8 + 1.2 * np.exp(-pm_t / 6) + 1.6 * (pm_t / 175) ** 4
    curve = np.concatenate([morning, [0.0], afternoon, [0.0]])
    volume = curve * _REST_SHARE / curve[10:].sum()
    volume[:10] = curve[:10] * _FIRST_TEN_SHARE / curve[:10].sum()
    movement = curve / curve.sum()
    # Auctions move a little from the last price, and so does the first price after lunch.
    movement[am], movement[close], movement[am + 1] = 0.005, 0.01, movement[am + 1] + 0.02
    return Profile(stamps, volume, movement / movement.sum(), am, close)

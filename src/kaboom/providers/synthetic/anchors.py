"""Where each year of a synthetic symbol starts, and its splits: known without walking earlier years."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaboom.market.rules import round_to_tick
from kaboom.providers.synthetic.constants import Traits
from kaboom.providers.synthetic.rng import Floats, Stream, bounded_normals, hash_words, uniforms

#: There are no splits around the turn of the year, where the path must meet the next anchor.
QUIET_SESSIONS = 20

_SPLIT_P_PER_DAY = 0.0004
_SESSIONS_PER_YEAR = 245
_SPLIT_P_PER_YEAR = 1 - (1 - _SPLIT_P_PER_DAY) ** _SESSIONS_PER_YEAR
_RATIOS = np.array([2, 3, 5, 10], dtype=np.int64)
_RATIO_BOUNDS = np.array([0.5, 0.75, 0.92])
# No company splits a share down to a price where one tick is a percent.
_LEAST_PRICE_AFTER = 150.0

_MEMORY_YEARS = 20
_PERSISTENCE = 0.75
_YEARLY_SIGMA = 0.18
# The mean yearly decrease of the log price by splits; without this drift all prices would be a third too low.
_YEARLY_DRIFT = _SPLIT_P_PER_YEAR * 1.08
_LEAST_ANCHOR, _MOST_ANCHOR = 80.0, 80_000.0


@dataclass(frozen=True, slots=True)
class Splits:
    """The splits of N symbols in one year: `ratio` is 1 if there is no split, `index` the session's number."""

    ratio: NDArray[np.int64]
    index: NDArray[np.int64]


def draw_splits(traits: Traits, year: int, sessions: int) -> Splits:
    """Return each symbol's split in a year of `sessions` sessions; at most one, at .0004 per session."""
    words = hash_words(traits.keys[:, None], Stream.YEAR, np.arange(3) + year * 8)
    happens, choice, position = uniforms(words).T
    span = max(sessions - 2 * QUIET_SESSIONS, 1)
    return Splits(_ratios(traits, happens, choice), QUIET_SESSIONS + (position * span).astype(np.int64))


def anchor_prices(traits: Traits, year: int) -> Floats:
    """Return the base price of a year's first session, in yen: the last close of the year before; shape [N].

    The level is the symbol's own price times a mean-reverting factor: 20 years of shocks and splits, each
    further year back at three quarters of the weight. It lies on the coarser tick, legal in both classes.
    """
    log_level = np.zeros_like(traits.price)
    for age in range(_MEMORY_YEARS):
        past = (year - 1 - age) * 8
        words = hash_words(traits.keys[:, None], Stream.YEAR, np.arange(4) + past)
        shock = _YEARLY_SIGMA * bounded_normals(words[:, 3])
        ratio = _ratios(traits, uniforms(words[:, 0]), uniforms(words[:, 1]))
        log_level += _PERSISTENCE**age * (_YEARLY_DRIFT + shock - np.log(ratio))
    prices = np.clip(traits.price * np.exp(log_level), _LEAST_ANCHOR, _MOST_ANCHOR)
    return round_to_tick(prices, topix500=False)


def _ratios(traits: Traits, happens: Floats, choice: Floats) -> NDArray[np.int64]:
    wanted = _RATIOS[np.searchsorted(_RATIO_BOUNDS, choice, side="right")]
    ratio = np.where(traits.price / wanted >= _LEAST_PRICE_AFTER, wanted, 2)
    splits = (happens < _SPLIT_P_PER_YEAR) & (traits.price / 2 >= _LEAST_PRICE_AFTER)
    return np.where(splits, ratio, 1)

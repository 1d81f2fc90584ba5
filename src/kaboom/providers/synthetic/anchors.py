"""Layer A: the constants of a synthetic symbol, where each of its years starts, and its splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from kaboom.market.bounds import LOT
from kaboom.market.rules import Bools, round_to_tick
from kaboom.providers.synthetic.rng import (
    Floats,
    Stream,
    Words,
    bounded_normals,
    derive_keys,
    hash_words,
    normals,
    uniforms,
)

# Per TOPIX size class: average daily volume in shares, its range over the class (taken as four standard
# deviations of a lognormal), and the range of daily volatility.
_CLASSES = {
    "TOPIX Core30": (5e6, 30e6, 0.012, 0.020),
    "TOPIX Large70": (1.5e6, 8e6, 0.013, 0.022),
    "TOPIX Mid400": (3e5, 2.5e6, 0.015, 0.026),
    "TOPIX Small 1": (6e4, 5e5, 0.017, 0.030),
    "TOPIX Small 2": (1e4, 1.2e5, 0.018, 0.035),
}
#: The class of a symbol that no listing names.
_DEFAULT_CLASS = "TOPIX Small 1"
_TOPIX500 = frozenset({"TOPIX Core30", "TOPIX Large70", "TOPIX Mid400"})

_PRICE_MEDIAN = 1650.0
_PRICE_SIGMA = 0.75
_LEAST_PRICE, _MOST_PRICE = 100.0, 60_000.0

_YOUNG_SHARE = 0.1
_OLD_SPAN = (date(1990, 1, 4).toordinal(), date(2010, 1, 1).toordinal())
_YOUNG_SPAN = (date(2010, 1, 4).toordinal(), date(2020, 1, 1).toordinal())
# Codes with a letter exist since 2024-01.
_LETTER_SPAN = (date(2024, 1, 4).toordinal(), date(2024, 3, 15).toordinal())


@dataclass(frozen=True, slots=True)
class Traits:
    """The constants of N symbols, one array of shape [N] each.

    Attributes:
        keys: the source of every random number of the symbol.
        topix500: whether it has the finer ticks.
        price: the yen level that its price comes back to.
        beta: how far it follows the market factor.
        volatility: standard deviation of a daily return.
        lots: mean lots traded in a day.
        listed_on: proleptic ordinal of its synthetic listing date.

    """

    keys: Words
    topix500: Bools
    price: Floats
    beta: Floats
    volatility: Floats
    lots: Floats
    listed_on: NDArray[np.int64]


def build_traits(seed: int, codes: Sequence[str], scales: Sequence[str]) -> Traits:
    """Return the constants of some symbols; `scales` holds a TOPIX size class for each, or `""`."""
    keys = derive_keys(seed, codes)
    words = hash_words(keys[:, None], Stream.TRAITS, np.arange(6))
    known = [scale if scale in _CLASSES else _DEFAULT_CLASS for scale in scales]
    low, high, calm, wild = np.array([_CLASSES[scale] for scale in known]).reshape(len(known), 4).T
    spread = np.exp(bounded_normals(words[:, 1]) * np.log(high / low) / 4)
    return Traits(
        keys=keys,
        topix500=np.array([scale in _TOPIX500 for scale in known], dtype=np.bool_),
        price=np.clip(_PRICE_MEDIAN * np.exp(_PRICE_SIGMA * normals(words[:, 0])), _LEAST_PRICE, _MOST_PRICE),
        beta=0.5 + uniforms(words[:, 2]),
        volatility=calm + (wild - calm) * uniforms(words[:, 3]),
        lots=np.sqrt(low * high) * spread / LOT,
        listed_on=_listing_dates(codes, uniforms(words[:, 4]), uniforms(words[:, 5])),
    )


def _listing_dates(codes: Sequence[str], kind: Floats, position: Floats) -> NDArray[np.int64]:
    spans = np.where((kind < _YOUNG_SHARE)[:, None], _YOUNG_SPAN, _OLD_SPAN)
    # A letter in a TSE code means a listing since 2024; a letter in a free name such as "SP500" means nothing.
    modern = np.array([len(c) in {4, 5} and c[:1].isdigit() and not c.isdigit() for c in codes], np.bool_)
    spans = np.where(modern[:, None], _LETTER_SPAN, spans)
    return (spans[:, 0] + (spans[:, 1] - spans[:, 0]) * position).astype(np.int64)


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

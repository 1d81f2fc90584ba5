"""Layer A: the constants of a synthetic symbol."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from kaboom.market.bounds import LOT
from kaboom.market.rules import Bools
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

"""Daily returns: a market factor, and an own part with fat tails and clustered volatility."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaboom.providers.synthetic.anchors import QUIET_SESSIONS, Traits
from kaboom.providers.synthetic.events import Events, SessionKind
from kaboom.providers.synthetic.rng import (
    Floats,
    Stream,
    derive_keys,
    hash_words,
    normals,
    uniform_pairs,
)

_MARKET_SIGMA = 0.009
_ALPHA, _BETA = 0.08, 0.9
_MOST_VARIANCE = 9.0
_EARNINGS_FACTOR = 3.0
# The narrowest limit is 14 % (4,999 yen): with these bounds almost no ordinary day has to be clipped, and in
# the last sessions of a year none, because there the path must end on the next anchor exactly.
_MOST_RETURN, _MOST_QUIET_RETURN = 0.12, 0.03
_LOCK_RETURN = 0.18


@dataclass(frozen=True, slots=True)
class Returns:
    """Log returns of N symbols over S sessions, and the volatility they were drawn at, both [N, S]."""

    total: Floats
    sigma: Floats


def market_returns(seed: int, ordinals: NDArray[np.int64]) -> Floats:
    """Return the daily log returns of the market factor on some days, as proleptic ordinals."""
    return _MARKET_SIGMA * normals(hash_words(derive_keys(seed, ["market factor"]), Stream.MARKET, ordinals))


def draw_returns(seed: int, traits: Traits, ordinals: NDArray[np.int64], events: Events) -> Returns:
    """Return the daily log returns of some symbols, splits left out, before limits are applied."""
    market = market_returns(seed, ordinals)
    shared = traits.beta * _MARKET_SIGMA
    own = np.sqrt(np.maximum(traits.volatility**2 - shared**2, 0.25 * traits.volatility**2))
    shocks = _student_t4(traits, ordinals)
    heat = np.sqrt(_garch(shocks))
    moves = own[:, None] * heat * shocks * np.where(events.earnings, _EARNINGS_FACTOR, 1.0)
    total = traits.beta[:, None] * market + moves
    quiet = np.arange(len(ordinals)) >= len(ordinals) - QUIET_SESSIONS
    bound = np.where(quiet, _MOST_QUIET_RETURN, _MOST_RETURN)
    total = np.clip(total, -bound, bound)
    total = np.where(events.kind == SessionKind.LOCKED, np.where(events.rises, _LOCK_RETURN, -_LOCK_RETURN), total)
    return Returns(total, traits.volatility[:, None] * heat)


def _student_t4(traits: Traits, ordinals: NDArray[np.int64]) -> Floats:
    # t(4) = Z / sqrt(chi2(4) / 4) has variance 2; chi2(4) is -2 ln of a product of two uniforms.
    keys = traits.keys[:, None]
    first, second = uniform_pairs(hash_words(keys, Stream.RETURN, ordinals * 2))
    chi2 = -2.0 * np.log(first * second)
    numerator = normals(hash_words(keys, Stream.RETURN, ordinals * 2 + 1))
    return np.clip(numerator * np.sqrt(2.0 / chi2), -6.0, 6.0)


def _garch(shocks: Floats) -> Floats:
    # h[t] = w + h[t-1] (a z[t-1]^2 + b), h[0] = 1, is linear in h: with C the running product of the brackets
    # h[t] = C[t] (1 + w sum of 1/C), so that no loop over sessions is needed.
    growth = _ALPHA * shocks[:, :-1] ** 2 + _BETA
    product = np.cumprod(growth, axis=1)
    later = product * (1.0 + (1.0 - _ALPHA - _BETA) * np.cumsum(1.0 / product, axis=1))
    return np.minimum(np.hstack([np.ones((len(shocks), 1)), later]), _MOST_VARIANCE)

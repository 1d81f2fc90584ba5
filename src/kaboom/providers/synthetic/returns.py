"""Daily returns (a market factor, and an own part with fat tails and clustered volatility), and unusual sessions."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kaboom.market.rules import Bools
from kaboom.providers.synthetic.anchors import QUIET_SESSIONS, Splits, Traits
from kaboom.providers.synthetic.rng import (
    Floats,
    Stream,
    Words,
    derive_keys,
    hash_words,
    normals,
    uniform_pairs,
)

_HALT_P, _PAUSE_P, _LOCK_P = 0.0005, 0.001, 0.001
_EARNINGS_P = 0.016


class SessionKind(IntEnum):
    """The kind of a symbol's session."""

    NORMAL = 0
    #: No trade all day.
    HALTED = 1
    #: No trade for a part of the day.
    PAUSED = 2
    #: At the limit price all day; one fill, shared out at the close.
    LOCKED = 3


@dataclass(frozen=True, slots=True)
class Events:
    """The events of N symbols over S sessions, arrays of shape [N, S].

    Attributes:
        kind: a `SessionKind`.
        rises: whether a lock is at the upper limit.
        earnings: whether the day's own return is three times as large.
        split_ratio: by how much the session's base price is divided; 1 without a split.
        split_factor: the product of the ratios so far, this session included.

    """

    kind: NDArray[np.uint8]
    rises: Bools
    earnings: Bools
    split_ratio: Floats
    split_factor: Floats


def draw_events(keys: Words, ordinals: NDArray[np.int64], splits: Splits) -> Events:
    """Return the events of some symbols on the sessions of one year, given as proleptic ordinals.

    The last sessions of a year have no events, since the path has to meet the next anchor there. A symbol does not
    halt or lock on the day of its split.
    """
    kind_draw, other_draw = uniform_pairs(hash_words(keys[:, None], Stream.EVENT, ordinals))
    numbers = np.arange(len(ordinals))
    split_now = (numbers == splits.index[:, None]) & (splits.ratio > 1)[:, None]
    calm = split_now | (numbers >= len(ordinals) - QUIET_SESSIONS)
    bounds = np.cumsum([_HALT_P, _PAUSE_P, _LOCK_P])
    kinds = np.array([SessionKind.HALTED, SessionKind.PAUSED, SessionKind.LOCKED, SessionKind.NORMAL], dtype=np.uint8)
    ratio = np.where(split_now, splits.ratio[:, None], 1).astype(np.float64)
    return Events(
        kind=np.where(calm, SessionKind.NORMAL, kinds[np.searchsorted(bounds, kind_draw, side="right")]).astype(
            np.uint8
        ),
        rises=other_draw < 0.5,
        earnings=(np.abs(other_draw - 0.5) < _EARNINGS_P / 2) & ~calm,
        split_ratio=ratio,
        split_factor=np.cumprod(ratio, axis=1),
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

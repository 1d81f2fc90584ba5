"""Layer C, volumes: a session's lots, dealt out to its minutes so that their sum is exact."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaboom.providers.synthetic.events import SessionKind
from kaboom.providers.synthetic.profile import AM_AUCTION_SHARE, CLOSE_SHARE, OPEN_SHARE, Profile
from kaboom.providers.synthetic.rng import Floats, Stream, Words, hash_words, uniform_pairs, uniforms

_SHORTEST_PAUSE, _LONGEST_PAUSE = 30, 90


@dataclass(frozen=True, slots=True)
class SessionVolume:
    """One session of N symbols: lots traded, `SessionKind`, and minutes until the first trade; shape [N]."""

    lots: NDArray[np.int64]
    kind: NDArray[np.uint8]
    delay: NDArray[np.int64]


def deal_lots(keys: Words, volume: SessionVolume, profile: Profile) -> NDArray[np.int64]:
    """Return the lots of each minute, shape [N, T], rows summing to `volume.lots`; `keys` are per session.

    Counts are a Gamma(2) mixture of Poisson counts, given their sum: minutes get gamma weights, and each lot
    falls at random within its own equal slice of the total weight.
    """
    am, close = _auction_lots(keys, volume)
    continuous = volume.lots - am - close
    weights = _weights(keys, volume, profile)
    reached = np.cumsum(weights, axis=1)
    reached *= (continuous / reached[:, -1])[:, None]
    # The last cumulative weight may differ from the number of lots by rounding, so it is set exactly.
    reached[:, profile.close_auction - 1 :] = continuous[:, None]
    whole = np.floor(reached)
    chance = uniforms(hash_words(keys[:, None], Stream.ALLOT, whole.astype(np.int64)))
    dealt = (whole + (chance < reached - whole)).astype(np.int64)
    lots = np.diff(dealt, axis=1, prepend=0)
    lots[:, profile.am_auction] += am
    lots[:, profile.close_auction] += close
    return lots


def _auction_lots(keys: Words, volume: SessionVolume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    chances = uniforms(hash_words(keys[:, None], Stream.LOTS, np.arange(4)))
    mood = 0.5 + chances[:, 2]
    am = np.floor(volume.lots * AM_AUCTION_SHARE * mood + chances[:, 0]).astype(np.int64)
    close = np.floor(volume.lots * CLOSE_SHARE * mood + chances[:, 1]).astype(np.int64)
    # A day's open and close are two prices, and an auction has but one: keep a lot for continuous trading.
    few = volume.lots < 3
    locked = volume.kind == SessionKind.LOCKED
    am = np.where(few | locked, 0, am)
    close = np.where(few, 0, close)
    return am, np.where(locked, volume.lots, close)


def _weights(keys: Words, volume: SessionVolume, profile: Profile) -> Floats:
    steps = np.arange(len(profile.stamps))
    first, second = uniform_pairs(hash_words(keys[:, None], Stream.VOLUME, steps))
    weights = np.broadcast_to(profile.volume, first.shape).copy()
    weights[np.arange(len(weights)), volume.delay] += OPEN_SHARE
    weights *= -np.log(first * second)
    late = np.flatnonzero(volume.delay)
    if len(late):
        weights[late] *= steps >= volume.delay[late, None]
    paused = np.flatnonzero(volume.kind == SessionKind.PAUSED)
    if len(paused):
        weights[paused] *= ~_pause(keys[paused], steps)
    return weights


def _pause(keys: Words, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
    start, length = uniforms(hash_words(keys[:, None], Stream.EVENT, np.arange(2))).T
    begins = np.floor(start * (len(steps) - _LONGEST_PAUSE))[:, None]
    lasts = np.floor(_SHORTEST_PAUSE + length * (_LONGEST_PAUSE - _SHORTEST_PAUSE))[:, None]
    return np.asarray((steps >= begins) & (steps < begins + lasts), dtype=np.bool_)

"""The unusual sessions of a synthetic symbol: splits, halts, limit locks."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kaboom.market.rules import Bools
from kaboom.providers.synthetic.anchors import QUIET_SESSIONS, Splits
from kaboom.providers.synthetic.rng import Floats, Stream, Words, hash_words, uniform_pairs

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

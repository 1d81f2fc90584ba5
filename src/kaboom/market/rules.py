"""Trading rules of the TSE for whole columns of prices: tick sizes and daily price limits."""

from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: Whether an issue belongs to TOPIX500: one value for all prices, or one for each.
Topix500 = Bools | bool

_TICK_BOUNDS = np.array([1e3, 3e3, 5e3, 1e4, 3e4, 5e4, 1e5, 3e5, 5e5, 1e6, 3e6, 5e6, 1e7, 3e7, 5e7])
# Row 0: every other issue; row 1: TOPIX500. A tick divides every larger one in its row.
_TICKS = np.array(
    [
        [1, 1, 5, 10, 10, 50, 100, 100, 500, 1e3, 1e3, 5e3, 1e4, 1e4, 5e4, 1e5],
        [0.1, 0.5, 1, 1, 5, 10, 10, 50, 100, 100, 500, 1e3, 1e3, 5e3, 1e4, 1e4],
    ]
)
# The ticks of TOPIX100 before they had the table of today: since 2014-07-22, and since 2014-01-14.
_SECOND_TICKS = np.array([0.1, 0.5, 0.5, 1, 5, 5, 10, 50, 50, 100, 500, 500, 1e3, 5e3, 5e3, 1e4])
_FIRST_TICKS = np.array([1, 1, 1, 1, 5, 5, 10, 50, 50, 100, 500, 500, 1e3, 5e3, 5e3, 1e4])
# From a day on: the ticks of TOPIX Mid400, and those of TOPIX100. Those of the others are of 2010-01-04.
_TICK_PERIODS = (
    (date.min, _TICKS[0], _TICKS[0]),
    (date(2014, 1, 14), _TICKS[0], _FIRST_TICKS),
    (date(2014, 7, 22), _TICKS[0], _SECOND_TICKS),
    (date(2015, 9, 24), _TICKS[0], _TICKS[1]),
    (date(2023, 6, 5), _TICKS[1], _TICKS[1]),
)
_TICKS_SINCE = np.array([since.toordinal() - date(1970, 1, 1).toordinal() for since, *_ in _TICK_PERIODS])
_LIMIT_BOUNDS = np.concatenate(
    [
        [100.0, 200, 500, 700, 1e3, 1.5e3, 2e3, 3e3, 5e3, 7e3],
        [1e4, 1.5e4, 2e4, 3e4, 5e4, 7e4, 1e5, 1.5e5, 2e5, 3e5, 5e5, 7e5],
        [1e6, 1.5e6, 2e6, 3e6, 5e6, 7e6, 1e7, 1.5e7, 2e7, 3e7, 5e7],
    ]
)
_LIMITS = np.concatenate(
    [
        [30.0, 50, 80, 100, 150, 300, 400, 500, 700, 1e3],
        [1.5e3, 3e3, 4e3, 5e3, 7e3, 1e4, 1.5e4, 3e4, 4e4, 5e4, 7e4, 1e5],
        [1.5e5, 3e5, 4e5, 5e5, 7e5, 1e6, 1.5e6, 3e6, 4e6, 5e6, 7e6, 1e7],
    ]
)
#: The number of ticks in a row of the table, and the number of periods.
TICKS, TICK_PERIODS = _TICK_BOUNDS.size + 1, len(_TICK_PERIODS)
# As a share of a tick: Yahoo's prices were float32, so 999.9 is 999.9000244140625.
_TICK_TOLERANCE = 1e-3
_LEAST_PRICE = 1.0


def tick_sizes(prices: Floats, topix500: Topix500) -> Floats:
    """Return the tick (yobine) of each price, in yen; the result has the shape of `prices`.

    The bounds are inclusive: 3,000 yen still has the smaller tick. Source: JPX, table valid since 2023-06-05, when the
    finer ticks of TOPIX100 were extended to Mid400; the older, coarser ticks are multiples of these.
    """
    row = np.searchsorted(_TICK_BOUNDS, prices, side="left")
    return np.asarray(_TICKS[np.asarray(topix500, dtype=np.intp), row], dtype=np.float64)


def tick_table() -> tuple[tuple[float, ...], tuple[tuple[tuple[float, ...], ...], ...]]:
    """Return the inclusive upper bounds of prices, and for each period three rows of ticks, in yen.

    The rows are those of the other issues, of TOPIX Mid400 and of TOPIX100. There is one tick more than bounds: the
    last is for all prices above. `tick_periods` has the days of the periods. Sources: JPX's notices of the three phases
    of 2014 and 2015 and of 2023-06-05, as brokers printed them.
    """
    periods = tuple(
        tuple(tuple(row.tolist()) for row in (_TICKS[0], mid400, topix100)) for _, mid400, topix100 in _TICK_PERIODS
    )
    return tuple(_TICK_BOUNDS.tolist()), periods


def tick_periods(days: Ints) -> Ints:
    """Return the period of ticks of each day, as its place in `tick_table`; days are numbers since 1970-01-01."""
    return np.searchsorted(_TICKS_SINCE, days, side="right").astype(np.int64) - 1


def is_on_tick(prices: Floats, topix500: Topix500) -> Bools:
    """Return whether each price is a multiple of its tick, to a thousandth of a tick."""
    return is_multiple(prices, tick_sizes(prices, topix500))


def is_multiple(prices: Floats, ticks: Floats) -> Bools:
    """Return whether each price is a multiple of the tick beside it, to a thousandth of a tick."""
    steps = prices / ticks
    steps -= np.rint(steps)
    np.abs(steps, out=steps)
    return steps < _TICK_TOLERANCE


def round_to_tick(
    prices: Floats, topix500: Topix500, *, direction: Literal["nearest", "down", "up"] = "nearest"
) -> Floats:
    """Return the legal price nearest to each price, or the next one down or up; never below one tick."""
    ticks = tick_sizes(prices, topix500)
    steps = prices / ticks
    # With a tolerance, since 0.3 / 0.1 is 2.9999999999999996.
    if direction == "down":
        steps = np.floor(steps + _TICK_TOLERANCE)
    elif direction == "up":
        steps = np.ceil(steps - _TICK_TOLERANCE)
    else:
        steps = np.rint(steps)
    return np.asarray(np.round(np.maximum(steps, 1.0) * ticks, 1), dtype=np.float64)


def daily_limits(base_prices: Floats) -> Floats:
    """Return, in yen, how far a price may move in a session from its base price (seigen nehaba).

    The bounds are exclusive: a base of 1,000 yen is in the class above. Source: JPX, table of daily price limits; the
    one-sided widening to four times after two locked sessions is not in it.
    """
    return np.asarray(_LIMITS[np.searchsorted(_LIMIT_BOUNDS, base_prices, side="right")], dtype=np.float64)


def limit_bounds(base_prices: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest legal price of a session, in yen; the lowest is at least 1 yen."""
    limits = daily_limits(base_prices)
    return np.maximum(base_prices - limits, _LEAST_PRICE), base_prices + limits

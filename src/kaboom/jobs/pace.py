"""How fast a job settles items, how much the rate varies, and when the job will probably end; does no I/O."""

import math
from dataclasses import dataclass

#: The weight of a sample falls with its age: after this long it is 37 %.
SMOOTHED_S = 10.0
#: Shorter than this, a sample is mostly chance.
SHORTEST_S = 0.5
#: Standard deviations on either side: a job ends within the range in four of five cases.
_WIDTH = 1.28
#: The widest range to show: from a third of the likely time to three times as long.
_MOST_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class Pace:
    """A smoothed rate.

    Attributes:
        rate: items settled per second.
        spread: the variance of the number settled in one second; None before the second sample.

    """

    rate: float
    spread: float | None = None

    def after(self, items: float, seconds: float) -> "Pace":
        """Return the pace after another sample: `items` settled in `seconds`. The Lua prelude does the same."""
        weight = 1 - math.exp(-seconds / SMOOTHED_S)
        surprise = (items - self.rate * seconds) ** 2 / seconds
        spread = surprise if self.spread is None else self.spread + weight * (surprise - self.spread)
        return Pace(self.rate + weight * (items / seconds - self.rate), spread)


def foresee(left: int, pace: Pace, *, seen_s: float) -> tuple[float, float] | None:
    """Return the shortest and longest probable seconds until `left` more items are settled; None if little is known.

    Two things vary: the measured rate, which covers the last 20 s at most (`seen_s` is how long the job has run), and
    the rate from now on. The spread gives the variance of both.
    """
    if pace.spread is None or pace.rate <= 0 or seen_s <= 0:
        return None
    likely_s = left / pace.rate
    if likely_s <= 0:
        return 0.0, 0.0
    if not math.isfinite(likely_s):
        return None
    known_s = min(seen_s, 2 * SMOOTHED_S)
    deviation = math.sqrt(pace.spread * (1 / likely_s + 1 / known_s)) / pace.rate
    if _WIDTH * deviation > math.log(_MOST_FACTOR):
        # A wider range is of no use, and for a job that hangs the factor would overflow.
        return None
    factor = math.exp(_WIDTH * deviation)
    return likely_s / factor, likely_s * factor

"""The rules that both permit stores follow: how pauses grow, and how long a released permit counts."""

from batch.kit import retry
from batch.providers.limiter.port import Limits

#: How soon to ask again if it is unknown when a slot will be free.
POLL_S = 0.1
#: A longer pause is cut to this. The record of a provider is kept as long.
LONGEST_NAMED_S = 86400.0


def backoff_s(limits: Limits, pauses: int) -> float:
    """Return the seconds of a pause if the provider named none, after `pauses` pauses in a row."""
    # Without jitter: requests that wait for the end of the pause are staggered by the rate limiter.
    return retry.backoff_s(pauses, first_s=limits.first_pause_s, longest_s=limits.longest_pause_s, jitter=0.0)


def leaves_after_s(limits: Limits) -> float:
    """Return how long a released permit counts: a thousandth more than the window, since clocks differ."""
    return limits.window_s * 1.001

"""The rules that both permit stores follow: how pauses grow, and how long a released permit counts."""

from batch.providers.limiter.port import Limits

#: How soon to ask again if nobody knows when a slot will be free.
POLL_S = 0.1
#: A longer pause is cut to this. The record of a provider is kept as long.
LONGEST_NAMED_S = 86400.0


def backoff_s(limits: Limits, pauses: int) -> float:
    """Return the seconds of a pause that the provider did not name, after some pauses in a row."""
    return float(min(limits.first_pause_s * 2 ** min(pauses, 30), limits.longest_pause_s))


def leaves_after_s(limits: Limits) -> float:
    """Return how long a released permit counts: a thousandth more than the window, since clocks differ."""
    return limits.window_s * 1.001

"""What both limiters go by: how long pauses grow, and when a turn that is over stops to count."""

from batch.providers.limiter.port import Limits

#: How soon to ask again where nobody knows when a turn will be free.
POLL_S = 0.1
#: A longer pause than this is not believed; the record of a provider is kept as long.
LONGEST_NAMED_S = 86400.0


def backoff_s(limits: Limits, pauses: int) -> float:
    """Return the seconds of a pause for which the provider named none, after so many pauses in a row."""
    return float(min(limits.first_pause_s * 2 ** min(pauses, 30), limits.longest_pause_s))


def leaves_after_s(limits: Limits) -> float:
    """Return how long a turn counts after it is over: a thousandth more than the window, since clocks differ."""
    return limits.window_s * 1.001

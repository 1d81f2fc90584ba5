"""How long a chunk bears with a provider: pauses are counted in its tally, which outlives its claims."""

from collections import Counter
from dataclasses import replace

from app.engine.run.hand_back import HandBack
from app.jobs.model import Tally
from batch.errors import RateLimited

#: The count of a tally: seconds that chunks were handed back for, over all chunks of a job.
WAITED = "provider_wait_s"


def patience_left_s(tally: Tally, patience_s: float) -> float:
    """Return how long a chunk may still wait for its provider."""
    return max(0.0, patience_s - tally.counts.get(WAITED, 0))


def with_pause(tally: Tally, pause_s: float) -> Tally:
    """Return a tally that counts one more pause."""
    counts = Counter(tally.counts)
    counts[WAITED] += round(pause_s)
    return replace(tally, counts=dict(counts))


def hand_back(error: RateLimited) -> HandBack:
    """Return what a handler raises where its provider wants to be left alone."""
    return HandBack(error.message, pause_s=error.retry_after_s or 0.0)

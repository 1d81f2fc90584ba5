"""How long a chunk waits for its provider; pauses are counted in its tally, which survives a change of worker."""

from collections import Counter
from dataclasses import replace

from app.engine.run.hand_back import HandBack
from app.jobs.model import Tally
from batch.errors import RateLimited

#: The name of a count in the tally: the seconds of all pauses of a chunk; a job adds its chunks up.
WAITED = "provider_wait_s"


def patience_left_s(tally: Tally, patience_s: float) -> float:
    """Return the seconds that a chunk may still wait for its provider."""
    return max(0.0, patience_s - tally.counts.get(WAITED, 0))


def with_pause(tally: Tally, pause_s: float) -> Tally:
    """Return the tally with one more pause counted."""
    counts = Counter(tally.counts)
    counts[WAITED] += round(pause_s)
    return replace(tally, counts=dict(counts))


def hand_back(error: RateLimited) -> HandBack:
    """Return the exception to raise in a handler when its provider asks for a pause."""
    return HandBack(error.message, pause_s=error.retry_after_s or 0.0)

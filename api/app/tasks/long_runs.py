"""Chunks that run for long: handed back between two slices, before Celery ends them."""

from app.jobs.model import Tally
from app.tasks.hand_back import HandBack
from app.tasks.worker import Run

#: Celery ends a task after 29 minutes, and with few requests a minute, or years of bars, a chunk takes longer.
LONGEST_RUN_S = 900.0


def has_run_long(run: Run) -> bool:
    """Return whether a chunk is to be handed back."""
    return run.keeper.elapsed_s > LONGEST_RUN_S


def hand_back_long(run: Run, tally: Tally) -> Tally:
    """Return the tally of a chunk that is done, or stopped.

    Raises:
        HandBack: it has run for long, and something is left.

    """
    if has_run_long(run) and not run.should_stop() and tally.cursor < len(run.chunk.items):
        raise HandBack(f"it has run for {run.keeper.elapsed_s:.0f} s")
    return tally

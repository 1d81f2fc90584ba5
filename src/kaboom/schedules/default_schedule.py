"""The default schedule of a new installation, disabled until a user enables it."""

from uuid import uuid4

from kaboom.schedules.model import Schedule
from kaboom.schedules.timing import Timing, TimingKind
from kaboom.web.auth.principals import DEFAULT_OWNER


def default_schedule() -> Schedule:
    """Return the daily ingest: 65 minutes after each close, when providers have the bars of the day.

    Migration 0004 inserts the same schedule once.
    """
    return Schedule(
        schedule_id=uuid4().hex,
        owner=DEFAULT_OWNER,
        name="daily ingest",
        task="ingest.run_daily",
        request={"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000},
        timing=Timing(TimingKind.SESSION, "16:35"),
        is_enabled=False,
    )

"""Estimate how long a backfill takes, from the newest jobs of the same provider; pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

#: Fewer items say little about the speed.
_LEAST_ITEMS = 10
#: Widens the estimate on both sides: one job does not show how much the time varies.
_SPREAD = 1.25


def estimate_s(
    jobs: Iterable[Mapping[str, Any]], *, provider: str, interval: str, symbols: int
) -> tuple[float, float] | None:
    """Return the least and the most seconds for some symbols, from jobs of the API; None without a similar job."""
    found = [
        seconds_between(job["started_at"], job["completed_at"]) / job["progress"]["total"] * symbols
        for job in jobs
        if (job["result"] or {}).get("provider") == provider
        and interval in (job["intervals"] or {})
        and job["progress"]["total"] >= _LEAST_ITEMS
        and job["started_at"]
        and job["completed_at"]
    ]
    return (min(found) / _SPREAD, max(found) * _SPREAD) if found else None


def seconds_between(begin: str, end: str) -> float:
    """Return the seconds between two times of the API."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()

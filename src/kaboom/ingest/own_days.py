"""The days that an ingest takes from a provider that knows all that it has, such as files; pure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from kaboom.errors import InvalidRequest
from kaboom.ingest.request import IngestRequest
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval

#: For each interval the days that a provider has, each with the number of its rows.
type Held = Mapping[Interval, Mapping[date, int]]


def choose_days(request: IngestRequest, held: Held, now: datetime) -> dict[Interval, tuple[date, ...]]:
    """Return the days of each interval that the request takes of those that are held.

    All days include those in the future: their rows are rejected, and kept apart. A look-back has none of them.

    Raises:
        InvalidRequest: an interval has no such day.

    """
    newest = now.astimezone(JST).date() + timedelta(days=1)
    return {interval: _choose(request, interval, tuple(days), newest) for interval, days in held.items()}


def _choose(request: IngestRequest, interval: Interval, days: tuple[date, ...], newest: date) -> tuple[date, ...]:
    last = request.session or date.max
    found = tuple(day for day in days if (request.first or date.min) <= day <= last)
    if not (request.first or request.all_days):
        found = tuple(day for day in found if day <= newest)[-request.intervals[interval] :]
    if not found:
        first, until = request.first or days[0], request.session or days[-1]
        raise InvalidRequest(
            f"no {interval} day from {first} to {until} is in the files; they have {len(days)} days from {days[0]}"
            f" to {days[-1]}",
            pointer="/first" if request.first else "/session",
        )
    return found


def describe_outside(held: Held, chosen: Mapping[Interval, tuple[date, ...]]) -> dict[str, Any]:
    """Return the rows of each chosen interval that are of other days, as JSON types; nothing of one without such."""
    outside = {}
    for interval, days in chosen.items():
        taken = set(days)
        rows = held.get(interval, {})
        left = {day: count for day, count in rows.items() if day not in taken}
        if left:
            outside[interval.value] = {
                "rows": sum(left.values()),
                "of": sum(rows.values()),
                "first": min(left).isoformat(),
                "last": max(left).isoformat(),
            }
    return outside

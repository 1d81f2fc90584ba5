"""When a message is sent: at once, at the end of quiet hours, or with its digest; in Japan's time, pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from kaboom.market.calendar import JST

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Timing:
    """When the messages of a rule may be sent; times of day are Japan's.

    Attributes:
        quiet: the start and the end of quiet hours; they may include midnight.
        digest_at: the time of day at which gathered events are sent.
        digest_minutes: or the minutes between digests, counted from midnight.

    """

    quiet: tuple[time, time] | None = None
    digest_at: time | None = None
    digest_minutes: int | None = None

    @property
    def is_digest(self) -> bool:
        """Whether events are gathered."""
        return self.digest_at is not None or self.digest_minutes is not None

    def due_at(self, now: datetime) -> datetime:
        """Return when an event that happens now is sent: now, or later."""
        due = now.astimezone(JST)
        if self.digest_at is not None:
            due = _next_time(due, self.digest_at)
        elif self.digest_minutes is not None:
            due = _next_step(due, timedelta(minutes=self.digest_minutes))
        if self.quiet is not None and _is_within(due.time(), *self.quiet):
            due = _next_time(due, self.quiet[1])
        return due.astimezone(UTC)


def _next_time(now: datetime, at: time) -> datetime:
    today = datetime.combine(now.date(), at, JST)
    return today if today > now else today + _DAY


def _next_step(now: datetime, step: timedelta) -> datetime:
    midnight = datetime.combine(now.date(), time(), JST)
    return min(midnight + step * ((now - midnight) // step + 1), midnight + _DAY)


def _is_within(at: time, begins: time, ends: time) -> bool:
    return begins <= at < ends if begins < ends else at >= begins or at < ends

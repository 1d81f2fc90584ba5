"""When a message is sent: at once, at the end of quiet hours, or with its digest; in Japan's time, pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.market.calendar import JST
from kaboom.notify.model import Placement, Rule

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


def route(event: Event, rules: Sequence[Rule], now: datetime) -> list[Placement]:
    """Return the placements of an event: one message for each rule that matches."""
    return [_place(event, rule, now) for rule in rules if passes(event, rule)]


def passes(event: Event, rule: Rule) -> bool:
    """Return whether a rule matches an event."""
    if event.kind not in rule.events or event.owner not in {"", rule.owner}:
        return False
    if event.kind is EventKind.DATA_INCOMPLETE and event.data.get("deadline") != rule.deadline:
        return False
    return all(str(event.data.get(name, "")) in allowed for name, allowed in rule.only.items())


def timing_of(rule: Rule) -> Timing:
    """Return when the messages of a rule may be sent."""
    quiet = None
    if rule.quiet_from is not None and rule.quiet_until is not None:
        quiet = time.fromisoformat(rule.quiet_from), time.fromisoformat(rule.quiet_until)
    digest_at = None if rule.digest_at is None else time.fromisoformat(rule.digest_at)
    return Timing(quiet, digest_at, rule.digest_minutes)


def _place(event: Event, rule: Rule, now: datetime) -> Placement:
    timing = timing_of(rule)
    due_at = timing.due_at(now)
    what = due_at.isoformat() if timing.is_digest else event.event_id
    return Placement(rule, f"{rule.rule_id} {what}", due_at)

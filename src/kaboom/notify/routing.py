"""Which rules match an event, and when each rule sends it; pure functions."""

from collections.abc import Sequence
from datetime import datetime, time

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify.model import Placement, Rule
from kaboom.notify.timing import Timing


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

"""Which rules match an event."""

from typing import Any

import pytest

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify.model import Rule
from kaboom.notify.notifier import passes, route
from tests.fixtures.notifications.rules import NOW, make_channel, make_event, make_rule

CHANNEL = make_channel()
INCOMPLETE = make_event("i", EventKind.DATA_INCOMPLETE, deadline="18:00")


def rule(*kinds: EventKind, **values: Any) -> Rule:
    return make_rule(CHANNEL, *kinds, **values)


@pytest.mark.parametrize(("deadline", "matches"), [("18:00", True), ("17:00", False), (None, False)])
def test_an_incomplete_session_is_for_the_rules_of_its_deadline(deadline: str | None, *, matches: bool) -> None:
    kinds = (EventKind.DATA_INCOMPLETE, EventKind.JOB_ENDED)
    assert passes(INCOMPLETE, rule(*kinds, deadline=deadline)) == matches
    # Other events have no deadline.
    assert passes(make_event("e"), rule(*kinds, deadline=deadline))


@pytest.mark.parametrize(
    ("values", "matches"),
    [
        ({}, True),
        ({"owner": "another"}, False),
        ({"only": {"status": ("failed", "partial")}}, True),
        ({"only": {"status": ("partial",)}}, False),
        ({"only": {"status": ("failed",), "queue": ("ingest",)}}, False),
    ],
)
def test_an_event_matches_rules_of_its_kind_owner_and_data(values: dict[str, Any], *, matches: bool) -> None:
    event = make_event("e")
    assert passes(event, rule(EventKind.JOB_ENDED, **values)) == matches
    assert not passes(event, rule(EventKind.WORKER_LOST, **values))


def test_an_event_without_owner_is_for_all_and_each_matching_rule_gets_a_message() -> None:
    event = Event("w", EventKind.WORKER_LOST, NOW)
    rules = [rule(EventKind.WORKER_LOST), rule(EventKind.JOB_ENDED), rule(EventKind.WORKER_LOST, owner="another")]
    assert [placed.rule for placed in route(event, rules, NOW)] == [rules[0], rules[2]]

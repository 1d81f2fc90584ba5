"""Logins that fail again and again are told, once an hour."""

from collections.abc import Sequence

import pytest

from kaboom.accounts.login_limits import LoginLimiter, LoginStorms
from kaboom.errors import StoreError
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify.model import MessageQuery
from kaboom.notify.notifier import route
from kaboom.web.caller_errors import TooManyLogins
from tests.fixtures.notifications.rules import NOW, later, memory_notifications, set_up

pytestmark = pytest.mark.anyio


async def test_a_storm_is_reported_once_an_hour_and_a_slip_is_not() -> None:
    stores, seconds, times = memory_notifications(), [0.0], [NOW]
    await set_up(stores, EventKind.LOGIN_STORM)
    limiter = LoginLimiter(lambda: seconds[0])
    limiter.report_storms(LoginStorms(stores.events, lambda: times[0]).save)

    async def fail(times_in_a_row: int) -> None:
        for _ in range(times_in_a_row):
            try:
                await limiter.begin(None, "203.0.113.7")
            except TooManyLogins as e:
                seconds[0] += e.retry_after_s or 0.0
                await limiter.begin(None, "203.0.113.7")

    async def told() -> int:
        await stores.log.fan_out(lambda event, rules: route(event, rules, NOW), NOW)
        return len(await stores.log.list_messages(MessageQuery("team")))

    await fail(8)
    assert await told() == 0
    await fail(6)
    assert await told() == 1
    times[0] = later(3600)
    await fail(1)
    assert await told() == 2


async def test_a_storm_that_the_ledger_does_not_take_is_reported_by_the_next_failure() -> None:
    stores, saved = memory_notifications(), list[str]()

    async def note(events: Sequence[Event]) -> None:
        saved.extend(str(event.data["who"]) for event in events)
        if len(saved) == 1:
            raise StoreError("away")

    storms = LoginStorms(stores.events, lambda: NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores.events, "note", note)
        for network in ("a", "a", "a", "b"):
            await storms.save(network)
    assert saved == ["a", "a", "b"]

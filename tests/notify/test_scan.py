"""Events that are looked for: lost workers, providers that are blocked, and data that is incomplete at a deadline."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify.notifier import Watched, find_events
from kaboom.notify.store import open_notifications
from kaboom.providers.limiter.pauses import ProviderPause
from tests.fixtures.jobs.apps import jobs_of, memory_settings, running
from tests.fixtures.jobs.job_stores import bench_of
from tests.fixtures.notifications.rules import make_channel, make_rule

pytestmark = pytest.mark.anyio
#: Wednesday 2026-11-25, 16:35 in Japan.
NOW = datetime(2026, 11, 25, 7, 35, tzinfo=UTC)
HOLIDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MISSING = [("TSE_PRIME", "1m"), ("TSE_GROWTH", "1d")]


@pytest.fixture
async def parts(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Parts:
    """The parts of an API in memory that has ended: nothing but the test looks."""
    async with running(memory_settings(tmp_path_factory.mktemp("scan"))) as app:
        return jobs_of(app).parts


async def find(parts: Parts, now: datetime = NOW, *, missing: Sequence[tuple[str, str]] = ()) -> list[Event]:
    async def say(_session: date) -> Sequence[tuple[str, str]]:
        return missing

    rules = parts.database.open(open_notifications).rules
    watched = Watched(parts.store, parts.pauses, rules, say)
    return [event async for events in find_events(watched, now) for event in events]


async def add_deadlines(parts: Parts, *deadlines: str) -> None:
    rules = parts.database.open(open_notifications).rules
    channel = await rules.add_channel(make_channel())
    for at in deadlines:
        await rules.add_rule(make_rule(channel, EventKind.DATA_INCOMPLETE, deadline=at))


async def test_a_lost_worker_is_one_event_however_often_it_is_looked_for(parts: Parts) -> None:
    await parts.store.report_worker("worker@a:1", 4, None)
    assert await find(parts) == []
    await bench_of(parts.store).fall_silent("worker@a:1", 120)
    (event,) = await find(parts)
    assert (event.event_id, event.kind, event.data["worker"]) == ("worker_lost:worker@a:1", "worker_lost", "worker@a:1")
    assert [again.event_id for again in await find(parts)] == [event.event_id]


async def test_only_long_pauses_are_reported_once_an_hour(parts: Parts) -> None:
    async def pauses() -> list[ProviderPause]:
        return [ProviderPause("yahoo", 59.0, "it answered 429"), ProviderPause("jquants", 300.0, "it blocks us")]

    held = replace(parts, pauses=pauses)
    (first,) = await find(held)
    assert (first.event_id, first.data["reason"]) == ("provider_blocked:jquants:2026-11-25T07", "it blocks us")
    assert (await find(held, NOW.replace(minute=59)))[0].event_id == first.event_id
    assert (await find(held, NOW.replace(hour=8)))[0].event_id != first.event_id


async def test_what_is_incomplete_is_reported_for_each_deadline_that_has_passed(parts: Parts) -> None:
    await add_deadlines(parts, "16:30", "16:40", "18:00")
    assert await find(parts) == []
    found = await find(parts, missing=MISSING)
    assert [event.event_id for event in found] == [
        "data_incomplete:TSE_PRIME:1m:2026-11-25:16:30",
        "data_incomplete:TSE_GROWTH:1d:2026-11-25:16:30",
    ]
    assert found[0].data == {"market": "TSE_PRIME", "interval": "1m", "session": "2026-11-25", "deadline": "16:30"}
    assert len(await find(parts, NOW.replace(minute=40), missing=MISSING)) == 4


async def test_on_a_day_without_a_session_nothing_is_incomplete(parts: Parts) -> None:
    await add_deadlines(parts, "16:30")
    assert await find(parts, HOLIDAY, missing=MISSING) == []


async def test_an_unavailable_source_hides_no_other(parts: Parts) -> None:
    async def away() -> list[ProviderPause]:
        await asyncio.sleep(0)
        raise StoreError("Redis is away")

    await add_deadlines(parts, "16:30")
    held = replace(parts, pauses=away)
    assert [event.kind for event in await find(held, missing=MISSING)] == ["data_incomplete"] * 2

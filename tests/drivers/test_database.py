"""The stores of all features in a database: each is opened once, and they share what a transaction would share."""

from dataclasses import replace

import pytest

from kaboom.drivers.postgres.database import Database
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.opening import open_history
from kaboom.jobs.postgres.port import Terms
from kaboom.notify.store import open_notifications
from kaboom.schedules.store import open_schedules
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.notifications.rules import NOW, set_up


def test_a_store_is_opened_once_for_each_database() -> None:
    database, other = Database(), Database()
    assert database.open(open_schedules) is database.open(open_schedules)
    assert database.open(open_schedules) is not other.open(open_schedules)


@pytest.mark.anyio
async def test_the_end_of_a_job_in_memory_reaches_the_notifications_of_its_database() -> None:
    database, other = Database(), Database()
    for each in (database, other):
        await set_up(each.open(open_notifications))
    history = database.open(open_history)
    job = (await history.admit(make_job(), Terms("request"))).job
    await history.save_final(replace(job, status=JobStatus.CANCELLED, completed_at=NOW))
    routed = [
        await each.open(open_notifications).log.fan_out(lambda _event, _rules: (), NOW) for each in (database, other)
    ]
    assert routed == [1, 0]

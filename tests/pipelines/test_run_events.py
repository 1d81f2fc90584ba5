"""The event of the end of a run, kept with the end, from which a notification is made."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial

import pytest

from kaboom.drivers.postgres.database import Database
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.events import EventKind
from kaboom.jobs.postgres.port import Terms
from kaboom.notify.model import MessageQuery
from kaboom.notify.notifier import route
from kaboom.notify.store import open_notifications
from kaboom.notify.texts import write_text
from kaboom.pipelines.model import JobEnd, PipelineRun, StartedBy, StepState, StepStatus, sum_up
from kaboom.pipelines.store import open_pipelines
from tests.fixtures.notifications.rules import NOW, postgres_notifications, set_up
from tests.pipelines.test_pipeline_store_contract import DAYS, make_pipeline

pytestmark = pytest.mark.anyio
WHY = "a was partial, and the step runs on completed"


def begin(run: PipelineRun, _jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
    return replace(run, states={**run.states, "a": StepState(StepStatus.COMPLETED)}), []


def end_in_part(run: PipelineRun, _jobs: Mapping[str, JobEnd]) -> tuple[PipelineRun, list[tuple[Job, Terms]]]:
    states = {"a": StepState(StepStatus.PARTIAL), "b": StepState(StepStatus.SKIPPED, reason=WHY)}
    ended = replace(run, states=states)
    return replace(ended, status=sum_up(ended)), []


@pytest.fixture(params=["memory", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database, in memory and in PostgreSQL."""
    if request.param == "memory":
        yield Database()
        return
    url = request.getfixturevalue("database_url")
    async with postgres_notifications(url):
        engine = connect_postgres(url, application_name="test")
        async with engine.begin() as connection:
            await connection.exec_driver_sql("TRUNCATE pipelines CASCADE")
        yield Database(engine)
        await engine.dispose()


async def test_the_end_of_a_run_is_told_once_and_says_what_did_not_run(database: Database) -> None:
    store, notifications = database.open(open_pipelines), database.open(open_notifications)
    await set_up(notifications, EventKind.PIPELINE_ENDED, language="en")
    pipeline, _ = await store.apply(make_pipeline(owner="team"))
    started = (await store.start(pipeline, DAYS[:1], by=StartedBy.HAND))[0]
    await store.activate()
    for decide in (begin, end_in_part, end_in_part):
        if decide is begin or (await store.load_run("team", started.run.run_id)).ended_at is None:
            await store.advance(started.run.run_id, decide)
        await notifications.log.fan_out(partial(route, now=NOW), NOW)
    (message,) = await notifications.log.list_messages(MessageQuery("team"))
    events = await notifications.log.load_events(message.event_ids)
    text = write_text(message, list(events.values()))
    assert text.title == "[Kaboom] Pipeline morning, session 2025-11-04: partial"
    assert text.body.startswith(f"0 of 2 steps completed; not completed: a, b. {WHY} See: kaboom pipelines show ")

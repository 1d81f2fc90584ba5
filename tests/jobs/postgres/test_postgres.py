"""How the ledger in PostgreSQL reads lists of jobs; what it returns is in `tests/jobs/test_job_history_contract.py`."""

from typing import Any

import pytest
from sqlalchemy import event

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import JobQuery, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from tests.fixtures.jobs.jobs import QUEUE, make_job

pytestmark = pytest.mark.anyio


async def test_a_list_reads_again_only_jobs_that_have_changed(database_url: str, anyio_backend: str) -> None:
    engine, asked = connect_postgres(database_url, application_name="test"), list[set[str]]()
    history, query = PostgresJobHistory(engine), JobQuery((QUEUE,), "reader", limit=9)
    jobs = [(await history.admit(make_job(owner="reader"), Terms("test"))).job.job_id for _ in range(3)]

    def note(*call: Any) -> None:
        if "ids" in (values := call[3]):
            asked.append(set(values["ids"]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    assert {job.job_id for job in await history.list_jobs(query)} == set(jobs)
    await history.list_jobs(query)
    await history.save_status(jobs[1], JobStatus.RUNNING)
    assert {job.status for job in await history.list_jobs(query)} == {JobStatus.QUEUED, JobStatus.RUNNING}
    assert asked == [set(jobs), {jobs[1]}]
    await engine.dispose()

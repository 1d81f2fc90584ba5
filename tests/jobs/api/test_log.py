"""When the stream of a job's log ends for good."""

from datetime import timedelta

import pytest

from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.routes import LogQuery, stream_log
from kaboom.jobs.model import JobStatus
from kaboom.jobs.redis.events import EventHub
from kaboom.jobs.redis.memory_records import MemoryEventLog
from tests.fixtures.jobs.jobs import make_job


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "ended_s", "answer"),
    [
        # The last lines of a job come up to four seconds after its end.
        (JobStatus.COMPLETED, 6, 204),
        (JobStatus.COMPLETED, 0, 200),
        (JobStatus.COMPLETED, None, 204),
        (JobStatus.RUNNING, None, 200),
    ],
)
async def test_the_log_of_a_job_ends_some_seconds_after_the_job(
    status: JobStatus, ended_s: int | None, answer: int
) -> None:
    ended_at = None if ended_s is None else utc_now() - timedelta(seconds=ended_s)
    job = make_job(status=status, completed_at=ended_at)
    assert (await stream_log(EventHub(MemoryEventLog()), job, LogQuery())).status_code == answer

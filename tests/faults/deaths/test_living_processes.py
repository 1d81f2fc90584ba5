"""A process of a worker keeps its lease while it lives, whatever it does; one without memory is replaced."""

import signal

import psutil
import pytest
import redis

from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis import keys
from kaboom.jobs.runs import find_pid
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(240)
LIVING = "tests.fixtures.workers.living_worker"


def assert_one_run(place: Place, job: Job) -> None:
    """Check that a job's chunk ran once, and no attempt was lost."""
    (chunk,) = place.chunks(job.job_id)
    assert job.status is JobStatus.COMPLETED
    assert (chunk.attempts, [run.ending for run in chunk.runs]) == (1, ["done"])


def wait_for_run(place: Place, number: int) -> int:
    """Return the process of a run, when it has begun."""
    return int(until(place.lines, lambda lines: len(lines) == number, within_s=60)[-1][2])


def test_a_process_that_loads_its_handler_or_holds_the_gil_keeps_its_lease(place: Place) -> None:
    with worker(place, application=LIVING) as running:
        assert_one_run(place, place.wait(place.submit(act="hold the GIL")))
        log = running.log.read_text()
        assert ("chunk_done" in log, "lease_" in log) == (True, False)


def test_a_process_that_was_stopped_keeps_its_lease(place: Place) -> None:
    with worker(place, application=LIVING), redis.Redis.from_url(place.redis_url) as connection:
        job_id = place.submit(act="stop")
        until(place.lines, bool, within_s=60)
        stopped = psutil.Process(int(place.lines()[0][2]))
        until(stopped.status, lambda status: status == psutil.STATUS_STOPPED, within_s=10)

        def overdue_s() -> float:
            seconds, micros = connection.time()
            ((_, ends_ms),) = connection.zrange(keys.leases("ingest"), 0, -1, withscores=True)
            return float(seconds + micros / 1e6 - ends_ms / 1000)

        # The reaper looks each second.
        until(overdue_s, lambda seconds: seconds > 4, within_s=30)
        stopped.send_signal(signal.SIGCONT)
        assert_one_run(place, place.wait(job_id))


def test_a_process_that_is_killed_has_died_and_its_chunk_says_so(place: Place) -> None:
    with worker(place, application=LIVING) as running:
        job_id = place.submit(act="stop")
        for attempt in (1, 2, 3):
            psutil.Process(wait_for_run(place, attempt)).kill()
        assert place.wait(job_id).status is JobStatus.FAILED
        (chunk,) = place.chunks(job_id)
        assert chunk.error.startswith("given up after 3 attempts: in 3 of 3 attempts the worker process died (last: ")
        assert [run.reason for run in chunk.runs] == ["the worker process died"] * 3
        assert [find_pid(run.worker) for run in chunk.runs] == [int(line[2]) for line in place.lines()]
        assert running.process.poll() is None


def test_a_process_without_memory_hands_its_chunk_back_uncounted_and_ends(place: Place) -> None:
    with worker(place, application=LIVING, concurrency=1) as running:
        job = place.wait(place.submit(act="run out of memory"))
        assert job.status is JobStatus.COMPLETED
        (chunk,) = place.chunks(job.job_id)
        assert [(run.ending, run.reason) for run in chunk.runs] == [
            ("waiting", "MemoryError: no 3 GiB left"), ("done", "")
        ]  # fmt: skip
        assert chunk.attempts == 1
        first, second = (int(line[2]) for line in place.lines())
        assert first != second
        until(lambda: psutil.pid_exists(first), lambda exists: not exists, within_s=30)
        assert "WorkerLostError" not in running.log.read_text()

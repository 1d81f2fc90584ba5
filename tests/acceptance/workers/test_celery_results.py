"""What Celery clients read of a job by its id is true: on a real worker, Valkey and ledger."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.exceptions import TaskRevokedError
from celery.exceptions import TimeoutError as NoResultYet
from redis import Redis

from kaboom.catalog import CATALOG
from kaboom.jobs.engine.parts import build_parts
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.celery_results import FAILURE_EXPIRES_S, RESULT_EXPIRES_S
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.servers.stacks import clean_environment, end_all, until
from tests.fixtures.servers.valkeys import valkey
from tests.fixtures.workers.workers import Place, WorkerProcess, worker

pytestmark = pytest.mark.timeout(400)
READY = ("SUCCESS", "FAILURE", "REVOKED")
CELERY = (sys.executable, "-m", "celery", "-A", "app.tasks.celery_app")
CAUSE = r"^items_failed: 2 of 2 items failed; first cause: item0 write_failed: said so"


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    with Redis.from_url(redis_url) as connection:
        connection.flushdb()
    return Place(redis_url, database_url, tmp_path)


@contextmanager
def client(place: Place) -> Iterator[Celery]:
    """Give a Celery client that knows two addresses, and nothing of Kaboom."""
    app = Celery("anybody", broker=place.redis_url, backend=place.redis_url, set_as_current=False)
    try:
        yield app
    finally:
        app.close()


def state(app: Celery, job_id: str) -> str:
    return app.AsyncResult(job_id).state


def logged(running: WorkerProcess, event: str) -> list[dict[str, Any]]:
    return [line for line in running.lines() if line.get("message") == event]


def run_cli(place: Place, job_id: str) -> "subprocess.CompletedProcess[str]":
    """Return what `celery result` says."""
    env = clean_environment(
        REDIS_URL=place.redis_url, DATABASE_URL=place.database_url, KABOOM_DATA_DIR=str(place.folder)
    )
    argv = (*CELERY, "result", job_id)
    return subprocess.run(argv, env=env, cwd=place.folder, capture_output=True, text=True, timeout=60, check=False)


def test_each_end_of_a_job_is_shown_as_it_is(place: Place) -> None:
    with worker(place), client(place) as app:
        completed = place.submit(chunks=2, items=2, item_s=0)
        in_part = place.submit(chunks=1, items=3, item_s=0, bad=["item1"])
        failed = place.submit(chunks=1, items=2, item_s=0, bad=["item0", "item1"])
        unplanned = place.submit(chunks=1, items=1, item_s=0, plan_error="no such market")
        result = app.AsyncResult(completed).get(timeout=60)
        assert (result["status"], result["total"], result["done"], result["failed"]) == ("completed", 4, 4, 0)
        assert result["outcomes"] == {"ok": 4}
        result = app.AsyncResult(in_part).get(timeout=60)
        assert (result["status"], result["outcomes"]) == ("partial", {"ok": 2, "write_failed": 1})
        with pytest.raises(Exception, match=CAUSE + r" \(write_failed 2\)$") as raised:
            app.AsyncResult(failed).get(timeout=60)
        assert type(raised.value).__name__ == "JobFailed"
        with pytest.raises(Exception, match=r"^InvalidRequest: no such market$"):
            app.AsyncResult(unplanned).get(timeout=60)
        states = {job_id: state(app, job_id) for job_id in (completed, in_part, failed, unplanned)}
        assert states == {completed: "SUCCESS", in_part: "SUCCESS", failed: "FAILURE", unplanned: "FAILURE"}
        told = [run_cli(place, job_id) for job_id in (completed, failed)]
    assert [each.returncode for each in told] == [0, 1]
    assert "'status': 'completed'" in told[0].stdout
    assert "JobFailed: items_failed: 2 of 2 items failed; first cause: item0" in told[1].stderr


def test_a_job_is_pending_then_started_then_revoked(place: Place) -> None:
    with client(place) as app:
        job_id = place.submit(chunks=1, items=600, item_s=0.1)
        assert state(app, job_id) == "PENDING"
        with worker(place):
            until(lambda: place.job(job_id), lambda job: job.done > 0, within_s=60)
            running = app.AsyncResult(job_id)
            assert (running.state, running.info) == ("STARTED", {"status": "running"})
            with pytest.raises(NoResultYet):
                running.get(timeout=1)
            place.cancel(job_id)
            with pytest.raises(TaskRevokedError, match=rf"job {job_id} was cancelled"):
                app.AsyncResult(job_id).get(timeout=30)
            assert state(app, job_id) == "REVOKED"
            assert run_cli(place, job_id).returncode == 1


def test_a_job_cancelled_before_it_began_is_revoked_without_a_worker(place: Place) -> None:
    job_id = place.submit(chunks=1, items=1, item_s=0)
    place.cancel(job_id)
    with client(place) as app:
        assert state(app, job_id) == "REVOKED"


def test_results_come_back_after_redis_lost_everything(place: Place) -> None:
    with worker(place), client(place) as app, Redis.from_url(place.redis_url) as redis:
        ended = place.submit(chunks=1, items=1, item_s=0)
        bad = place.submit(chunks=1, items=1, item_s=0, bad=["item0"])
        running = place.submit(chunks=1, items=300, item_s=0.1)
        before = [place.wait(job_id) for job_id in (ended, bad)]
        until(lambda: place.job(running), lambda job: job.done > 0, within_s=60)
        redis.flushdb()
        assert state(app, ended) == "PENDING"
        states = until(
            lambda: [state(app, job_id) for job_id in (ended, bad, running)],
            lambda found: found == ["SUCCESS", "FAILURE", "STARTED"],
            within_s=60,
        )
        assert states == ["SUCCESS", "FAILURE", "STARTED"]
        assert app.AsyncResult(ended).date_done == before[0].completed_at
        # The reaper puts the job back into Redis; until then nothing can be asked of it.
        until(lambda: place.job(running), lambda job: job.is_live, within_s=60)
        place.cancel(running)
        with pytest.raises(TaskRevokedError):
            app.AsyncResult(running).get(timeout=60)


def test_a_result_that_a_killed_worker_did_not_write_is_written_later(place: Place) -> None:
    with valkey(place.folder, "results") as results:
        app = Celery("anybody", backend=results.url, set_as_current=False)
        with worker(place, CELERY_RESULT_BACKEND=results.url) as first:
            job_id = place.submit(chunks=1, items=30, item_s=0.1)
            until(partial(state, app, job_id), lambda found: found == "STARTED", within_s=60)
            results.process.kill()
            place.wait(job_id)
            # Its end is in Redis and in the ledger, and its worker has tried in vain to show it.
            delayed = until(partial(logged, first, "celery_result_delayed"), bool, within_s=30)
            assert "ConnectionError" in delayed[0]["reason"]
            children = first.children()
            first.process.kill()
            end_all(children)
        results.process.start()
        assert state(app, job_id) == "STARTED"
        with worker(place, CELERY_RESULT_BACKEND=results.url):
            assert until(partial(state, app, job_id), lambda found: found == "SUCCESS", within_s=60) == "SUCCESS"
        app.close()


def test_the_result_goes_with_its_job_and_expires(place: Place) -> None:
    with worker(place), client(place) as app, Redis.from_url(place.redis_url) as redis:
        ended, failed = (place.submit(chunks=1, items=1, item_s=0, bad=bad) for bad in ([], ["item0"]))
        for job_id, lifetime_s in ((ended, RESULT_EXPIRES_S), (failed, FAILURE_EXPIRES_S)):
            assert place.wait(job_id).status.is_final
            assert until(partial(state, app, job_id), READY.__contains__, within_s=60) in READY
            assert lifetime_s - 60 < redis.ttl(keys.celery_result(job_id)) <= lifetime_s
            place.delete(job_id)
            assert state(app, job_id) == "PENDING"
            # Nor have its steps left results of their own.
            assert redis.keys(f"*celery-task-meta-{job_id}*") == []


def test_celery_cannot_overwrite_the_result_of_a_job(place: Place) -> None:
    with worker(place), client(place) as app:
        job_id = place.submit(chunks=1, items=1, item_s=0, bad=["item0"])
        until(lambda: state(app, job_id), lambda found: found == "FAILURE", within_s=60)
        app.conf.broker_transport_options = {"global_keyprefix": "celery:"}
        app.send_task(
            "ingest.run_daily", kwargs={"job_id": job_id}, task_id=job_id, queue="ingest", ignore_result=False
        )
        after = place.submit(chunks=1, items=1, item_s=0)
        assert app.AsyncResult(after).get(timeout=60)["status"] == "completed"
        assert state(app, job_id) == "FAILURE"


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")
def test_the_stored_json_has_the_fields_of_celerys_own(place: Place) -> None:
    request = Context(task="ingest.run_daily", args=[], kwargs={}, delivery_info={"routing_key": "ingest"}, children=[])

    async def write() -> Any:
        parts = build_parts(place.settings, CATALOG, role="test")
        try:
            await parts.results.write_started(job := make_job())
            return job
        finally:
            await parts.close()

    ours = asyncio.run(write()).job_id
    with client(place) as app, Redis.from_url(place.redis_url, decode_responses=True) as redis:
        app.conf.result_extended = True
        app.backend.store_result("theirs", {}, "SUCCESS", request=request)
        theirs = app.backend.decode(redis.get(keys.celery_result("theirs")))
        assert app.backend.decode(redis.get(keys.celery_result(ours))).keys() == theirs.keys()

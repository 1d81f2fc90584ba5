"""A worker's life: it says the truth about itself, drains in time, is renewed, and leaves nothing behind."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from kaboom.jobs.model import ChunkState
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.workers import Place, WorkerProcess, empty_place, worker

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, with nothing in its Redis and its ledger."""
    return empty_place(redis_url, database_url, tmp_path)


class TestDrain:
    """The bare Celery command, without our command line and without REMAP_SIGTERM."""

    def test_sigterm_hands_chunks_back_uncounted_and_ends_with_0(self, place: Place) -> None:
        with worker(place) as first:
            job_id = place.submit(chunks=2, items=60, item_s=0.25)
            place.wait_until_busy(chunks=2)
            begun_at = time.monotonic()
            assert first.stop() == 0
            assert time.monotonic() - begun_at < 9.5
        assert [(c.state, c.attempts) for c in place.chunks(job_id)] == [(ChunkState.QUEUED, 0)] * 2
        assert all(c.tally.cursor > 0 for c in place.chunks(job_id))
        with worker(place):
            place.assert_exact(job_id, chunks=2, items=60)
        # From where they were: no item was settled twice, and both are at their first counted attempt.
        assert len(place.lines()) == len({tuple(line[:2]) for line in place.lines()})
        assert {line[3] for line in place.lines()} == {"1"}

    def test_an_idle_worker_ends_at_once(self, place: Place) -> None:
        with worker(place) as idle:
            begun_at = time.monotonic()
            assert idle.stop() == 0
            assert time.monotonic() - begun_at < 5 * crowd()

    def test_a_second_sigterm_hands_back_all_the_same(self, place: Place) -> None:
        with worker(place) as first:
            job_id = place.submit(chunks=1, items=100, item_s=0.2)
            place.wait_until_busy(chunks=1)
            first.process.send_signal(signal.SIGTERM)
            until(first.log.read_text, lambda text: "Initiating Soft Shutdown" in text, within_s=5)
            assert first.stop() == 0
        (chunk,) = place.chunks(job_id)
        assert (chunk.state, chunk.attempts) == (ChunkState.QUEUED, 0)


class TestChildren:
    def test_they_are_renewed_after_some_tasks_and_the_port_is_not_theirs(self, place: Place) -> None:
        with worker(place, "--max-tasks-per-child=2") as renewed:
            before = {child.pid for child in renewed.children()}
            job_id = place.submit(chunks=12, items=1, item_s=0)
            place.assert_exact(job_id, chunks=12, items=1)
            assert len({line[2] for line in place.lines()}) > 2
            children = until(
                renewed.children, lambda now: len(now) == 2 and not {c.pid for c in now} & before, within_s=20
            )
            assert [c for child in children for c in child.net_connections() if c.status == psutil.CONN_LISTEN] == []
            # What the children that are gone have counted still counts. A job is in the ledger before it is counted.
            counted = (
                'kaboom_jobs_finished_total{queue="ingest",status="completed"} 1.0',
                'kaboom_chunks_total{ending="done",task="ingest.chunk"} 12.0',
                'kaboom_bars_written_total{queue="ingest"} 120.0',
                'kaboom_leases_active{queue="ingest"} 0.0',
            )
            until(
                lambda: renewed.http.get("/metrics").text,
                lambda text: all(line in text for line in counted),
                within_s=20,
            )

    def test_they_are_renewed_when_they_have_grown(self, place: Place) -> None:
        with worker(place, "--max-memory-per-child=350000", concurrency=1):
            job_id = place.submit(chunks=4, items=1, item_s=0, eat_mib=300)
            place.assert_exact(job_id, chunks=4, items=1)
        assert len({line[2] for line in place.lines()}) == 4


class TestHealth:
    def test_it_names_every_part(self, place: Place) -> None:
        with worker(place, concurrency=1) as well:
            assert well.get("/healthz") == (200, {"status": "ok", "faults": {}})
            status, content = well.get("/readyz")
            assert status == 200
            assert set(content["parts"]) == {
                "broker", "redis", "ledger", "heartbeat", "loop", "consumer", "pool", "tasks",
            }  # fmt: skip
            assert content["slots"] == {"total": 1, "busy": 0}

    def test_a_port_that_is_taken_ends_the_worker_with_a_reason(self, place: Place) -> None:
        with worker(place, concurrency=1) as first:
            port = first.http.base_url.port
            with (
                pytest.raises(AssertionError, match=f"nothing can listen on 127.0.0.1:{port}"),
                worker(place, PORT=str(port)),
            ):
                pass


def words(process: WorkerProcess) -> set[str]:
    return {line["message"] for line in process.lines()}


def test_every_line_of_a_chunk_has_its_job_and_request_id(place: Place) -> None:
    with worker(place) as running:
        job_id = place.submit("request-17", chunks=2, items=1, item_s=0)
        place.wait(job_id)
        until(lambda: words(running), lambda said: {"job_planned", "job_finished"} <= said, within_s=20)
        lines = [
            line for line in running.lines() if line["logger"].startswith("kaboom.jobs.engine") and "chunk" in line
        ]
    assert {line["chunk"] for line in lines} >= {"plan"}
    told = {(line["request_id"], line["job_id"], line["task"], line["queue"]) for line in lines}
    assert told == {("request-17", job_id, "ingest.run_daily", "ingest")}
    assert any(line["message"] == "job_finished" and line["chunk"] != "plan" for line in lines)

"""A worker's life: it says the truth about itself, drains in time, is renewed, and leaves nothing behind."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from kaboom.drivers.embedded.servers import embed_valkey
from kaboom.jobs.model import ChunkState, JobStatus
from kaboom.worker.main_process import FRESH_S
from tests.fixtures.servers.stacks import end_all, until
from tests.fixtures.workers.workers import Place, WorkerProcess, worker

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, with nothing in its Redis and its ledger."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    empty_ledger(database_url)
    return Place(redis_url, database_url, tmp_path)


def empty_ledger(database_url: str) -> None:
    # Or a worker would restore the unfinished jobs of other tests.
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")


class OwnValkey:
    """A Valkey that a test may stop, kill and start."""

    def __init__(self, folder: Path) -> None:
        self._server = embed_valkey(folder)
        self.url = self._server.url
        self.start()

    def start(self) -> None:
        argv = self._server.argv
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(self._server.is_ready, bool, within_s=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def own_valkey(folder: Path) -> Iterator[OwnValkey]:
    valkey = OwnValkey(folder)
    try:
        yield valkey
    finally:
        valkey.kill()


def assert_exact(place: Place, job_id: str, *, chunks: int, items: int) -> None:
    """Wait for the end of a job, and check that every item was settled and counted once."""
    job = place.wait(job_id)
    assert (job.status, job.done, job.total) == (JobStatus.COMPLETED, chunks * items, chunks * items)
    settled = {(n, item) for n, item, *_ in place.lines()}
    assert settled == {(str(n), f"item{i}") for n in range(chunks) for i in range(items)}


def wait_until_busy(place: Place, *, chunks: int) -> None:
    until(lambda: {line[0] for line in place.lines()}, lambda begun: len(begun) == chunks, within_s=30)


class TestDrain:
    """The bare Celery command, without our command line and without REMAP_SIGTERM."""

    def test_sigterm_hands_chunks_back_uncounted_and_ends_with_0(self, place: Place) -> None:
        with worker(place) as first:
            job_id = place.submit(chunks=2, items=60, item_s=0.25)
            wait_until_busy(place, chunks=2)
            begun_at = time.monotonic()
            assert first.stop() == 0
            assert time.monotonic() - begun_at < 9.5
        assert [(c.state, c.attempts) for c in place.chunks(job_id)] == [(ChunkState.QUEUED, 0)] * 2
        assert all(c.tally.cursor > 0 for c in place.chunks(job_id))
        with worker(place):
            assert_exact(place, job_id, chunks=2, items=60)
        # From where they were: no item was settled twice, and both are at their first counted attempt.
        assert len(place.lines()) == len({tuple(line[:2]) for line in place.lines()})
        assert {line[3] for line in place.lines()} == {"1"}

    def test_an_idle_worker_ends_at_once(self, place: Place) -> None:
        with worker(place) as idle:
            begun_at = time.monotonic()
            assert idle.stop() == 0
            assert time.monotonic() - begun_at < 5

    def test_killed_workers_count_as_lost_and_stopped_ones_do_not(self, place: Place) -> None:
        with worker(place) as told, worker(place) as killed:
            until(place.workers, lambda count: count == 2, within_s=10)
            assert told.stop() == 0
            assert place.workers() == 1
            killed.process.kill()
            killed.process.wait()
        assert place.workers() == 1

    def test_a_second_sigterm_hands_back_all_the_same(self, place: Place) -> None:
        with worker(place) as first:
            job_id = place.submit(chunks=1, items=100, item_s=0.2)
            wait_until_busy(place, chunks=1)
            first.process.send_signal(signal.SIGTERM)
            until(first.log.read_text, lambda text: "Initiating Soft Shutdown" in text, within_s=5)
            assert first.stop() == 0
        (chunk,) = place.chunks(job_id)
        assert (chunk.state, chunk.attempts) == (ChunkState.QUEUED, 0)

    def test_while_redis_is_frozen_it_ends_in_time_and_nothing_is_lost(
        self, database_url: str, open_tmp: Path, tmp_path: Path
    ) -> None:
        empty_ledger(database_url)
        with own_valkey(open_tmp) as valkey:
            place = Place(valkey.url, database_url, tmp_path)
            with worker(place) as first:
                job_id = place.submit(chunks=2, items=40, item_s=0.25)
                wait_until_busy(place, chunks=2)
                valkey.process.send_signal(signal.SIGSTOP)
                try:
                    begun_at = time.monotonic()
                    first.stop()
                    assert time.monotonic() - begun_at < 9.9
                    end_all(first.children())
                finally:
                    valkey.process.send_signal(signal.SIGCONT)
            with worker(place):
                assert_exact(place, job_id, chunks=2, items=40)


class TestChildren:
    def test_none_outlives_a_main_process_that_is_killed(self, place: Place) -> None:
        with worker(place) as killed:
            place.submit(chunks=2, items=600, item_s=0.1)
            wait_until_busy(place, chunks=2)
            family = killed.children()
            assert len(family) >= 2
            killed.process.kill()
            killed.process.wait()
            end_all(family)

    def test_they_are_renewed_after_some_tasks_and_the_port_is_not_theirs(self, place: Place) -> None:
        with worker(place, "--max-tasks-per-child=2") as renewed:
            before = {child.pid for child in renewed.children()}
            job_id = place.submit(chunks=12, items=1, item_s=0)
            assert_exact(place, job_id, chunks=12, items=1)
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
            assert_exact(place, job_id, chunks=4, items=1)
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

    def test_a_worker_survives_an_outage_of_redis(self, database_url: str, open_tmp: Path, tmp_path: Path) -> None:
        empty_ledger(database_url)
        with own_valkey(open_tmp) as valkey:
            place = Place(valkey.url, database_url, tmp_path)
            with worker(place) as patient:
                valkey.kill()
                _, said = until(lambda: patient.get("/readyz"), lambda answer: answer[0] == 503, within_s=20)
                faults = {part for part, answer in said["parts"].items() if not answer["is_ok"]}
                assert faults >= {"broker", "redis"}
                assert "ledger" not in faults
                # Away for longer than any sign may be missing.
                gone_at = time.monotonic()
                until(time.monotonic, lambda now: now - gone_at > FRESH_S + 2, within_s=60)
                assert patient.get("/healthz") == (200, {"status": "ok", "faults": {}})
                valkey.start()
                until(lambda: patient.get("/readyz")[0], lambda status: status == 200, within_s=60)
                back_at = time.monotonic()
                assert_exact(place, place.submit(chunks=2, items=2, item_s=0), chunks=2, items=2)
                # The signs come again after the connection was made anew, and go on.
                until(time.monotonic, lambda now: now - back_at > FRESH_S + 2, within_s=60)
                assert patient.get("/readyz")[0] == 200

    def test_a_port_that_is_taken_ends_the_worker_with_a_reason(self, place: Place) -> None:
        with worker(place, concurrency=1) as first:
            port = first.http.base_url.port
            with (
                pytest.raises(AssertionError, match=f"nothing can listen on 127.0.0.1:{port}"),
                worker(place, PORT=str(port)),
            ):
                pass


class TestWatchdog:
    def test_a_consumer_that_hangs_is_ended_so_that_it_is_started_anew(self, place: Place) -> None:
        with worker(place, SLOW_PATIENCE_S="3") as hung:
            family = hung.children()
            os.kill(hung.process.pid, signal.SIGUSR2)
            place.submit(chunks=1, items=1, item_s=0)
            # Seen after 10 s, believed after 3 more, and ended by force 9 s after it does not hear the asking.
            assert hung.process.wait(60) == 1
            assert words(hung) >= {"worker_stuck", "end_forced"}
            # Nobody told it to, so it is missed.
            assert place.workers() == 1
            end_all(family)


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

"""Workers that are killed, hang, or lose Redis: nothing is lost, nothing stays behind, and others know."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaboom.drivers.embedded.servers import embed_valkey
from kaboom.worker.main_process import FRESH_S
from tests.fixtures.servers.stacks import end_all, until
from tests.fixtures.workers.workers import Place, empty_place, worker

pytestmark = pytest.mark.timeout(240)


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


def test_killed_workers_count_as_lost_and_stopped_ones_do_not(place: Place) -> None:
    with worker(place) as told, worker(place) as killed:
        until(place.workers, lambda count: count == 2, within_s=10)
        assert told.stop() == 0
        assert place.workers() == 1
        killed.process.kill()
        killed.process.wait()
    assert place.workers() == 1


def test_while_redis_is_frozen_it_ends_in_time_and_nothing_is_lost(
    database_url: str, open_tmp: Path, tmp_path: Path
) -> None:
    with own_valkey(open_tmp) as valkey:
        place = empty_place(valkey.url, database_url, tmp_path)
        with worker(place) as first:
            job_id = place.submit(chunks=2, items=40, item_s=0.25)
            place.wait_until_busy(chunks=2)
            valkey.process.send_signal(signal.SIGSTOP)
            try:
                begun_at = time.monotonic()
                first.stop()
                assert time.monotonic() - begun_at < 9.9
                end_all(first.children())
            finally:
                valkey.process.send_signal(signal.SIGCONT)
        with worker(place):
            place.assert_exact(job_id, chunks=2, items=40)


def test_none_outlives_a_main_process_that_is_killed(place: Place) -> None:
    with worker(place) as killed:
        place.submit(chunks=2, items=600, item_s=0.1)
        place.wait_until_busy(chunks=2)
        family = killed.children()
        assert len(family) >= 2
        killed.process.kill()
        killed.process.wait()
        end_all(family)


def test_a_worker_survives_an_outage_of_redis(database_url: str, open_tmp: Path, tmp_path: Path) -> None:
    with own_valkey(open_tmp) as valkey:
        place = empty_place(valkey.url, database_url, tmp_path)
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
            place.assert_exact(place.submit(chunks=2, items=2, item_s=0), chunks=2, items=2)
            # The signs come again after the connection was made anew, and go on.
            until(time.monotonic, lambda now: now - back_at > FRESH_S + 2, within_s=60)
            assert patient.get("/readyz")[0] == 200


def test_a_consumer_that_hangs_is_ended_so_that_it_is_started_anew(place: Place) -> None:
    with worker(place, SLOW_PATIENCE_S="3") as hung:
        family = hung.children()
        os.kill(hung.process.pid, signal.SIGUSR2)
        place.submit(chunks=1, items=1, item_s=0)
        # Seen after 10 s, believed after 3 more, and ended by force 9 s after it does not hear the asking.
        assert hung.process.wait(60) == 1
        assert {line["message"] for line in hung.lines()} >= {"worker_stuck", "end_forced"}
        # Nobody told it to, so it is missed.
        assert place.workers() == 1
        end_all(family)

"""A provider that blocks, met by a real worker: the job pauses, says so over HTTP, and accounts for every symbol."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg
import pytest
import redis

from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.kept_bars import kept_bars
from tests.fixtures.jobs.apps import JOBS
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.fake_market import small_market
from tests.fixtures.servers.http_servers import Request, Response
from tests.fixtures.servers.stacks import Api, serving
from tests.fixtures.workers.workers import Place, worker

#: Fetched ten at a time: the block comes in the second fetch.
SYMBOLS = [str(7201 + n) for n in range(14)]
ANSWERED = 12
BLOCK_S = 8.0


class Block:
    """Answers some requests for minutes, and says 429 to the others until its time is over."""

    def __init__(self) -> None:
        self.refused = 0
        self._asked = 0
        self._ends_at = math.inf
        self._lock = threading.Lock()

    def __call__(self, request: Request, usual: Response) -> Response:
        """Answer, or refuse with what is left of the block."""
        if not request.path.endswith("/minute"):
            return usual
        with self._lock:
            self._asked += 1
            if self._asked == ANSWERED + 1:
                self._ends_at = time.monotonic() + BLOCK_S
            left_s = self._ends_at - time.monotonic()
            if self._asked <= ANSWERED or left_s <= 0:
                return usual
            self.refused += 1
            return Response(429, b"slow down", {"Retry-After": str(math.ceil(left_s))})


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where the worker runs, with nothing in its Redis and its ledger."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    return Place(redis_url, database_url, tmp_path)


@pytest.fixture
def jquants() -> Iterator[FakeJquants]:
    """A J-Quants of the test's symbols."""
    with jquants_server() as fake:
        fake.market = small_market(*SYMBOLS)
        yield fake


@pytest.fixture
def api(place: Place, jquants: FakeJquants) -> Iterator[Api]:
    """An API whose jobs a real worker runs."""
    keys = {"JQUANTS_API_KEY": API_KEY, "JQUANTS_BASE_URL": jquants.url}
    # At its own pace, one request a second, the test would take half a minute.
    keys["KABOOM_PROVIDER_REQUESTS_PER_MINUTE"] = "jquants=1200"
    shared = {"REDIS_URL": place.redis_url, "DATABASE_URL": place.database_url, "DISABLE_CELERY": "false", **keys}
    with (
        worker(place, concurrency=1, application="tests.fixtures.workers.hasty_worker", **keys),
        serving(place.folder, **shared, DISABLE_REDIS="false") as running,
    ):
        yield running


def wait_for_pause(api: Api, job_id: str) -> datetime:
    """Follow a job's events up to a pause, and return when they say that it ends."""
    with api.http.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        lines = answer.iter_lines()
        assert any(line == "event: paused" for line in lines)
        data = next(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
    return datetime.fromisoformat(orjson.loads(data)["paused_until"])


def test_a_block_pauses_the_job_and_no_symbol_is_forgotten(api: Api, jquants: FakeJquants) -> None:
    block = Block()
    jquants.faults_by_code = dict.fromkeys((f"{symbol}0" for symbol in SYMBOLS), block)
    job_id = api.submit(intervals={"1m": 1}, symbols=SYMBOLS, session="2025-11-04", provider="jquants")

    ends_at = wait_for_pause(api, job_id)
    paused = api.job(job_id)
    assert (paused["status"], paused["health"]) == ("running", "paused")
    assert datetime.fromisoformat(paused["progress"]["paused_until"]) == ends_at
    assert 0 < (ends_at - datetime.now(UTC)).total_seconds() <= BLOCK_S
    assert "429" in paused["progress"]["pause_reason"]
    # What the first fetch brought is settled; nothing of the second one has failed.
    assert (paused["progress"]["done"], paused["progress"]["failed"]) == (10, 0)

    job = api.wait(job_id)
    assert (job["status"], job["health"], job["progress"]["paused_until"]) == ("completed", "ok", None)
    assert job["result"]["outcomes"] == {"ok": len(SYMBOLS)}
    assert 0 < job["result"]["counts"]["provider_wait_s"] <= BLOCK_S + 1
    kept = kept_bars(api.data_dir)[BarSeries("jquants", Interval.M1)]
    assert set(kept["symbol"]) == set(SYMBOLS)
    assert job["progress"]["rows"] == kept.height
    # Four may be under way when the block begins; within it nobody asked again, nor ever for what was settled.
    assert 1 <= block.refused <= 4
    asked = Counter(params["code"] for params in jquants.asked("/equities/bars/minute"))
    assert [asked[f"{symbol}0"] for symbol in SYMBOLS[:10]] == [1] * 10

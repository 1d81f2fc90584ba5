"""Kills in the middle of the job: it completes, every symbol is accounted for, and the rows are exact."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import psutil
import pytest

from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from tests.fixtures.bars.kept_bars import check_bars, kept_bars
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY
from tests.fixtures.servers.stacks import Stack, clean_environment, until
from tests.fixtures.workers.chunk_kills import stop_in_chunk, valkey, wait_until_claimed_again

pytestmark = pytest.mark.timeout(240)

HOURS = BarSeries("synthetic", Interval.H1)
SESSION = "2025-10-31"
#: Symbols of a test, no two of which share one: what one leaves cannot hide what another loses.
SYMBOLS = 832


def request_for(market: Market, *, first: int) -> dict[str, Any]:
    """Return a request of about 460,000 bars, in eight chunks of 104 symbols, three fetches each."""
    symbols = load_universe(market, date.fromisoformat(SESSION)).symbols[first : first + SYMBOLS]
    assert len(symbols) == SYMBOLS
    return {"intervals": {"1h": 80}, "market": market.value, "symbols": symbols, "session": SESSION}


@contextmanager
def undisturbed(request: dict[str, Any], data_dir: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Run the same request in one process of its own, on a data folder of its own, beside what the test does."""
    argv = [sys.executable, "-m", "batch.scripts.run_daily_ingest", orjson.dumps(request).decode()]
    environment = clean_environment(KABOOM_DATA_DIR=str(data_dir), POLARS_MAX_THREADS="1")
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def assert_exact(up: Stack, job_id: str, request: dict[str, Any], reference: Path) -> None:
    """Wait for the end of a job, and compare what it left with an undisturbed run."""
    job = up.api.wait(job_id, within_s=120)
    assert job["status"] == "completed", job
    assert sum(job["result"]["outcomes"].values()) == job["progress"]["total"] == SYMBOLS
    assert job["progress"]["done"] == SYMBOLS
    expected = kept_bars(reference)[HOURS]
    kept = kept_bars(up.data_dir)[HOURS].filter(pl.col("symbol").is_in(request["symbols"]))
    assert kept.equals(expected)
    assert job["progress"]["rows"] == expected.height > 400_000
    assert check_bars(up.data_dir).faults == ()


def test_a_pool_child_is_killed(up_alone: Stack, tmp_path: Path) -> None:
    request = request_for(Market.TSE_PRIME, first=0)
    job_id = up_alone.api.submit(**request)
    with valkey(up_alone) as client:
        caught = stop_in_chunk(client, job_id)
        os.kill(caught.pid, signal.SIGKILL)
        with undisturbed(request, tmp_path) as reference:
            wait_until_claimed_again(client, job_id, caught, within_s=20)
            assert until(reference.poll, lambda code: code is not None, within_s=90) == 0
    assert_exact(up_alone, job_id, request, tmp_path)


def test_the_worker_is_killed(up_alone: Stack, tmp_path: Path) -> None:
    request = request_for(Market.TSE_PRIME, first=SYMBOLS - 13)
    job_id = up_alone.api.submit(**request)
    worker = up_alone.pid("worker-1")
    with valkey(up_alone) as client:
        caught = stop_in_chunk(client, job_id)
        assert caught.pid != worker
        os.kill(worker, signal.SIGKILL)
        with undisturbed(request, tmp_path) as reference:
            wait_until_claimed_again(client, job_id, caught, within_s=20)
            assert until(reference.poll, lambda code: code is not None, within_s=90) == 0
    assert up_alone.pid("worker-1") != worker
    assert not psutil.pid_exists(caught.pid)
    assert_exact(up_alone, job_id, request, tmp_path)


def test_valkey_is_killed(up_alone: Stack, tmp_path: Path) -> None:
    request = request_for(Market.TSE_STANDARD, first=0)
    before = up_alone.run()["redis_url"]
    job_id = up_alone.api.submit(**request)
    until(lambda: up_alone.api.job(job_id), lambda job: job["progress"]["done"] > 0, within_s=60)
    killed = up_alone.pid("valkey")
    os.kill(killed, signal.SIGKILL)
    until(lambda: up_alone.pid("valkey"), lambda pid: pid != killed, within_s=20)
    assert up_alone.run()["redis_url"] == before
    with undisturbed(request, tmp_path) as reference:
        assert up_alone.api.job(job_id)["status"] in {"running", "completed"}
        assert until(reference.poll, lambda code: code is not None, within_s=90) == 0
    assert_exact(up_alone, job_id, request, tmp_path)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process without ending it: connections stay open, and nothing answers."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def open_in_ledger(up: Stack) -> int:
    counts = up.api.get("/jobs/stats")["by_status"]
    return int(counts["queued"] + counts["running"] + counts["cancelling"])


def test_a_frozen_redis_is_reported_at_once_and_survived(up_alone: Stack) -> None:
    http = up_alone.api.http
    body = {"intervals": {"1d": 2}, "symbols": ["7203"], "session": SESSION}
    done = up_alone.api.wait(up_alone.api.submit(**body))
    # Redis knows of the end a moment before the ledger does, which alone is asked below.
    until(lambda: open_in_ledger(up_alone), lambda count: count == 0, within_s=30)
    known = {job["job_id"] for job in up_alone.api.get("/jobs?limit=200")["items"]}
    with frozen(up_alone.pid("valkey")):
        begun_at = time.monotonic()
        refused = http.post(RUN_DAILY, json=body)
        assert time.monotonic() - begun_at < 7
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) >= 1

        begun_at = time.monotonic()
        assert http.get("/healthz").status_code == 200
        assert time.monotonic() - begun_at < 1

        begun_at = time.monotonic()
        shown = http.get(f"{JOBS}/{done['job_id']}")
        listed = http.get(f"{JOBS}?limit=200")
        assert time.monotonic() - begun_at < 7
        assert (shown.status_code, shown.json()["status"]) == (200, "completed")
        assert {job["job_id"] for job in listed.json()["items"]} == known

        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["redis"]["is_ok"]) == (503, False)
    # By itself, and what was refused is not done later.
    until(lambda: http.get("/readyz").status_code, lambda status: status == 200, within_s=30)
    after = up_alone.api.wait(up_alone.api.submit(**body))
    assert after["status"] == "completed"
    assert {job["job_id"] for job in up_alone.api.get("/jobs?limit=200")["items"]} == known | {after["job_id"]}

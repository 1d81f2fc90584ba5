"""The API's metrics: on a port of their own, by route template, and nothing of them where it is not set."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from kaboom.drivers.embedded.servers import free_port
from kaboom.providers.watch import watch_requests
from kaboom.telemetry.metrics import METRICS, Kind, use_meter
from tests.fixtures.jobs.apps import JOBS, REPORT_BODY, RUN_DAILY, client_of, memory_settings, running
from tests.fixtures.servers.stacks import clean_environment


@pytest.fixture(autouse=True)
def _count_nothing_afterwards() -> Iterator[None]:
    yield
    use_meter(None)
    watch_requests(None)


async def scrape(port: int) -> dict[str, float]:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        text = (await client.get("/metrics")).text
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    }


@pytest.mark.anyio
async def test_requests_jobs_and_provider_calls_are_counted_once(tmp_path: Path) -> None:
    port = free_port()
    settings = memory_settings(tmp_path, metrics_port=port, side_host="127.0.0.1", slots=1)
    async with running(settings) as app, client_of(app) as client:
        body = REPORT_BODY | {"symbols": ["7203", "6758"], "session": "2025-11-04"}
        job_id = (await client.post(RUN_DAILY, json=body)).json()["job_id"]
        job = (await client.get(f"{JOBS}/{job_id}", headers={"Prefer": "wait=25"})).json()
        assert job["status"] == "completed"
        # The alert on restarts reads these.
        await client.get("/healthz")
        for path in ("/no/such/1", "/no/such/2"):
            await client.get(path)
        await client.get(f"{JOBS}/{job_id}", headers={"x-ingest-token": "wrong"})
        shown = await scrape(port)
        # The public port has none of it.
        assert (await client.get("/metrics")).status_code == 404
    one_job = f'method="GET",route="{JOBS}/{{job_id}}"'
    assert shown[f'kaboom_http_requests_total{{{one_job},status="200"}}'] == 1
    # The poll waited as long as it wanted, so its time is apart.
    assert shown['kaboom_http_request_seconds_count{kind="wait"}'] == 1
    assert shown['kaboom_http_request_seconds_count{kind="write"}'] == 1
    assert shown['kaboom_http_request_seconds_count{kind="read"}'] == 1
    assert shown['kaboom_http_request_seconds_count{kind="probe"}'] == 1
    assert shown['kaboom_http_request_seconds_count{kind="page"}'] == 2
    assert shown[f'kaboom_http_requests_total{{method="POST",route="{RUN_DAILY}",status="202"}}'] == 1
    assert shown['kaboom_http_requests_total{method="GET",route="none",status="404"}'] == 2
    assert shown['kaboom_http_requests_total{method="GET",route="none",status="401"}'] == 1
    assert shown['kaboom_http_requests_total{method="GET",route="/healthz",status="200"}'] == 1
    assert shown['kaboom_jobs_submitted_total{how="new",queue="ingest"}'] == 1
    assert shown['kaboom_jobs_finished_total{queue="ingest",status="completed"}'] == 1
    assert shown['kaboom_chunks_total{ending="done",task="ingest.chunk"}'] >= 1
    assert shown['kaboom_bars_written_total{queue="ingest"}'] == job["progress"]["rows"] > 0
    assert shown['kaboom_provider_request_seconds_count{outcome="ok",provider="synthetic"}'] >= 1
    assert (shown["kaboom_workers_online"], shown['kaboom_queue_depth{queue="ingest"}']) == (1, 0)


def test_what_is_off_is_not_loaded() -> None:
    # FastAPI and redis-py load parts of OpenTelemetry wherever it is installed; what sends spans is ours to load.
    heavy = {"celery", "jwt", "kombu", "opentelemetry.exporter", "opentelemetry.sdk.trace", "polars"}
    heavy |= {"cryptography.x509", "jinja2", "numpy", "prometheus_client", "sqlalchemy"}
    code = f"import sys, kaboom.main; print(', '.join(sorted({heavy!r} & set(sys.modules))))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("\n", 0)


def test_no_histogram_has_a_label_with_many_values() -> None:
    # Each value is a series for each bucket: 150 routes would be 2,000 series of each process.
    bounded = {"kind", "outcome", "provider", "task"}
    histograms = [metric for metric in METRICS if metric.kind is Kind.HISTOGRAM]
    assert {label for metric in histograms for label in metric.labels} <= bounded
    assert all(len(metric.labels) <= 2 for metric in histograms)


@pytest.mark.anyio
async def test_requests_to_all_routes_stay_within_the_budget_of_series(tmp_path: Path) -> None:
    port = free_port()
    settings = memory_settings(tmp_path, metrics_port=port, side_host="127.0.0.1", slots=1)
    async with running(settings) as app, client_of(app) as client:
        operations = [(m, path) for path, item in app.openapi()["paths"].items() for m in item]
        for method, path in operations:
            # A stream never ends by itself.
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await client.request(method, re.sub(r"\{\w+\}", "x", path), headers={"accept": "application/json"})
        shown = await scrape(port)
    assert len(operations) > 100
    times = [name for name in shown if name.startswith("kaboom_http_request_seconds")]
    assert len(times) <= 5 * (14 + 3)
    assert len(shown) <= 1000

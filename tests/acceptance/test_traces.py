"""One trace from the API's request through the queue to the provider, in spans that both processes send."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, client_of, running
from tests.fixtures.servers.collector import SeenSpan, collector
from tests.fixtures.servers.stacks import clean_environment, until
from tests.fixtures.workers.workers import Place, worker

_BODY = {"intervals": {"1d": 2}, "symbols": ["7203", "6758"], "session": "2025-11-04"}
#: As a caller that is traced itself sends it.
_CALLER_TRACE, _CALLER_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_NAMES = {f"POST {RUN_DAILY}", "submit", "ingest.run_daily", "ingest.chunk", "fetch"}

pytestmark = pytest.mark.timeout(180)


async def ask(place: Place, endpoint: str) -> dict[str, Any]:
    """Submit a job to an API that traces, and wait for its end."""
    settings = place.settings.model_copy(update={"otlp_endpoint": endpoint})
    headers = {"traceparent": f"00-{_CALLER_TRACE}-{_CALLER_SPAN}-01"}
    async with running(settings) as app, client_of(app) as client:
        accepted = await client.post(RUN_DAILY, json=_BODY, headers=headers)
        job_id = accepted.json()["job_id"]
        while True:
            job: dict[str, Any] = (await client.get(f"{JOBS}/{job_id}", headers={"Prefer": "wait=25"})).json()
            if job["completed_at"]:
                return job


def test_request_plan_chunk_and_fetch_are_one_trace_of_two_processes(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    place = Place(redis_url, database_url, tmp_path)
    with (
        collector() as kept,
        worker(place, application="app.tasks.celery_app", OTEL_EXPORTER_OTLP_ENDPOINT=kept.url),
    ):
        assert asyncio.run(ask(place, kept.url))["status"] == "completed"

        def of_trace() -> list[SeenSpan]:
            return [span for span in kept.spans if span.trace == _CALLER_TRACE]

        until(of_trace, lambda spans: {span.name for span in spans} >= _NAMES, within_s=30)
    by_id = {span.span: span for span in of_trace()}
    chain = [span for span in by_id.values() if span.name == "fetch"][:1]
    while chain[-1].parent in by_id:
        chain.append(by_id[chain[-1].parent])
    assert [span.name for span in chain] == [
        "fetch",
        "ingest.chunk",
        "ingest.run_daily",
        "submit",
        f"POST {RUN_DAILY}",
    ]
    assert chain[-1].parent == _CALLER_SPAN
    assert [span.service for span in chain] == ["kaboom-worker"] * 3 + ["kaboom-api"] * 2


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.exporter'] = None; import kaboom.main; "
        "from kaboom.telemetry.traces import start_tracing; start_tracing('http://127.0.0.1:1', service='x')"
    )
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=clean_environment(), capture_output=True, text=True, check=False)
    assert "ConfigurationError: OTEL_EXPORTER_OTLP_ENDPOINT was set" in done.stderr
    assert "install kaboom-api[otel]" in done.stderr

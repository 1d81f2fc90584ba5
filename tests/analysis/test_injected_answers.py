"""Injections in the messages of a job, through the API: no state changes, and no secret is seen anywhere."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.analysis.spending import open_spending
from kaboom.jobs.model import ChunkState, JobStatus
from kaboom.jobs.postgres.port import Terms
from tests.fixtures.jobs.analyses import ANALYSE, end_of
from tests.fixtures.jobs.apps import client_of, jobs_of, memory_settings, running
from tests.fixtures.jobs.injections import ATTACKS
from tests.fixtures.jobs.jobs import advance, make_chunk, make_job
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter

pytestmark = pytest.mark.anyio
MODELS = "parrot/a obedient/b decorating/c confessing/d"
#: Eight secrets; none of them opens a connection here.
CANARIES: dict[str, Any] = {
    "ingest_api_token": "a-token-of-the-tests",
    "openrouter_key": KEY,
    "jwt_secret_key": "canary-jwt-0123456789abcdef0123456789abcdef",
    "webhook_secret": "whsec_Y2FuYXJ5LXdlYmhvb2stMDEyMzQ1Njc4OWFiY2RlZg==",
    "influxdb_token": "canary-influx-0123456789abcdef",
    "supabase_jwt_secret": "canary-supabase-0123456789abcdef0123456789",
    "supabase_anon_key": "canary-anon-0123456789abcdef",
    "jquants_api_key": "canary-jquants-0123456789abcdef",
}
#: What an obedient model might have changed.
PLACES = ("jobs", "schedules", "users", "tokens", "portfolios", "settings", "dead-letters")


@pytest.fixture
def fake() -> Iterator[FakeOpenRouter]:
    """A fake OpenRouter."""
    with fake_openrouter() as server:
        yield server


async def plant_failures(app: FastAPI, messages: tuple[str, ...]) -> str:
    """Return the id of an ingest job that failed with these messages."""
    history = jobs_of(app).parts.history
    job, chunk = make_job(), make_chunk(0, len(messages))
    await history.admit(job, Terms(uuid4().hex))
    await history.save_plan(job.job_id, {}, [chunk])
    tally = advance(chunk, ["provider_error"] * len(messages))
    notes = tuple(replace(note, message=text) for note, text in zip(tally.notes, messages, strict=True))
    done = replace(chunk, state=ChunkState.DONE, tally=replace(tally, notes=notes))
    ended = replace(job, status=JobStatus.FAILED, total=len(messages), failed=len(messages))
    now = datetime.now(UTC)
    await history.save_final(replace(ended, outcomes=tally.outcomes, completed_at=now), [done])
    return job.job_id


async def state_of(http: httpx2.AsyncClient) -> dict[str, Any]:
    """Return what there is, without the analyses themselves."""
    found = {place: (await http.get(f"/api/v1/{place}")).json() for place in PLACES}
    found["jobs"] = [job for job in found["jobs"]["items"] if job["queue"] != "ai_analysis"]
    return found


async def test_obedient_models_change_nothing_and_see_no_secret(
    fake: FakeOpenRouter, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    values = CANARIES | {"openrouter_url": fake.url, "ai_models": MODELS, "supabase_url": "http://127.0.0.1:9"}
    async with running(memory_settings(tmp_path, bar_store="pages", **values)) as app, client_of(app) as http:
        # Eight causes are sent of a job at most.
        batches = [ATTACKS[n : n + 8] for n in range(0, len(ATTACKS), 8)]
        job_ids = [await plant_failures(app, batch) for batch in batches]
        before = await state_of(http)
        ended = [await end_of(http, ANALYSE, {"kind": "ingest", "job_id": job_id}) for job_id in job_ids]
        assert await state_of(http) == before
        kept = repr(vars(jobs_of(app).parts.database.open(open_spending)))
    assert len(fake.requests) == 4 * len(batches)
    for job in ended:
        (one,) = job["result"]["analyses"]
        assert one["verdict"] in {None, "provider"}, "the numbers decide, not the texts"
        assert one["analyst"] == "rules-1" or [model["ending"] for model in one["models"]].count("used") == 1
        assert "<" not in str(one["points"])
        assert "example.com" not in str(one["points"])
    sent = b"".join(request.body for request in fake.requests).decode()
    seen = {"requests": sent, "results": str(ended), "ledger": kept, "logs": caplog.text + "".join(capsys.readouterr())}
    secrets = [str(value) for value in CANARIES.values()]
    assert len(secrets) == 8
    assert [(where, secret) for where, text in seen.items() for secret in secrets if secret in text] == []

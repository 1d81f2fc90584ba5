"""Jobs, dead letters, webhooks, log lines and rejected rows with any text in them, planted behind a running stack."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.jobs.model import ItemNote
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.jobs.redis.events import Feed, FeedKey
from kaboom.jobs.redis.lines import JobLine
from tests.fixtures.bars.stored_bars import MINUTES, at, refused
from tests.fixtures.jobs.apps import jobs_of, real_settings, running
from tests.fixtures.jobs.planted import plant_final, plant_running
from tests.fixtures.servers.stacks import Stack, until
from tests.operations.test_dead_letters import plant_dead

_DAY = date(2025, 11, 4)


def plant(run: Mapping[str, Any], scratch: Path, text: str) -> dict[str, str]:
    """Plant `text` wherever a page shows what others wrote; return the ids of the jobs by their state.

    `run` is the stack's `run.json`; the scratch folder is for files of the planting API.
    """
    # Playwright keeps a loop in this thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_plant(run, scratch, text))).result()


async def _plant(run: Mapping[str, Any], scratch: Path, text: str) -> dict[str, str]:
    settings = real_settings(run["redis_url"], run["database_url"], scratch)
    async with running(settings) as app:
        jobs = {"partial": await _plant_partial(app, text), "failed": await plant_dead(app, text)}
        await _plant_webhook(app, text)
    store = build_bar_store(settings.model_copy(update={"data_dir": Path(run["data_dir"]), "bar_store": "pages"}))
    rows = [(f"{n}", at(_DAY, n - 1301), 1.0, 2.0, 0.5, 1.5, -7.0, "bad_volume") for n in range(1301, 1304)]
    await store.quarantine(MINUTES, refused(*rows, (text, None, 0, 0, 0, 0, 0, text)))
    await store.close()
    return jobs


async def _plant_partial(app: FastAPI, text: str) -> str:
    """A job that still runs, with failures and log lines."""
    job, claim = await plant_running(app, "ok", size=6)
    parts = jobs_of(app).parts
    notes = [ItemNote(item, "provider_error", text) for item in claim.chunk.items[1:4]]
    tally = replace(
        claim.chunk.tally, cursor=4, done=1, failed=3, outcomes={"ok": 1, "provider_error": 3}, notes=tuple(notes)
    )
    await parts.store.beat(claim.lease, tally)
    line = JobLine("2025-11-04T07:00:00Z", "warning", text[:200], {"symbol": text})
    await parts.events.write_lines({FeedKey(job.queue, job.job_id, Feed.LINES): [line.to_json()]})
    return job.job_id


async def _plant_webhook(app: FastAPI, text: str) -> None:
    job = await plant_final(app, "ok")
    outbox = jobs_of(app).parts.history.outbox
    await outbox.register(job.job_id, url=f"https://hooks.example/{text}")
    claimed = await outbox.claim(limit=9, per_host=9, busy=())
    (delivery,) = [each for each in claimed if each.job_id == job.job_id]
    await outbox.save_attempt(delivery, AttemptEnd(DeliveryStatus.DEAD, 410, text))


def wait_for(stack: Stack, path: str) -> dict[str, Any]:
    """Return a job of any queue when it has ended; the first backtest compiles its engine, for a minute or more."""

    def read() -> dict[str, Any]:
        found: dict[str, Any] = stack.api.http.get(path).json()
        return found

    return until(read, lambda job: job["completed_at"] is not None, within_s=120)

"""The results that Celery clients read: written at the end of a job, in whichever process that is noticed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from kaboom.drivers.clock import utc_now
from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.redis.client import Redis, connect_redis
from kaboom.errors import StoreError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper, restore_results
from kaboom.jobs.engine.settle import settle_job
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.celery_results import CeleryResults
from kaboom.telemetry.logs import configure_logging, tap_lines
from tests.fixtures.jobs.job_runs import in_ledger, submit, work_off
from tests.fixtures.jobs.jobs import make_chunk, make_job
from tests.fixtures.servers.valkeys import valkey
from tests.fixtures.workers.handlers import SCRIPT, planning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect_redis(redis_url, client_name="test")
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def own_redis(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Redis]:
    """A server that no other test process uses: it counts commands for all its clients together."""
    with valkey(tmp_path, "own") as server:
        client = connect_redis(server.url, client_name="test")
        await client.ping()
        yield client
        await client.aclose()


@pytest.fixture
def shown(parts: Parts, redis: Redis) -> Parts:
    """Memory parts whose results are in a Redis."""
    return replace(parts, results=CeleryResults(redis))


@pytest.fixture
def unreachable() -> CeleryResults:
    return CeleryResults(connect_redis(f"redis://127.0.0.1:{free_port()}/0", client_name="test"))


async def meta(redis: Redis, job_id: str) -> Any:
    text = await redis.get(keys.celery_result(job_id))
    return orjson.loads(text) if text else None


async def test_a_job_is_started_and_then_has_its_result(shown: Parts, redis: Redis) -> None:
    job = await submit(shown)
    assert await meta(redis, job.job_id) is None
    await work_off(shown)
    kept, found = await in_ledger(shown, job), await meta(redis, job.job_id)
    assert (found["status"], found["result"]["done"]) == ("SUCCESS", kept.done)
    assert found["result"]["result"] == {
        **(kept.plan or {}),
        "rows": kept.rows,
        "outcomes": dict(kept.outcomes),
        "counts": dict(kept.counts),
    }


@pytest.mark.parametrize("chunks", [1, 7])
async def test_the_cost_does_not_grow_with_the_chunks(parts: Parts, own_redis: Redis, chunks: int) -> None:
    shown = replace(parts, results=CeleryResults(own_redis))
    SCRIPT["plan"] = planning([make_chunk(n) for n in range(chunks)])
    await submit(shown)
    await own_redis.config_resetstat()
    await work_off(shown)
    stats = await own_redis.info("commandstats")
    del stats["cmdstat_config|resetstat"]
    assert {name: each["calls"] for name, each in stats.items()} == {
        "cmdstat_set": 2,
        "cmdstat_publish": 1,
        "cmdstat_multi": 1,
        "cmdstat_exec": 1,
    }


async def test_a_late_start_does_not_overwrite_an_end(redis: Redis) -> None:
    results, job = CeleryResults(redis), make_job(status=JobStatus.CANCELLED, completed_at=utc_now())
    await results.write_end(job)
    await results.write_started(job)
    assert (await meta(redis, job.job_id))["status"] == "REVOKED"


async def test_two_that_settle_at_once_write_the_same(shown: Parts, redis: Redis) -> None:
    job = await submit(shown)
    await work_off(shown)
    first = await meta(redis, job.job_id)
    await settle_job(shown, job.queue, job.job_id)
    assert await meta(redis, job.job_id) == first


async def test_an_unreachable_backend_leaves_the_result_to_the_reaper(
    parts: Parts, redis: Redis, unreachable: CeleryResults
) -> None:
    away, back = replace(parts, results=unreachable), replace(parts, results=CeleryResults(redis))
    job = await submit(away)
    await work_off(away)
    assert (await in_ledger(away, job)).status is JobStatus.COMPLETED
    assert await parts.store.unsettled(job.queue) == [job.job_id]
    await Reaper(back).sweep()
    assert (await meta(redis, job.job_id))["status"] == "SUCCESS"
    assert await parts.store.unsettled(job.queue) == []


async def test_cancelling_works_while_the_backend_is_unreachable(parts: Parts, unreachable: CeleryResults) -> None:
    away = replace(parts, results=unreachable)
    job = await submit(away)
    assert (await Jobs(away).cancel(job)).status is JobStatus.CANCELLED


async def test_deleting_fails_while_the_backend_is_unreachable(parts: Parts, unreachable: CeleryResults) -> None:
    job = await submit(parts)
    await work_off(parts)
    away = replace(parts, results=unreachable)
    with pytest.raises(StoreError):
        await Jobs(away).delete(await in_ledger(parts, job))
    assert await in_ledger(parts, job)


async def test_deleting_drops_the_result(shown: Parts, redis: Redis) -> None:
    job = await submit(shown)
    await work_off(shown)
    await Jobs(shown).delete(await in_ledger(shown, job))
    assert await meta(redis, job.job_id) is None


async def test_the_ledger_s_result_is_kept_if_redis_lost_the_end(shown: Parts, redis: Redis) -> None:
    job = await submit(shown)
    await work_off(shown)
    await shown.store.forget(job.queue, job.job_id)
    # As after a failover to a server that had not heard of the end.
    await shown.store.put(replace(job, status=JobStatus.RUNNING), [])
    await redis.delete(keys.celery_result(job.job_id))
    await shown.results.write_started(job)
    await Reaper(shown).sweep()
    assert (await meta(redis, job.job_id))["status"] == "SUCCESS"


async def test_lost_results_are_written_again_once(shown: Parts, redis: Redis) -> None:
    job = await submit(shown)
    await work_off(shown)
    before = await meta(redis, job.job_id)
    await redis.flushdb()
    configure_logging(log_format="json", level="INFO")
    logged = list[tuple[str, int]]()
    end_tap = tap_lines(lambda line: logged.append((line["event"], line.get("count", -1))))
    await restore_results(shown)
    end_tap()
    assert ("celery_results_restored", 1) in logged
    assert await meta(redis, job.job_id) == before
    await redis.delete(keys.celery_result(job.job_id))
    await restore_results(shown)
    assert await meta(redis, job.job_id) is None


async def test_a_rebuild_that_was_cut_off_is_done_by_another(shown: Parts, redis: Redis) -> None:
    assert await shown.results.claim_rebuild()
    assert not await shown.results.claim_rebuild()
    assert 0 < await redis.ttl(keys.RESULTS) <= 60
    await shown.results.end_rebuild()
    assert await redis.ttl(keys.RESULTS) == -1


async def test_expired_results_do_not_come_back(shown: Parts, redis: Redis) -> None:
    ends = {"completed": timedelta(days=2), "failed": timedelta(days=6)}
    jobs = [make_job() for _ in ends]
    for job, (status, age) in zip(jobs, ends.items(), strict=True):
        await shown.history.admit(job, Terms(job.job_id))
        await shown.history.save_final(replace(job, status=JobStatus(status), completed_at=utc_now() - age))
    await restore_results(shown)
    assert [bool(await meta(redis, job.job_id)) for job in jobs] == [False, True]


async def test_all_of_more_ends_than_a_page_are_restored(
    shown: Parts, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("engine.reaper", "postgres.memory"):
        monkeypatch.setattr(f"kaboom.jobs.{module}.ENDED_PAGE", 2)
    jobs = [make_job() for _ in range(5)]
    for age, job in enumerate(jobs):
        await shown.history.admit(job, Terms(job.job_id))
        at = utc_now() - timedelta(minutes=age)
        await shown.history.save_final(replace(job, status=JobStatus.COMPLETED, completed_at=at))
    async with asyncio.timeout(10):
        await restore_results(shown)
    assert all([await meta(redis, job.job_id) for job in jobs])

"""The pruner works off a backlog, rests when there is nothing, and forgets in Redis what the ledger has dropped."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from kaboom.analysis.models.spending import Question
from kaboom.analysis.models.terms import Budget
from kaboom.analysis.spending import MemorySpending, open_spending
from kaboom.drivers.clock import utc_now
from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.model import JobStatus
from kaboom.operations.pruner import Pruner
from kaboom.settings import load_settings
from tests.fixtures.jobs.job_runs import submit

pytestmark = pytest.mark.anyio


async def old_job(parts: Parts, *, days: int) -> str:
    """Submit a job and have it end so long ago; Redis still knows it."""
    job = await submit(parts)
    at = datetime.now(UTC) - timedelta(days=days)
    await parts.history.save_final(replace(job, status=JobStatus.COMPLETED, completed_at=at))
    return job.job_id


def pruner_of(parts: Parts, *, days: int = 400) -> Pruner:
    """Return a pruner of the parts that keeps jobs for so many days."""
    return Pruner(parts.catalog.queues, parts.store, parts.history, parts.database, days=days)


async def test_an_old_job_is_dropped_from_the_ledger_and_from_redis(parts: Parts) -> None:
    job_id = await old_job(parts, days=401)
    await pruner_of(parts).step()
    assert await parts.history.load("ingest", job_id) is None
    assert await parts.store.load("ingest", [job_id]) == [None]


async def test_old_calls_of_models_are_dropped(parts: Parts) -> None:
    asked = Question("key", "job", "a/b", "technical-1", 100, 60.0, date(2020, 1, 1))
    spending = parts.database.open(open_spending)
    assert isinstance(spending, MemorySpending)
    spending._clock = lambda: datetime.now(UTC) - timedelta(days=401)
    await spending.reserve(asked, Budget(10**9, 10**9))
    spending._clock = utc_now
    await pruner_of(parts).step()
    assert await spending.spent("job:job") == await spending.spent("day:2020-01-01") == 0


async def test_after_an_empty_step_nothing_is_looked_for_soon(parts: Parts) -> None:
    pruner = pruner_of(parts)
    await pruner.step()
    job_id = await old_job(parts, days=401)
    await pruner.step()
    assert await parts.history.load("ingest", job_id) is not None
    await pruner_of(parts).step()
    assert await parts.history.load("ingest", job_id) is None


async def test_a_backlog_is_worked_off_step_by_step(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaboom.jobs.postgres.memory.PRUNE_STEP", 2)
    jobs = [await old_job(parts, days=401) for _ in range(5)]
    pruner = pruner_of(parts)
    left = []
    for _ in range(3):
        await pruner.step()
        left.append(sum([await parts.history.load("ingest", job_id) is not None for job_id in jobs]))
    assert left == [3, 1, 0]


async def test_zero_keeps_jobs_forever(parts: Parts) -> None:
    job_id = await old_job(parts, days=4000)
    await pruner_of(parts, days=0).step()
    assert await parts.history.load("ingest", job_id) is not None


async def test_the_reaper_prunes(parts: Parts) -> None:
    job_id = await old_job(parts, days=401)
    await Reaper(parts, prune=pruner_of(parts).step).sweep()
    assert await parts.history.load("ingest", job_id) is None


@pytest.mark.parametrize("days", ["-1", "1", "29", "36501"])
def test_a_retention_that_alerts_would_miss_is_refused(days: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_JOB_RETENTION_DAYS", days)
    with pytest.raises(ConfigurationError, match="KABOOM_JOB_RETENTION_DAYS"):
        load_settings()

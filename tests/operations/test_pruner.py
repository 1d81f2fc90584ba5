"""The pruner works off a backlog, rests when there is nothing, and forgets in Redis what the ledger has dropped."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from kaboom.accounts.store import open_accounts
from kaboom.analysis.models.spending import Question
from kaboom.analysis.models.terms import Budget
from kaboom.analysis.spending import MemorySpending, open_spending
from kaboom.audit.log import AUDIT_KEPT_DAYS, AuditQuery, MemoryAuditLog
from kaboom.audit.store import open_audit_log
from kaboom.drivers.clock import utc_now
from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.model import JobStatus
from kaboom.operations.pruner import Pruner
from kaboom.schedules.store import open_schedules
from kaboom.settings import load_settings
from tests.fixtures.accounts.records import make_line, make_session
from tests.fixtures.jobs.job_runs import submit
from tests.fixtures.jobs.schedules import firing_turn, make_schedule, never_ended

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


async def test_old_firings_of_schedules_are_dropped(parts: Parts) -> None:
    schedules = parts.database.open(open_schedules)
    due_at = datetime.now(UTC) - timedelta(days=401)
    schedule = await schedules.add(make_schedule())
    await schedules.change(schedule.owner, schedule.schedule_id, lambda kept, _: replace(kept, next_at=due_at))
    await schedules.fire_due(firing_turn(), has_ended=never_ended)
    assert len(await schedules.list_firings(schedule.schedule_id, limit=9)) == 1
    await pruner_of(parts).step()
    assert await schedules.list_firings(schedule.schedule_id, limit=9) == []


async def test_ended_sessions_and_old_audit_lines_are_dropped_even_if_jobs_are_kept(parts: Parts) -> None:
    accounts, audit = parts.database.open(open_accounts), parts.database.open(open_audit_log)
    over = make_session("o", left=timedelta(seconds=-1))
    await accounts.add_session(over)
    assert isinstance(audit, MemoryAuditLog)
    audit._clock = lambda: datetime.now(UTC) - timedelta(days=AUDIT_KEPT_DAYS + 1)
    await audit.append([make_line("o")])
    audit._clock = utc_now
    await pruner_of(parts, days=0).step()
    assert await accounts.load_session(over.session_id) is None
    assert await audit.list_lines(AuditQuery("o")) == []


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

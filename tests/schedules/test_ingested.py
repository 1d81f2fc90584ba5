"""Which sessions a ledger calls ingested: PostgreSQL and its memory twin agree on every job."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import JobHistory, Terms
from kaboom.schedules.overdue import Series, find_ingested
from tests.fixtures.jobs.jobs import make_job

pytestmark = pytest.mark.anyio

SESSION = date(2025, 11, 4)
PLAN = {"session": SESSION.isoformat(), "is_final": True}


def planned_of(symbols: int) -> dict[str, Any]:
    """Return the plan of a market of so many symbols."""
    return PLAN | {"universe": {"symbols": symbols}}


REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME"}
WHOLE = {("TSE_PRIME", "1m"): {SESSION}}


async def ended(
    ledger: JobHistory,
    *,
    plan: dict[str, Any] | None = PLAN,
    status: JobStatus = JobStatus.COMPLETED,
    done: int = 10,
    **job: Any,
) -> None:
    """Have a job of ten symbols end an hour ago."""
    kept = (await ledger.admit(make_job(**({"request": REQUEST} | job)), Terms("test"))).job
    if plan is not None:
        await ledger.save_plan(kept.job_id, plan, [])
    at = datetime.now(UTC) - timedelta(hours=1)
    await ledger.save_final(replace(kept, status=status, plan=plan, completed_at=at, total=10, done=done))


async def ingested(ledger: JobHistory, *, hours: float = 2) -> Mapping[Series, set[date]]:
    since = datetime.now(UTC) - timedelta(hours=hours)
    return find_ingested(await ledger.ended("ingest", ("ingest.run_daily", "ingest.backfill"), since=since))


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"status": JobStatus.PARTIAL, "done": 9},
        {"request": {**REQUEST, "session": "2025-11-04", "only": {"1m": ["7203"]}}, "parent_id": "a" * 32},
        {"owner": "somebody else"},
        {"task": "ingest.backfill"},
        {
            "task": "ingest.backfill",
            "status": JobStatus.PARTIAL,
            "done": 8,
            "plan": planned_of(21),
        },
    ],
    ids=["completed", "nine of ten", "the rest of one", "of any owner", "backfill", "nine of ten of the market"],
)
async def test_a_session_counts(ledger: JobHistory, job: dict[str, Any]) -> None:
    await ended(ledger, **job)
    assert await ingested(ledger) == WHOLE


@pytest.mark.parametrize(
    "job",
    [
        {"status": JobStatus.PARTIAL, "done": 8},
        {"status": JobStatus.FAILED},
        {"status": JobStatus.CANCELLED},
        {"plan": PLAN | {"is_final": False}},
        {"plan": {"session": "2025-11-04"}},
        {"plan": None},
        {"request": REQUEST | {"symbols": ["7203"]}},
        {"task": "ingest.backfill", "status": JobStatus.PARTIAL, "done": 9, "plan": planned_of(9)},
        {"task": "ingest.backfill", "status": JobStatus.PARTIAL, "done": 9},
        {"task": "ingest.backfill", "request": REQUEST | {"symbols": ["7203"]}},
        {"task": "ingest.backfill", "request": REQUEST | {"dry_run": True}},
        {"request": REQUEST | {"dry_run": True}},
        {"task": "ingest.refresh_quotes"},
        {"queue": "market_data"},
        {"request": {"market": "TSE_PRIME"}},
        {"request": REQUEST | {"market": "FILE"}},
    ],
    ids=[
        "eight of ten",
        "failed",
        "cancelled",
        "before the close",
        "of an older Kaboom",
        "no plan",
        "some symbols",
        "backfill of less than nine of ten of the market",
        "backfill of a market of unknown size",
        "backfill of some symbols",
        "backfill that was a dry run",
        "dry run",
        "quotes",
        "queue",
        "nothing asked",
        "files, which have no calendar",
    ],
)  # fmt: skip
async def test_a_session_does_not_count(ledger: JobHistory, job: dict[str, Any]) -> None:
    await ended(ledger, **job)
    assert await ingested(ledger) == {}


async def test_each_interval_and_market_counts_once(ledger: JobHistory) -> None:
    for _ in range(2):
        await ended(ledger, request={"intervals": {"1m": 1, "1d": 5}, "market": "TSE_GROWTH"})
    await ended(ledger, plan={"session": "2025-11-05", "is_final": True})
    assert await ingested(ledger) == {
        ("TSE_GROWTH", "1m"): {SESSION},
        ("TSE_GROWTH", "1d"): {SESSION},
        ("TSE_PRIME", "1m"): {date(2025, 11, 5)},
    }


async def test_what_ended_before_does_not_count_nor_what_runs(ledger: JobHistory) -> None:
    await ended(ledger)
    assert await ingested(ledger, hours=0.5) == {}
    running = (await ledger.admit(make_job(request=REQUEST), Terms("test"))).job
    await ledger.save_plan(running.job_id, PLAN, [])
    assert await ingested(ledger, hours=0.5) == {}

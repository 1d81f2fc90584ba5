"""Jobs over time: the grid of the daily ingest by session, and the trend of each kind of job."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.job_rows import JobRow
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.api.view import view_job
from kaboom.jobs.model import JobStatus
from kaboom.jobs.page.history import list_columns, list_trends
from tests.fixtures.jobs.browsers import tags_of, text_of
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.jobs.planted import plant_example

pytestmark = pytest.mark.anyio
AT = datetime(2025, 11, 4, 7, tzinfo=UTC)


def row(session: str, seconds: float, status: JobStatus = JobStatus.COMPLETED, *, total: int = 10) -> JobRow:
    """Return a daily ingest of one session that has ended."""
    plan = {"sessions": {"1m": {"count": 1, "first": session, "last": session}}, "provider": "synthetic"}
    ended = AT + timedelta(seconds=seconds)
    return JobRow(
        view_job(
            make_job(plan=plan, status=status, total=total, done=total, started_at=AT, completed_at=ended), workers=()
        )
    )


def test_a_session_has_the_outcome_of_its_newest_job() -> None:
    columns = list_columns(
        [
            row("2025-11-05", 30),
            row("2025-11-04", 60, JobStatus.PARTIAL),
            row("2025-11-04", 90, JobStatus.FAILED),
        ]
    )
    assert [(each.session, each.area, len(each.rows)) for each in columns] == [
        ("2025-11-04", "f-warn", 2),
        ("2025-11-05", "f-ok", 1),
    ]
    assert [each.height for each in columns] == [100, 50]


def test_a_dry_run_is_no_run_of_its_session() -> None:
    dry = [row("2025-11-05", 30, total=0)]
    assert list_columns(dry) == []
    assert list_trends(dry) == []


def test_a_kind_of_job_compares_its_newer_half_with_the_older() -> None:
    rows = [row("2025-11-05", 10), row("2025-11-04", 20), row("2025-11-03", 60, JobStatus.FAILED)]
    (trend,) = list_trends([*rows, row("2025-11-02", 500, JobStatus.CANCELLED)])
    assert (trend.ended, trend.well, trend.now_s, trend.before_s) == (3, 2, 15, 60)


async def test_the_page_leads_to_the_job_of_each_session(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    assert "No daily ingest has run yet." in text_of((await browser.get("/jobs/history")).text)
    job = await plant_example(app, RUN_DAILY)
    html = (await browser.get("/jobs/history")).text
    links = [tag["href"] for name, tag in tags_of(html) if name == "a" and "href" in tag]
    assert links.count(f"/jobs/ingest/{job.job_id}") == 2
    assert "Daily ingest 1 0.0%" in text_of(html)

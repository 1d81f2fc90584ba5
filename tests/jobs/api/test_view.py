"""What callers see of a job: its progress, how long it will take, and whether it gets on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.ingest.request import IngestRequest
from kaboom.jobs.api.view import JobView, conceal, judge_health, view_job
from kaboom.jobs.model import JobStatus
from kaboom.jobs.redis.store import LEASE_S
from kaboom.jobs.redis.workers import Worker
from tests.fixtures.jobs.jobs import make_job

NOW = datetime.now(UTC)
WORKERS = [Worker("w1", NOW, 4)]
OPEN = [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.CANCELLING]


def seen(**values: object) -> JobView:
    return view_job(make_job(**values), workers=WORKERS)


class TestHealth:
    @pytest.mark.parametrize("status", [s for s in JobStatus if s.is_final])
    def test_a_final_job_is_well_whatever_became_of_its_worker(self, status: JobStatus) -> None:
        job = make_job(status=status, updated_at=NOW - timedelta(days=1))
        assert judge_health(job, []) == "ok"

    @pytest.mark.parametrize("status", OPEN)
    def test_a_job_that_redis_lost_recovers(self, status: JobStatus) -> None:
        assert judge_health(make_job(status=status), WORKERS) == "recovering"

    @pytest.mark.parametrize("status", OPEN)
    def test_without_a_worker_a_job_waits(self, status: JobStatus) -> None:
        assert judge_health(make_job(status=status, updated_at=NOW, version=1), []) == "waiting"

    @pytest.mark.parametrize(("silent_s", "health"), [(2 * LEASE_S - 2, "ok"), (2 * LEASE_S + 2, "stalled")])
    def test_a_job_without_news_for_two_leases_is_stalled(self, silent_s: float, health: str) -> None:
        job = make_job(status=JobStatus.RUNNING, version=2, updated_at=NOW - timedelta(seconds=silent_s))
        assert judge_health(job, WORKERS) == health

    def test_a_paused_job_is_stalled_only_much_later(self) -> None:
        long_ago, reason = NOW - timedelta(seconds=200), "blocked"
        values: dict[str, object] = {"status": JobStatus.RUNNING, "version": 2, "updated_at": long_ago}
        for left_s, health in ((100, "paused"), (-2, "ok"), (-2 * LEASE_S - 2, "stalled")):
            until = NOW + timedelta(seconds=left_s)
            assert judge_health(make_job(**values, paused_until=until, pause_reason=reason), WORKERS) == health

    def test_a_queued_job_is_not_stalled_however_long_the_queue(self) -> None:
        job = make_job(status=JobStatus.QUEUED, version=1, updated_at=NOW - timedelta(hours=1))
        assert judge_health(job, WORKERS) == "ok"


class TestProgress:
    def test_a_job_without_a_plan_is_at_nothing(self) -> None:
        progress = seen().progress
        assert (progress.percent, progress.eta_s, progress.rate) == (0.0, None, None)

    def test_cancelled_items_are_settled_too(self) -> None:
        progress = seen(status=JobStatus.CANCELLED, total=8, done=3, failed=1, cancelled=4).progress
        assert (progress.percent, progress.done, progress.failed, progress.cancelled) == (100.0, 3, 1, 4)

    def test_percent_has_one_decimal(self) -> None:
        assert seen(status=JobStatus.RUNNING, total=3, done=1).progress.percent == 33.3

    def test_a_final_job_of_nothing_is_whole(self) -> None:
        assert seen(status=JobStatus.COMPLETED).progress.percent == 100.0

    def test_the_rate_of_a_final_job_is_its_mean(self) -> None:
        times = {"started_at": NOW - timedelta(seconds=4), "completed_at": NOW}
        assert seen(status=JobStatus.COMPLETED, total=10, done=10, rate=99.0, **times).progress.rate == 2.5
        assert seen(status=JobStatus.COMPLETED, total=9, done=9, **times).progress.rate == 2.2
        stopped = {"status": JobStatus.CANCELLED, "total": 10, "done": 3, "failed": 1, "cancelled": 6}
        assert seen(**stopped, **times).progress.rate == 1.0
        assert seen(status=JobStatus.RUNNING, total=10, done=5, rate=99.04).progress.rate == 99.0


class TestEta:
    def test_what_is_left_over_the_rate(self) -> None:
        assert seen(status=JobStatus.RUNNING, total=100, done=30, failed=10, rate=20.0).progress.eta_s == 3.0

    def test_a_pause_comes_on_top_and_is_reported_while_it_lasts(self) -> None:
        values: dict[str, object] = {"status": JobStatus.RUNNING, "total": 100, "done": 40, "rate": 20.0}
        until = NOW + timedelta(seconds=50)
        progress = seen(**values, paused_until=until, pause_reason="blocked").progress
        assert (progress.eta_s, progress.paused_until, progress.pause_reason) == (53.0, until, "blocked")
        over = seen(**values, paused_until=NOW - timedelta(seconds=1), pause_reason="blocked").progress
        assert (over.eta_s, over.paused_until, over.pause_reason) == (3.0, None, None)
        final = values | {"status": JobStatus.PARTIAL, "paused_until": until, "pause_reason": "blocked"}
        assert seen(**final).progress.paused_until is None

    @pytest.mark.parametrize(
        "values",
        [
            {"total": 100, "done": 4, "rate": 20.0},
            {"total": 100, "done": 50, "rate": None},
            {"total": 100, "done": 50, "rate": 0.0},
            {"total": 100, "done": 100, "rate": 20.0, "status": JobStatus.COMPLETED},
        ],
    )
    def test_none_while_too_little_is_known_or_nothing_is_left(self, values: dict[str, object]) -> None:
        assert seen(**({"status": JobStatus.RUNNING} | values)).progress.eta_s is None


class TestView:
    def test_links_name_the_job(self) -> None:
        view = seen()
        here = f"/api/v1/ingest/jobs/{view.job_id}"
        assert view.links["self"] == here
        assert view.links["cancel"] == f"{here}/cancel"

    def test_the_request_s_words_come_up(self) -> None:
        view = seen()
        assert (view.market, view.intervals, view.result, view.error) == ("TSE_PRIME", {"1m": 1}, None, None)

    def test_the_result_is_the_plan_and_what_came_of_it(self) -> None:
        view = seen(plan={"session": "2025-11-04"}, rows=7, outcomes={"ok": 1}, counts={"quarantined": 2})
        expected = {"session": "2025-11-04", "rows": 7, "outcomes": {"ok": 1}, "counts": {"quarantined": 2}}
        assert view.result == expected


def test_a_request_of_all_days_shows_the_days_of_its_plan() -> None:
    request = IngestRequest.parse({"all_days": True, "provider": "file", "market": "FILE"}).to_json()
    span = {"first": "2024-01-04", "last": "2024-01-05", "count": 2}
    assert seen(request=request, plan={"sessions": {"1d": span}}).intervals == {"1d": 2}
    # A plan of another queue may have sessions of another shape.
    assert seen(queue="market_data", request={}, plan={"sessions": span}).intervals is None


def test_a_concealed_job_keeps_only_its_state_its_times_and_its_progress() -> None:
    asked = {"request": {"symbols": ["7203"]}, "plan": {"session": "2025-11-04"}, "result": {"rows": 1}}
    came = {"outcomes": {"ok": 1, "7203": 1}, "counts": {"flag_stale": 1}}
    job = make_job(status=JobStatus.PARTIAL, total=2, done=1, failed=1, **asked, **came)
    seen = conceal(replace(job, error={"type": "items_failed", "message": "7203 failed"}))
    assert (seen.request, seen.plan, seen.result, seen.outcomes, seen.counts) == ({}, None, None, {}, {})
    assert seen.error == {"type": "items_failed", "message": ""}
    assert (seen.status, seen.total, seen.done, seen.failed) == (JobStatus.PARTIAL, 2, 1, 1)
    assert conceal(job).error is None

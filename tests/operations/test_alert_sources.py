"""Each alert word for word: its severity, its text, its command, its link and since when."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kaboom.drivers.clock import utc_now
from kaboom.drivers.disk import Room
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.operations import alerts
from kaboom.operations.alerts import Alert, Kind, Severity
from kaboom.schedules.store import open_schedules
from tests.fixtures.jobs.apps import memory_settings
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.jobs.schedules import make_schedule

pytestmark = pytest.mark.anyio
NOW = datetime(2025, 11, 5, 8, tzinfo=UTC)
OLD, PAGE, WARNING = NOW - timedelta(hours=2), Severity.PAGE, Severity.WARNING
WORKERS = "/api/v1/workers"
LOST = "stopped in the last 15 minutes without being asked to; their chunks run elsewhere"


def returning(value: Any) -> Callable[..., Awaitable[Any]]:
    async def answer(*_: object, **__: object) -> Any:
        return value

    return answer


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Parts in memory that are all well."""
    return memory_parts(memory_settings(tmp_path))


async def test_a_part_that_takes_no_write() -> None:
    states = {
        "redis": SimpleNamespace(is_ok=False, detail="refused"),
        "database": SimpleNamespace(is_ok=True, detail=""),
        "bars": SimpleNamespace(is_ok=False, detail="read-only"),
    }
    away: Any = SimpleNamespace(get=returning(SimpleNamespace(parts=states)))
    assert await alerts.find_stores(away) == [
        Alert(Kind.STORE_AWAY, PAGE, "refused", "kaboom doctor", "/readyz", "redis"),
        Alert(Kind.STORE_AWAY, WARNING, "read-only", "kaboom doctor", "/readyz", "bars"),
    ]


async def test_a_nearly_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*rooms: Room) -> None:
        left = list(rooms)
        monkeypatch.setattr(alerts, "measure_room", lambda _folder: left.pop(0))

    folders = {"data folder": Path("data"), "bars": Path("bars")}
    full, fine = Room(0, 10**9, 1), Room(None, None, 2)
    fill(full, replace(full))
    assert await alerts.find_disks(folders) == [
        Alert(Kind.DISK_FULL, PAGE, full.fault, "kaboom doctor", "/readyz", "data folder")
    ]
    fill(fine, full)
    assert [alert.about for alert in await alerts.find_disks(folders)] == ["bars"]
    fill(fine, fine)
    assert await alerts.find_disks(folders) == []


async def test_a_redis_that_fills_up_is_one_alert_a_server(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(run_id: str, used: int | None, most: int | None) -> Any:
        return SimpleNamespace(run_id=run_id, memory_used=used, memory_max=most)

    jobs = {"redis": load("a", 70, 100), "replica": load("b", 69, 100)}
    broker = {"broker": load("a", 70, 100), "other": load("c", 95, 100), "endless": load("d", 95, None)}
    monkeypatch.setattr(parts.store, "measure_servers", returning(jobs), raising=False)
    monkeypatch.setattr(parts.dispatcher, "measure_servers", returning(broker), raising=False)
    text = "% of its memory is used; at 100 % Redis refuses writes"
    assert await alerts.find_full_redis(parts.store, parts.dispatcher) == [
        Alert(Kind.REDIS_MEMORY_HIGH, PAGE, f"70 {text}", "kaboom doctor", "/readyz", "redis"),
        Alert(Kind.REDIS_MEMORY_HIGH, PAGE, f"95 {text}", "kaboom doctor", "/readyz", "other"),
    ]


@pytest.mark.parametrize(
    ("online", "lost", "waiting", "found"),
    [
        (1, 0, 9, []),
        (0, 0, 0, [Alert(Kind.NO_WORKER, WARNING, "no worker is online; nothing waits", "kaboom worker", WORKERS)]),
        (
            0, 1, 250,
            [
                Alert(
                    Kind.NO_WORKER, PAGE, "no worker is online, and 1,250 messages wait", "kaboom worker", WORKERS,
                    since=NOW,
                ),
                Alert(Kind.WORKERS_LOST, WARNING, f"1 {LOST}", "kaboom workers", WORKERS, since=NOW),
            ],
        ),
        (1, 3, 0, [Alert(Kind.WORKERS_LOST, WARNING, f"3 {LOST}", "kaboom workers", WORKERS, since=NOW)]),
        (1, 4, 0, [Alert(Kind.WORKERS_LOST, PAGE, f"4 {LOST}", "kaboom workers", WORKERS, since=NOW)]),
    ],
)  # fmt: skip
async def test_workers_that_are_missing(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, online: int, lost: int, waiting: int, found: list[Alert]
) -> None:
    seen = [SimpleNamespace(seen_at=NOW - timedelta(minutes=n)) for n in reversed(range(lost))]
    monkeypatch.setattr(parts.store, "workers", returning([object()] * online))
    monkeypatch.setattr(parts.store, "list_lost", returning(seen))
    monkeypatch.setattr(parts.dispatcher, "depth", returning(waiting))
    assert await alerts.find_workers(parts.store, parts.dispatcher, parts.catalog.queues) == found


@pytest.mark.parametrize(("waited_s", "minutes"), [(None, None), (600.0, None), (660.0, 11)])
async def test_a_job_that_waits(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, waited_s: float | None, minutes: int | None
) -> None:
    async def stats(queue: str) -> Any:
        return SimpleNamespace(oldest_queued_s=waited_s if queue == "backtest" else None)

    monkeypatch.setattr(parts.history, "stats", stats)
    link, command = "/api/v1/jobs?status=queued&queue=backtest", "kaboom jobs list --all --status queued"
    since = NOW - timedelta(seconds=waited_s or 0)
    text = f"a job has waited for {minutes} min"
    expected = [Alert(Kind.QUEUE_OLD, PAGE, text, command, link, "backtest", since)] if minutes else []
    assert await alerts.find_old_queues(parts.history, parts.catalog.queues, NOW) == expected


async def test_an_ingest_that_is_overdue() -> None:
    readings = [
        SimpleNamespace(value=value, labels=("TSE_GROWTH", interval))
        for interval, value in (("1d", 9_000.0), ("1m", 0))
    ]
    assert await alerts.find_missed_ingests(returning(readings), NOW) == [
        Alert(
            Kind.INGEST_MISSED,
            PAGE,
            "the newest session is not complete, 2.5 h after it was due",
            "kaboom ingest backfill --market TSE_GROWTH --interval 1d",
            "/api/v1/coverage/sessions?market=TSE_GROWTH&interval=1d",
            "TSE_GROWTH 1d",
            NOW - timedelta(hours=2.5),
        )
    ]


@pytest.mark.parametrize(
    ("late_s", "is_enabled", "is_late"),
    [(300, True, False), (301, True, True), (7_200, True, True), (7_200, False, False)],
)
async def test_a_schedule_that_is_overdue(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, late_s: int, *, is_enabled: bool, is_late: bool
) -> None:
    due = NOW - timedelta(seconds=late_s)
    made = replace(make_schedule("close"), next_at=due, is_enabled=is_enabled)
    never = replace(make_schedule("never"), next_at=None)
    schedules = parts.database.open(open_schedules)
    monkeypatch.setattr(schedules, "list_schedules", returning([never, made]))
    text = f"it is {late_s / 60:.0f} min overdue: no worker fires it"
    link = f"/api/v1/schedules/{made.schedule_id}"
    expected = [Alert(Kind.SCHEDULE_OVERDUE, PAGE, text, "kaboom worker", link, "close", due)] if is_late else []
    assert await alerts.find_overdue_schedules(schedules, "ingest", NOW) == expected


@pytest.mark.parametrize(
    ("jobs", "counts", "command"),
    [
        (["a"], "1, jobs: 1", "kaboom jobs retry a"),
        (["a", "a"], "2, jobs: 1", "kaboom jobs retry a"),
        (["a", "b"], "2, jobs: 2", "kaboom jobs dead"),
        (["a"] * 100, "100 or more, jobs: 1", "kaboom jobs retry a"),
    ],
)
async def test_chunks_that_were_given_up(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, jobs: list[str], counts: str, command: str
) -> None:
    letters = [SimpleNamespace(job_id=job, given_up_at=NOW - timedelta(minutes=n)) for n, job in enumerate(jobs)]
    queries: list[Any] = []

    async def dead_letters(query: Any) -> Any:
        queries.append(query)
        return letters

    monkeypatch.setattr(parts.history, "dead_letters", dead_letters)
    text = f"chunks in the last 24 h: {counts}; symbols are missing until the jobs are retried"
    since = NOW - timedelta(minutes=len(jobs) - 1)
    link = "/api/v1/dead-letters?is_retried=false"
    found = await alerts.find_dead_letters(parts.history, parts.catalog.queues, "ingest", NOW)
    assert found == [Alert(Kind.DEAD_LETTERS, PAGE, text, command, link, since=since)]
    (query,) = queries
    assert (query.owner, query.since, query.is_retried, query.limit) == ("ingest", NOW - timedelta(days=1), False, 100)


@pytest.mark.parametrize(
    ("statuses", "counts", "link", "command"),
    [
        (["failed"], "1 failed, 0 failed in part", "/api/v1/ingest/jobs/{}", "kaboom jobs show {}"),
        (
            ["failed", "partial", "partial"], "1 failed, 2 failed in part", "/api/v1/jobs?status=failed&status=partial",
            "kaboom jobs list --all --status failed --status partial",
        ),
    ],
)  # fmt: skip
async def test_jobs_that_failed(parts: Parts, statuses: list[str], counts: str, link: str, command: str) -> None:
    made = list[Job]()
    for status in ("completed", *statuses, "failed"):
        job = (await parts.history.admit(make_job(), Terms("test"))).job
        made.append(replace(job, status=JobStatus(status), completed_at=NOW + timedelta(minutes=len(made))))
        await parts.history.save_final(made[-1])
    # The last one was retried.
    await parts.history.admit(make_job(parent_id=made[-1].job_id, attempt=2), Terms("test"))
    first = made[1]
    found = await alerts.find_failed_jobs(parts.history, first.owner, utc_now())
    text = f"requested in the last 24 h and not retried: {counts}"
    named = (command.format(first.job_id), link.format(first.job_id))
    assert found == [Alert(Kind.JOBS_FAILED, WARNING, text, *named, since=first.completed_at)]
    assert await alerts.find_failed_jobs(parts.history, first.owner, utc_now() + timedelta(days=2)) == []


async def test_a_provider_that_is_paused() -> None:
    pause = SimpleNamespace(provider="jquants", seconds=59.6, reason="429")
    assert await alerts.find_paused_providers(returning([pause])) == [
        Alert(
            Kind.PROVIDER_PAUSED, WARNING, "it is asked nothing for another 60 s: 429",
            "kaboom jobs list --all --status running", "/api/v1/jobs?status=running", "jquants",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "as_of", "age"),
    [("synthetic", "2024-03-29", None), ("file", "2025-09-21", None), ("file", "2025-09-20", 46)],
)
async def test_a_list_that_is_old(monkeypatch: pytest.MonkeyPatch, provider: str, as_of: str, age: int | None) -> None:
    monkeypatch.setattr(alerts, "find_newest_date", lambda _: date.fromisoformat(as_of))
    found = await alerts.find_old_list(provider, Path("symbols"), NOW)
    text = f"the newest list is of {as_of}, {age} days ago: symbols listed later are missing"
    link, command = "/api/v1/universe?market=TSE_PRIME", "kaboom symbols import data_j.xls"
    # 45 days after 00:00 in Japan of its day.
    since = datetime(2025, 11, 3, 15, tzinfo=UTC)
    assert found == ([Alert(Kind.SYMBOL_LIST_OLD, WARNING, text, command, link, since=since)] if age else [])

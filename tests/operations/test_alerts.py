"""Each kind of alert appears when it must, in the reader's language, with a command that exists."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from kaboom.drivers.disk import Room
from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.redis.client import Redis
from kaboom.jobs.engine.health_checks import KeptAnswers
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.records import dump_json
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.market.lists.snapshot import find_newest_date
from kaboom.notify.model import MANY_FAILURES
from kaboom.notify.store import open_notifications
from kaboom.operations import alerts
from kaboom.operations.alerts import (
    DEAD_FOR_H,
    FULL_REDIS,
    MANY_LOST,
    MOST_LIST_AGE_DAYS,
    OLD_QUEUE_S,
    RULES,
    Kind,
    Severity,
)
from kaboom.operations.routes import RecentOverviews
from kaboom.providers.limiter.pauses import state
from kaboom.schedules.store import open_schedules
from kaboom.telemetry.metrics import INGEST_OVERDUE_SECONDS, Reading
from kaboom.text.catalogue import pair_of
from kaboom.text.tables import TITLES
from kaboom.web.services import services_of
from tests.alerts.rules import load_rules
from tests.fixtures.jobs.apps import (
    OTHER_OWNER,
    OTHER_TOKEN,
    client_of,
    jobs_of,
    memory_settings,
    real_settings,
    running,
)
from tests.fixtures.jobs.job_steps import until
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.jobs.planted import plant_queued
from tests.fixtures.jobs.schedules import make_schedule
from tests.fixtures.notifications.rules import make_channel
from tests.fixtures.repo.command_lines import refuse
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.valkeys import valkey
from tests.jobs.api.test_all_jobs import plant
from tests.operations.test_dead_letters import plant_dead
from tests.text.texts import JAPANESE

pytestmark = pytest.mark.anyio
ALERTS = "/api/v1/alerts"


async def look(http: httpx2.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await http.get(ALERTS, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def find(http: httpx2.AsyncClient, kind: Kind) -> list[dict[str, Any]]:
    found = await look(http)
    assert kind not in found["unknown"]
    return [alert for alert in found["items"] if alert["kind"] == kind]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look anew each time."""
    monkeypatch.setattr("kaboom.operations.routes._ALERTS_KEPT_S", 0.0)


async def execute(database_url: str, statement: LiteralString, parameters: tuple[int, ...] = ()) -> None:
    """Change the ledger beside the app; in a thread, since a lock of the app would wait for this loop."""

    def run() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(statement, parameters)

    await asyncio.to_thread(run)


def redis_of(parts: Parts) -> Redis:
    assert isinstance(parts.store, RedisJobStore)
    return parts.store._redis


@pytest.fixture
def parts(real_app: FastAPI) -> Parts:
    """The parts of the real app."""
    return jobs_of(real_app).parts


async def test_no_alerts_while_workers_work(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "find_newest_date", lambda _dir: datetime.now(UTC).date())
    monkeypatch.setattr(alerts, "measure_room", lambda _folder: Room(10**12, None, 1))
    await until(lambda: find(http, Kind.NO_WORKER), lambda alerts: not alerts)
    found = await look(http)
    assert (found["items"], found["unknown"], found["verdict"]) == ([], [], "ok")


async def test_without_workers_waiting_work_is_a_page(
    real_app: FastAPI, real_http: httpx2.AsyncClient, parts: Parts
) -> None:
    (idle,) = await find(real_http, Kind.NO_WORKER)
    assert (idle["severity"], idle["command"]) == ("warning", "kaboom worker")
    await plant(real_app, "im")
    (busy,) = await find(real_http, Kind.NO_WORKER)
    assert (busy["severity"], "2 messages" in busy["detail"]) == ("page", True)
    await parts.store.report_worker("w1", 4)
    assert await find(real_http, Kind.NO_WORKER) == []


async def test_severe_alerts_come_first_and_a_full_disk_before_its_consequences(
    real_app: FastAPI, real_http: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(real_app, "im")
    for number in range(2):
        await parts.store.report_worker(f"w{number}", 4)
        await redis_of(parts).zincrby(keys.WORKERS, -60, dump_json([f"w{number}", 4, None]))
    monkeypatch.setattr(alerts, "measure_room", lambda _folder: Room(100 * 2**20, None, 1))
    kinds = [alert["kind"] for alert in (await look(real_http))["items"]]
    # Nobody knows since when the disk is full; two lost workers are a warning, though older than nothing.
    assert [kind for kind in kinds if kind in {"disk_full", "no_worker", "workers_lost"}] == [
        "disk_full",
        "no_worker",
        "workers_lost",
    ]
    severities = [alert["severity"] for alert in (await look(real_http))["items"]]
    assert severities == sorted(severities)
    monkeypatch.setattr(alerts, "measure_room", lambda _folder: Room(2**30, None, 1))
    kinds = [alert["kind"] for alert in (await look(real_http))["items"]]
    assert kinds.index("no_worker") < kinds.index("disk_full")


@pytest.mark.parametrize(("lost", "severity"), [(1, "warning"), (MANY_LOST, "warning"), (MANY_LOST + 1, "page")])
async def test_lost_workers_are_a_warning_and_many_a_page(
    real_http: httpx2.AsyncClient, parts: Parts, lost: int, severity: str
) -> None:
    for number in range(lost):
        await parts.store.report_worker(f"w{number}", 4)
        await redis_of(parts).zincrby(keys.WORKERS, -60, dump_json([f"w{number}", 4, None]))
    (alert,) = await find(real_http, Kind.WORKERS_LOST)
    assert alert["severity"] == severity
    assert alert["detail"].startswith(f"{lost} stopped")


@pytest.mark.parametrize(("waited_s", "is_old"), [(OLD_QUEUE_S - 30, False), (OLD_QUEUE_S + 30, True)])
async def test_a_job_that_waits_for_long(
    real_app: FastAPI, real_http: httpx2.AsyncClient, database_url: str, waited_s: int, *, is_old: bool
) -> None:
    await plant_queued(real_app)
    await execute(database_url, "UPDATE jobs SET requested_at = now() - make_interval(secs => %s)", (waited_s,))
    found = await find(real_http, Kind.QUEUE_OLD)
    assert [alert["about"] for alert in found] == (["ingest"] if is_old else [])


async def test_dead_letters_until_they_are_retried(
    real_app: FastAPI, real_http: httpx2.AsyncClient, database_url: str
) -> None:
    assert await find(real_http, Kind.DEAD_LETTERS) == []
    job_id = await plant_dead(real_app)
    (alert,) = await find(real_http, Kind.DEAD_LETTERS)
    assert (alert["severity"], alert["command"]) == ("page", f"kaboom jobs retry {job_id}")
    assert (await real_http.get(alert["link"])).json()["items"][0]["job_id"] == job_id
    await plant_dead(real_app)
    assert (await find(real_http, Kind.DEAD_LETTERS))[0]["command"] == "kaboom jobs dead"
    await execute(database_url, "UPDATE job_chunks SET ended_at = now() - make_interval(hours => %s)", (DEAD_FOR_H,))
    assert await find(real_http, Kind.DEAD_LETTERS) == []


async def test_an_overdue_schedule_is_its_owner_s(
    redis_url: str, database_url: str, tmp_path: Path, parts: Parts
) -> None:
    async with running(real_settings(redis_url, database_url, tmp_path), [OTHER_OWNER]) as app:
        made = await parts.database.open(open_schedules).add(make_schedule("寄付 <b>"))
        await execute(database_url, "UPDATE schedules SET next_at = now() - interval '6 min'")
        async with client_of(app) as mine, client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other:
            (alert,) = await find(mine, Kind.SCHEDULE_OVERDUE)
            assert (alert["about"], alert["severity"]) == ("寄付 <b>", "page")
            assert alert["link"].endswith(made.schedule_id)
            assert await find(other, Kind.SCHEDULE_OVERDUE) == []
            await execute(database_url, "UPDATE schedules SET next_at = now() - interval '4 min'")
            assert await find(mine, Kind.SCHEDULE_OVERDUE) == []
            await execute(database_url, "TRUNCATE schedules CASCADE")


async def test_a_missed_ingest(real_http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def overdue(_parts: Parts) -> list[Reading]:
        return [Reading(INGEST_OVERDUE_SECONDS, s, ("TSE_PRIME", i)) for i, s in (("1m", 7200.0), ("1d", 0.0))]

    monkeypatch.setattr(alerts, "read_overdue", overdue)
    (alert,) = await find(real_http, Kind.INGEST_MISSED)
    assert (alert["about"], alert["severity"]) == ("TSE_PRIME 1m", "page")
    late_s = (datetime.now(UTC) - datetime.fromisoformat(alert["since"])).total_seconds()
    assert late_s == pytest.approx(7200, abs=60)


async def test_a_paused_provider(real_http: httpx2.AsyncClient, parts: Parts) -> None:
    redis = redis_of(parts)
    seconds, _ = await redis.time()
    await redis.hset(state("synthetic"), mapping={"paused_until": (seconds + 60) * 1000, "message": "429 \u202e"})
    await redis.hset(state("file"), mapping={"paused_until": (seconds - 60) * 1000, "message": "over"})
    (alert,) = await find(real_http, Kind.PROVIDER_PAUSED)
    assert (alert["about"], alert["severity"]) == ("synthetic", "warning")
    await redis.delete(state("synthetic"), state("file"))


async def test_a_list_of_symbols_that_is_old(
    real_http: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC) + timedelta(hours=9)
    monkeypatch.setattr(alerts, "find_newest_date", lambda _dir: date(2024, 3, 29))
    assert not await find(real_http, Kind.SYMBOL_LIST_OLD)  # the bars are made up
    monkeypatch.setattr(parts.settings, "provider", "file")
    for age_days, is_old in ((MOST_LIST_AGE_DAYS, False), (MOST_LIST_AGE_DAYS + 1, True)):
        as_of = (today - timedelta(days=age_days)).date()
        monkeypatch.setattr(alerts, "find_newest_date", lambda _dir, as_of=as_of: as_of)
        assert bool(await find(real_http, Kind.SYMBOL_LIST_OLD)) == is_old


async def test_a_channel_that_keeps_failing(real_http: httpx2.AsyncClient, parts: Parts, database_url: str) -> None:
    rules = parts.database.open(open_notifications).rules
    channel = await rules.add_channel(make_channel(owner="ingest", name="data-ops"))
    for failures, is_enabled, count in (
        (MANY_FAILURES - 1, True, 0),
        (MANY_FAILURES, False, 0),
        (MANY_FAILURES, True, 1),
    ):
        await rules.change_channel("ingest", channel.channel_id, {"is_enabled": is_enabled})
        # A change by hand begins the count anew.
        await execute(database_url, "UPDATE notification_channels SET failures = %s", (failures,))
        found = await find(real_http, Kind.CHANNEL_FAILING)
        assert len(found) == count
    assert (found[0]["about"], found[0]["severity"]) == ("data-ops", "warning")
    assert found[0]["detail"] == "the last 5 attempts failed: its notifications do not arrive"
    await rules.delete_channel("ingest", channel.channel_id)


def test_the_newest_list_is_found_by_its_first_line(tmp_path: Path) -> None:
    shipped = find_newest_date()
    (tmp_path / "listings_2031-01-31.csv").write_text("# as_of=2031-01-31 source=jpx\nsymbol\n", encoding="utf-8")
    assert str(shipped) >= "2024"
    assert str(find_newest_date(tmp_path)) == "2031-01-31"


@pytest.mark.parametrize(("free", "severity"), [(100 * 2**20, "page"), (2**30, "warning"), (2**40, None)])
async def test_a_disk_that_fills_up_counts_once(
    real_http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, free: int, severity: str | None
) -> None:
    monkeypatch.setattr(alerts, "measure_room", lambda _folder: Room(free, None, 1))
    assert [alert["severity"] for alert in await find(real_http, Kind.DISK_FULL)] == ([severity] if severity else [])


async def test_a_redis_that_fills_up(database_url: str, tmp_path: Path) -> None:
    with valkey(tmp_path, "full") as server:
        async with running(real_settings(server.url, database_url, tmp_path / "data")) as app, client_of(app) as client:
            assert await find(client, Kind.REDIS_MEMORY_HIGH) == []
            with server.connect() as redis:
                redis.config_set("maxmemory", int(redis.info()["used_memory"] / (FULL_REDIS + 0.05)))
            (alert,) = await find(client, Kind.REDIS_MEMORY_HIGH)
            assert (alert["severity"], alert["about"]) == ("page", "state")


@pytest.fixture
async def without_redis(database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The API with a ledger, and a Redis that is not there."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with running(real_settings(url, database_url, tmp_path)) as app, client_of(app) as client:
        yield client


async def test_an_unavailable_store_hides_no_other_alert(without_redis: httpx2.AsyncClient) -> None:
    found = await look(without_redis)
    away = {alert["about"]: alert["severity"] for alert in found["items"] if alert["kind"] == Kind.STORE_AWAY}
    assert away == {"redis": "page", "broker": "page"}
    assert {"no_worker", "workers_lost", "provider_paused", "redis_memory_high"} <= set(found["unknown"])
    assert not {"queue_old", "dead_letters", "symbol_list_old"} & set(found["unknown"])
    assert found["verdict"] == "page"


async def test_an_unavailable_ledger_is_reported(redis_url: str, tmp_path: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={tmp_path}"
    async with running(real_settings(redis_url, url, tmp_path)) as app, client_of(app) as client:
        found = await look(client)
    assert "database" in {alert["about"] for alert in found["items"]}
    assert {"queue_old", "dead_letters", "schedule_overdue", "ingest_missed"} <= set(found["unknown"])


async def test_alerts_speak_the_language_of_the_reader(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    await plant(real_app, "i")
    await plant_dead(real_app)
    for language in ("ja", "en"):
        answer = await real_http.get(ALERTS, headers={"Accept-Language": language})
        assert (answer.headers["content-language"], answer.headers["vary"]) == (language, "Accept-Language")
        for alert in answer.json()["items"]:
            assert bool(JAPANESE.search(alert["title"])) == bool(JAPANESE.search(alert["detail"])) == (language == "ja")


async def test_many_readers_share_one_search(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    services_of(real_app).add(RecentOverviews(alerts=KeptAnswers(for_s=60.0)))
    first = await look(real_http)
    assert (await look(real_http))["checked_at"] == first["checked_at"]


def test_every_kind_has_a_title_a_source_and_a_line_in_the_reference(tmp_path: Path) -> None:
    assert list(TITLES["alert"]) == [kind.value for kind in Kind]
    parts = memory_parts(memory_settings(tmp_path))
    readiness: Any = None
    sources = alerts.ask_sources(parts, readiness, "ingest", datetime.now(UTC))
    assert sorted(kind for kinds in sources for kind in kinds) == sorted(Kind)
    page = load_text("docs/reference/overview-api.md")
    assert [kind for kind in Kind if f"| `{kind}` |" not in page] == []


class TestRules:
    """The kinds and the rules of Prometheus say the same where both say something."""

    #: Rules on rates, and on what only Prometheus can see.
    NO_KIND = frozenset(
        {"KaboomRedisCpuHigh", "KaboomWorkerErrors", "KaboomJobsRestored", "KaboomMetricsMissing", "KaboomApiRestarts"}
        | {"KaboomFailedLogins", "KaboomChunksWaiting", "KaboomNightlyMissed", "KaboomBackupOld"}
        | {"KaboomApiErrors", "KaboomApiErrorsSlow", "KaboomApiSlow", "KaboomApiSlowLong"}
        | {"KaboomDatabaseConnections", "KaboomDatabaseFull"}
    )
    #: Kinds that tell sooner than their rule, and so have a title of their own.
    SOONER = frozenset({Kind.STORE_AWAY, Kind.NO_WORKER, Kind.WORKERS_LOST, Kind.PROVIDER_PAUSED})

    def test_every_rule_has_a_kind_or_a_reason(self) -> None:
        assert {*RULES.values()} | self.NO_KIND == set(load_rules())

    @pytest.mark.parametrize("kind", sorted(RULES.keys() - SOONER))
    def test_the_same_condition_has_the_same_words(self, kind: Kind) -> None:
        told = load_rules()[RULES[kind]].annotations
        assert pair_of(TITLES["alert"][kind], f"alert {kind}") == (told["summary"], told["summary_ja"])

    @pytest.mark.parametrize(
        ("kind", "threshold"),
        [
            (Kind.WORKERS_LOST, f"> {MANY_LOST}"),
            (Kind.QUEUE_OLD, f"> {OLD_QUEUE_S}"),
            (Kind.REDIS_MEMORY_HIGH, f">= {FULL_REDIS:.2f}"),
        ],
    )
    def test_the_same_condition_has_the_same_threshold(self, kind: Kind, threshold: str) -> None:
        assert load_rules()[RULES[kind]].expr.endswith(threshold)

    @pytest.mark.parametrize("kind", sorted(RULES.keys() - {Kind.PROVIDER_PAUSED}))
    def test_what_pages_in_prometheus_pages_here(self, kind: Kind) -> None:
        assert load_rules()[RULES[kind]].labels["severity"] == Severity.PAGE


@pytest.mark.parametrize(
    "command",
    [
        *(
            "doctor",
            "worker",
            "workers",
            "jobs dead",
            "jobs list --all --status queued",
            "jobs list --all --status running",
        ),
        *("jobs retry x", "ingest backfill --market TSE_PRIME --interval 1m", "symbols import data_j.xls"),
    ],
)
def test_commands_of_alerts_exist(command: str) -> None:
    source = load_text("src/kaboom/operations/alerts.py")
    assert f'"kaboom {command.split(" x", maxsplit=1)[0].split(" --market", maxsplit=1)[0]}' in source
    assert refuse(["kaboom", *command.split()], is_whole=True) == ""

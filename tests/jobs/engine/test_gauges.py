"""What is read when metrics are asked for: all of it or, while a store is away, nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import open_database
from kaboom.drivers.redis.client import ServerLoad
from kaboom.errors import StoreError
from kaboom.jobs.engine.dispatch import LocalDispatcher
from kaboom.jobs.engine.instruments import ReadMore, instrument_api, read_gauges
from kaboom.jobs.engine.local import report_alive
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.completion import ERROR_ENDINGS
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.providers.watch import LimiterEvent, listen_to_waits, report_event, watch_requests
from kaboom.schedules.overdue import read_ingest_gauges, read_overdue
from kaboom.schedules.store import open_schedules
from kaboom.telemetry.metrics import Reading, use_meter
from tests.fixtures.jobs.job_stores import bench_of
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.jobs.memory_meter import MemoryMeter
from tests.fixtures.jobs.schedules import SESSION_AT, HandClock, make_schedule

pytestmark = pytest.mark.anyio


class MeasuredStore(MemoryJobStore):
    """A store on a server that says what the test says."""

    def __init__(self, load: ServerLoad) -> None:
        super().__init__()
        self._load = load

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return it."""
        return {"state": self._load}


@dataclass
class MeasuredBroker(LocalDispatcher):
    """A broker that says what the test says."""

    loads: Mapping[str, ServerLoad]

    def __post_init__(self) -> None:
        super().__init__()

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return it."""
        return self.loads


async def read(parts: Parts, *, more: ReadMore = read_overdue) -> dict[str, float]:
    """Return what is read, by name and labels."""
    lines = MemoryMeter().render(await read_gauges(parts, more=more)).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def read_nothing(_parts: Parts) -> list[Reading]:
    return []


def on_servers(parts: Parts, state: ServerLoad, **brokers: ServerLoad) -> Parts:
    return replace(parts, store=MeasuredStore(state), dispatcher=MeasuredBroker(brokers))


async def test_a_server_that_does_everything_is_reported_once(parts: Parts) -> None:
    load = ServerLoad("run", cpu_s=12.5, memory_used=700, memory_max=1000, clients=9)
    shown = await read(on_servers(parts, load, broker=replace(load, clients=10)))
    assert {name: value for name, value in shown.items() if "redis" in name} == {
        'kaboom_redis_cpu_seconds{redis="state"}': 12.5,
        'kaboom_redis_memory_used_bytes{redis="state"}': 700,
        'kaboom_redis_memory_max_bytes{redis="state"}': 1000,
        'kaboom_redis_clients{redis="state"}': 9,
    }


async def test_each_of_several_servers_is_reported(parts: Parts) -> None:
    loads = [ServerLoad(name, cpu_s=cpu_s) for name, cpu_s in (("a", 1.0), ("b", 2.0), ("c", 3.0))]
    shown = await read(on_servers(parts, loads[0], broker=loads[1], broker_2=loads[2], broker_3=loads[2]))
    assert {name: value for name, value in shown.items() if "redis" in name} == {
        'kaboom_redis_cpu_seconds{redis="state"}': 1,
        'kaboom_redis_cpu_seconds{redis="broker"}': 2,
        'kaboom_redis_cpu_seconds{redis="broker_2"}': 3,
    }


async def test_what_a_server_does_not_tell_is_not_reported(parts: Parts) -> None:
    shown = await read(on_servers(parts, ServerLoad(), broker=ServerLoad()))
    assert not [name for name in shown if "redis" in name]
    assert shown["kaboom_workers_online"] == 0


async def test_workers_that_are_there_and_that_were_lost(parts: Parts) -> None:
    for name in ("a", "b", "c"):
        await parts.store.report_worker(name, 4)
    await bench_of(parts.store).fall_silent("c", 60)
    shown = await read(parts)
    assert (shown["kaboom_workers_online"], shown["kaboom_workers_lost"]) == (2, 1)


async def test_a_stopped_worker_leaves_the_list_at_once(parts: Parts) -> None:
    reported = asyncio.Event()
    reporting = asyncio.create_task(report_alive(parts, 4, on_report=reported.set))
    await asyncio.wait_for(reported.wait(), 5)
    assert len(await parts.store.workers()) == 1
    reporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reporting
    assert (await parts.store.workers(), await parts.store.list_lost()) == ([], [])


async def test_a_daily_ingest_that_never_came_is_overdue(parts: Parts) -> None:
    assert not [name for name in await read(parts) if "overdue" in name]
    # As long ago as it takes for a session to have been due.
    parts.database.open(open_schedules)._clock = HandClock(utc_now() - timedelta(days=13))  # type: ignore[attr-defined]
    await parts.database.open(open_schedules).add(make_schedule(timing=SESSION_AT))
    assert (await read(parts))['kaboom_ingest_overdue_seconds{interval="1m",market="TSE_PRIME"}'] > 0


async def test_a_worker_reports_how_old_a_nightly_backfill_is_beside_overdue_ingests(parts: Parts) -> None:
    parts.database.open(open_schedules)._clock = HandClock(utc_now() - timedelta(days=13))  # type: ignore[attr-defined]
    await parts.database.open(open_schedules).add(make_schedule(timing=SESSION_AT))
    for days in (3, 1, 2):
        job = make_job(task="ingest.backfill", request={"intervals": {"1m": 1}, "market": "TSE_PRIME"})
        kept = (await parts.history.admit(job, Terms("test"))).job
        plan, ended_at = {"session": "2025-11-04", "is_final": True}, utc_now() - timedelta(days=days)
        await parts.history.save_plan(kept.job_id, plan, [])
        ended = replace(kept, status=JobStatus.COMPLETED, plan=plan, completed_at=ended_at)
        await parts.history.save_final(ended)
    shown = await read(parts, more=read_ingest_gauges)
    assert shown['kaboom_backfill_age_seconds{market="TSE_PRIME"}'] == pytest.approx(86_400, abs=60)
    assert shown['kaboom_ingest_overdue_seconds{interval="1m",market="TSE_PRIME"}'] > 0


@pytest.mark.parametrize("disk_gb", [None, 20])
async def test_a_database_reports_its_size_and_connections_and_a_disk_that_is_named(
    parts: Parts, database_url: str, disk_gb: int | None
) -> None:
    database = open_database(database_url, name="test", pool_size=1)
    settings = parts.settings.model_copy(update={"database_disk_gb": disk_gb})
    shown = await read(replace(parts, database=database, settings=settings), more=read_nothing)
    await database.close()
    found = {name.removeprefix("kaboom_database_"): value for name, value in shown.items() if "_database_" in name}
    disk = {} if disk_gb is None else {"disk_bytes": 20 * 2**30}
    assert found.keys() - disk == {"size_bytes", "connections", "connections_max"}
    assert disk.items() <= found.items()
    assert 1 <= found["connections"] < found["connections_max"] < 1000 < 2**20 < found["size_bytes"]


async def test_a_database_in_memory_and_no_folder_of_backups_report_nothing(parts: Parts) -> None:
    assert not [name for name in await read(parts) if "database" in name or "backup" in name]


async def test_the_folder_of_backups_is_read(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "ledger-2025-11-05").write_text("")
    settings = parts.settings.model_copy(update={"backups_dir": tmp_path})
    shown = await read(replace(parts, settings=settings))
    assert 0 <= shown['kaboom_backup_age_seconds{backup="ledger"}'] < 60


@pytest.mark.parametrize("part", ["store", "history", "schedules", "dispatcher"])
async def test_no_gauges_while_a_store_is_unavailable(parts: Parts, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = {"store": "measure_servers", "history": "ended", "schedules": "list_schedules"}.get(part, "depth")

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("away")

    holder = parts.database.open(open_schedules) if part == "schedules" else getattr(parts, part)
    monkeypatch.setattr(holder, method, refuse)
    assert await read_gauges(parts, more=read_overdue) == []


def test_what_an_alert_counts_begins_at_0(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = MemoryMeter()
    monkeypatch.setattr("kaboom.telemetry.prometheus.PrometheusMeter", lambda: meter)
    settings = parts.settings.model_copy(update={"metrics_port": 1})
    monkeypatch.setattr("kaboom.jobs.engine.instruments.open_socket", lambda *_: None)
    try:
        for work in instrument_api(replace(parts, settings=settings), more=read_overdue):
            work.close()
        report_event("yahoo", LimiterEvent.PAUSED, 300.0)
    finally:
        use_meter(None)
        watch_requests(None)
        listen_to_waits(None)
    shown = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in meter.render([]).decode().splitlines()}
    begun = {name for name, value in shown.items() if value == 0}
    for ending in (*ERROR_ENDINGS, "waiting"):
        assert f'kaboom_chunks_total{{ending="{ending}",task="ingest.run_daily"}}' in begun
        assert f'kaboom_chunks_total{{ending="{ending}",task="ingest.chunk"}}' in begun
    for name in ("leases_expired", "dead_letters", "jobs_restored"):
        for queue in ("ingest", "market_data"):
            assert f'kaboom_{name}_total{{queue="{queue}"}}' in begun
    assert 'kaboom_provider_paused_seconds_total{provider="jquants"}' in begun
    assert shown['kaboom_provider_paused_seconds_total{provider="yahoo"}'] == 300

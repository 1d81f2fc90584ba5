"""A mirror and a compaction over HTTP, and schedules of both."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.export.manifest import MANIFEST, Manifest
from kaboom.bars.open import build_bar_store
from kaboom.drivers.bucket import open_objects
from kaboom.drivers.clock import utc_now
from kaboom.drivers.objects import LocalFolder
from kaboom.market.interval import Interval
from kaboom.market_data.compact import plan_compaction
from kaboom.market_data.request import CompactRequest
from tests.fixtures.bars.stored_bars import MINUTES
from tests.fixtures.jobs.apps import RUN_DAILY, SCHEDULES, client_of, memory_settings, running
from tests.fixtures.servers.buckets import bucket, buckets

pytestmark = pytest.mark.anyio
__all__ = ["bucket", "buckets"]
MIRROR, COMPACT = "/api/v1/market-data/mirror", "/api/v1/market-data/compact"
SYMBOLS = ["7203", "6758"]
SCOPE: dict[str, Any] = {"intervals": {"1m": 4}, "symbols": SYMBOLS, "session": "2025-11-05"}


@pytest.fixture
async def market(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API that keeps bars in pages, with four sessions of minutes over the end of a month."""
    settings = memory_settings(tmp_path, bar_store="pages", retention="1m=1")
    async with running(settings) as app, client_of(app) as client:
        assert (await run_job(client, RUN_DAILY, SCOPE))["status"] == "completed"
        yield client
    await build_bar_store(settings).close()


async def run_job(market: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = await market.post(path, json=body)
    assert accepted.status_code == 202, accepted.text
    return await finish(market, accepted.headers["location"])


async def finish(market: httpx2.AsyncClient, location: str) -> dict[str, Any]:
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in {"queued", "running"}:
        job = (await market.get(location, headers={"Prefer": "wait=25"})).json()
    return job


def read_mirror(folder: Path) -> pl.DataFrame:
    """Return the bars that the manifest names."""
    manifest = Manifest.parse((folder / MANIFEST).read_bytes(), str(folder))
    return pl.read_parquet([folder / file.path for file in manifest.files])


async def test_a_mirror_holds_every_bar(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    done = await run_job(market, MIRROR, {})
    assert (done["task"], done["status"], done["progress"]["total"]) == ("market_data.mirror", "completed", 2)
    assert done["result"]["files"] == [{"source": "synthetic", "interval": "1m", "months": ["2025-10", "2025-11"]}]
    assert done["result"]["folder"] == str(tmp_path / "mirror")
    assert read_mirror(tmp_path / "mirror").height == done["progress"]["rows"]
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages", retention="1m=1"))
    assert (await store.verify()).bars == done["progress"]["rows"]


async def test_a_mirror_as_of_a_moment_is_separate_from_the_current_one(
    market: httpx2.AsyncClient, tmp_path: Path
) -> None:
    moment, settings = utc_now(), memory_settings(tmp_path, bar_store="pages", retention="1m=1")
    await run_job(market, MIRROR, {})
    today = tmp_path / "mirror"
    whole = read_mirror(today)
    corrected = whole.drop("provider", "interval").gather_every(50).with_columns(pl.col("volume") + 100)
    await build_bar_store(settings).write(MINUTES, corrected)
    done = await run_job(market, MIRROR, {"as_of": moment.isoformat()})
    assert done["status"] == "completed", done["error"]
    folder = Path(done["result"]["folder"])
    assert folder == tmp_path / "mirror" / f"as-of-{moment:%Y%m%dT%H%M%S.%fZ}"
    assert read_mirror(folder).equals(whole)
    await run_job(market, MIRROR, {})
    assert not read_mirror(today).equals(whole)
    assert (await market.post(MIRROR, json={"as_of": "2999-01-01"})).status_code == 422


async def test_a_mirror_is_written_to_a_bucket(tmp_path: Path, bucket: str) -> None:
    settings = memory_settings(tmp_path, bar_store="pages", mirror_folder=bucket)
    async with running(settings) as app, client_of(app) as client:
        assert (await run_job(client, RUN_DAILY, SCOPE))["status"] == "completed"
        done = await run_job(client, MIRROR, {})
        assert (done["status"], done["result"]["folder"]) == ("completed", bucket), done["error"]
        found = await open_objects(bucket).read(MANIFEST)
        assert found is not None
        assert Manifest.parse(found.content, bucket).bars == done["progress"]["rows"] > 0
        again = await run_job(client, MIRROR, {})
        assert again["status"] == "completed"
        assert not again["result"]["counts"].get("bytes_written")
    await build_bar_store(settings).close()


async def test_a_mirror_that_another_process_writes_fails(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    async with LocalFolder(tmp_path / "mirror").hold():
        done = await run_job(market, MIRROR, {})
    assert done["status"] == "failed"
    assert "another process writes to" in done["error"]["message"]
    assert not (tmp_path / "mirror" / MANIFEST).exists()


async def test_months_of_a_mirror_without_a_manifest_are_left_alone(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    older = tmp_path / "mirror" / "synthetic" / "1m" / "2025-10.parquet"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"as it was")
    again = await run_job(market, MIRROR, {"months": 1})
    assert again["result"]["files"] == [{"source": "synthetic", "interval": "1m", "months": ["2025-11"]}]
    assert older.read_bytes() == b"as it was"
    older.unlink()
    assert (await run_job(market, MIRROR, {"months": 1}))["result"]["files"][0]["months"] == ["2025-10", "2025-11"]


async def test_a_dry_compaction_tells_what_would_go(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    told = await run_job(market, COMPACT, {"keep_days": {"1m": 1}, "dry_run": True})
    (drop,) = told["result"]["drops"]
    assert (drop["source"], drop["interval"], drop["sessions"]) == ("synthetic", "1m", 4)
    done = await run_job(market, COMPACT, {})
    assert (done["status"], done["result"]["counts"]["bars_dropped"]) == ("completed", drop["bars"])
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages", retention="1m=1"))
    health = await store.verify()
    assert (health.bars, health.faults) == (0, ())
    assert MINUTES not in await store.list_series()


async def test_nothing_is_dropped_without_a_retention(market: httpx2.AsyncClient) -> None:
    done = await run_job(market, COMPACT, {"keep_days": {}})
    assert (done["status"], done["result"]["drops"]) == ("completed", [])
    assert "bars_dropped" not in done["result"]["counts"]


async def test_influxdb_keeps_its_own_retention(tmp_path: Path) -> None:
    settings = memory_settings(
        tmp_path, bar_store="influxdb", influxdb_host="http://127.0.0.1:9", influxdb_org="o", influxdb_token="t"
    )
    store = build_bar_store(settings)
    made = await plan_compaction(CompactRequest(keep_days={Interval.M1: 1}), store, now=utc_now())
    await store.close()
    assert made.chunks == ()
    assert "retention of its buckets" in made.summary()["message"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (MIRROR, {"months": 0}, "#/months"),
        (MIRROR, {"format": "json"}, "#/format"),
        (MIRROR, {"folder": "/etc"}, "#/folder"),
        (COMPACT, {"keep_days": {"1m": 0}}, "#/keep_days/1m"),
        (COMPACT, {"keep_days": {"7m": 1}}, "#/keep_days"),
        (COMPACT, {"keep_days": {"1m": "9"}}, "#/keep_days/1m"),
    ],
    ids=str,
)
async def test_invalid_requests_are_rejected(
    http: httpx2.AsyncClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = await http.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


async def test_a_mirror_of_each_session_is_scheduled(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    body = {"name": "nightly mirror", "task": "market_data.mirror", "request": {"months": 1}, "session_at": "17:30"}
    made = (await market.post(SCHEDULES, json=body | {"is_enabled": False})).json()
    assert (made["task"], made["request"], made["next_at"]) == (
        "market_data.mirror",
        {"format": "parquet", "months": 1},
        None,
    )
    run = await market.post(f"{SCHEDULES}/{made['schedule_id']}/run")
    assert run.headers["location"].startswith("/api/v1/market-data/jobs/")
    assert (await finish(market, run.headers["location"]))["status"] == "completed"
    assert read_mirror(tmp_path / "mirror").height > 0
    changed = await market.patch(f"{SCHEDULES}/{made['schedule_id']}", json={"request": {"months": 3}})
    assert changed.json()["request"] == {"format": "parquet", "months": 3}


@pytest.mark.parametrize(
    ("task", "request_body", "pointer"),
    [
        ("market_data.mirror", {"months": 0}, "#/request/months"),
        ("market_data.compact", {"keep_days": {"1m": 0}}, "#/request/keep_days/1m"),
        ("market_data.roll_up", {"session": "2025-11-04"}, "#/request/session"),
        ("market_data.roll_up", {"intervals": {"1m": 1}}, "#/request/intervals/1m"),
        ("market_data.mirror", {"callback_url": "https://example.com"}, "#/request/callback_url"),
        ("ingest.backfill", {}, "#/task"),
    ],
)
async def test_a_schedule_is_checked_as_its_task_is(
    http: httpx2.AsyncClient, task: str, request_body: dict[str, Any], pointer: str
) -> None:
    body = {"name": "x", "task": task, "request": request_body, "session_at": "17:30"}
    answer = await http.post(SCHEDULES, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)

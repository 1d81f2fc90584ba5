"""A running Kaboom is backed up under load and killed; another folder goes on from the backup (row 35)."""

import asyncio
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kaboom.bars.pages.store import PageBarStore
from tests.faults.lab.measure import Measures
from tests.fixtures.servers.stacks import Stack, doomed, stack, until

SESSION = date(2026, 11, 20)
BODY = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500, "session": str(SESSION)}
MINUTES = {"intervals": {"1m": 3}, "symbols": ["7203", "6758"], "session": str(SESSION)}
#: The whole market takes half a minute, and no time where it is restored.
SLOWLY = {"KABOOM_PROVIDER_REQUESTS_PER_MINUTE": "synthetic=60"}
SMALL = {"intervals": {"1d": 5}, "symbols": ["7203", "6758"], "session": str(SESSION)}


def jobs_of(running: Stack) -> dict[str, dict[str, Any]]:
    """Return every column of the finished jobs and of their chunks."""
    found = {}
    with psycopg.connect(running.run()["database_url"]) as connection:
        for table, order in (("jobs", "job_id"), ("job_chunks", "job_id, n")):
            rows = connection.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY {order}").fetchall()
            found[table] = {str(row["job_id"]) + str(row.get("n", "")): row for (row,) in rows}
    return found


def bars_of(root: Path) -> tuple[int, dict[str, list[Any]]]:
    """Return how many bars are under a folder, every page sound, and all bars of the session by series."""

    async def read() -> tuple[int, dict[str, list[Any]]]:
        store = PageBarStore(root)
        try:
            health = await store.verify()
            assert health.faults == ()
            series = await store.list_series()
            return health.bars, {str(s): (await store.read_session(s, SESSION)).rows() for s in series}
        finally:
            await store.close()

    return asyncio.run(read())


def as_told(job: dict[str, Any]) -> dict[str, Any]:
    """Return a job without what Redis knows to the ms and the ledger to the microsecond."""
    return {name: value for name, value in job.items() if name != "requested_at"}


# Row 35. Three Kaboom starts, one after the other.
@pytest.mark.full
def test_a_backup_of_a_running_kaboom_goes_on_elsewhere(open_tmp: Path, measure: Measures) -> None:
    backup, copy = str(open_tmp / "backup"), str(open_tmp / "second")
    with doomed(open_tmp / "first", concurrency=2, **SLOWLY) as first:
        done = [first.api.wait(first.api.submit(**body)) for body in (SMALL, MINUTES)]
        # Workers write bars while their files are copied.
        unfinished = [first.api.submit(**BODY), first.api.submit(**BODY | {"market": "TSE_GROWTH"})]
        until(lambda: first.api.job(unfinished[0])["progress"]["done"], lambda count: count > 0, within_s=60)
        begun_at = time.monotonic()
        made = first.kaboom("backup", backup, "--json")
        backup_s = time.monotonic() - begun_at
        assert made.code == 0, made.err
        before = jobs_of(first)
        assert {before["jobs"][job_id]["status"] for job_id in unfinished} & {"queued", "running"}

    begun_at = time.monotonic()
    restored = first.kaboom("restore", backup, "--data-dir", copy, "--json")
    restored_s = time.monotonic() - begun_at
    assert restored.code == 0, restored.err
    count, copied = bars_of(Path(copy, "bars"))
    assert (len(before["jobs"]), count) == (json.loads(made.out)["jobs"], json.loads(made.out)["bars"])
    assert count > 0
    with stack(open_tmp / "second", concurrency=2) as second:
        assert_goes_on(second, before, done)
        for job_id in unfinished:
            job = second.api.wait(job_id, within_s=120)
            assert (job["status"], job["progress"]["done"]) == ("completed", job["progress"]["total"])
        doctor = second.kaboom("doctor", "--json")
        assert doctor.code == 0, doctor.out
    assert_kept(copied, bars_of(Path(copy, "bars"))[1])
    assert_kept(copied, bars_of(open_tmp / "first/bars")[1])
    measure.note(35, "a backup under load, the original killed, restored", backup_s=backup_s, restored_s=restored_s)


def assert_kept(copied: dict[str, list[Any]], bars: dict[str, list[Any]]) -> None:
    """Look for each copied bar among those that are there now: workers of both folders went on writing."""
    assert copied
    assert [series for series, rows in copied.items() if not set(rows) <= set(bars[series])] == []


def assert_goes_on(second: Stack, before: dict[str, dict[str, Any]], done: list[dict[str, Any]]) -> None:
    """Compare every column of what was finished, and what the API says of it."""
    after, ended = jobs_of(second), [job["job_id"] for job in done]
    for table, rows in before.items():
        kept = {key: row for key, row in rows.items() if row["job_id"] in ended}
        assert kept
        assert {key: after[table].get(key) for key in kept} == kept
    for job in done:
        assert as_told(second.api.job(job["job_id"])) == as_told(job)

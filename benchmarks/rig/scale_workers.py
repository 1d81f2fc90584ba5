"""Simulated workers: the product's claims, leases, sweeps and ledger, with the connections of a real worker each.

Usage: python -m benchmarks.rig.scale_workers WORKERS
Of a worker only Celery and the work itself are missing: a slot takes messages from the queue by itself, and a handler
waits as long as a chunk takes (`KABOOM_BENCH_CHUNK_S`).
"""

import asyncio
import base64
import os
import resource
import sys
from dataclasses import replace
from functools import partial

import orjson

from benchmarks.rig.scale_ledger import daily_chunks, end_chunk
from kaboom.catalog import CATALOG
from kaboom.drivers.redis.client import connect_redis, redis_errors
from kaboom.errors import KaboomError
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.local import report_alive
from kaboom.jobs.engine.message import list_key
from kaboom.jobs.engine.parts import build_parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.engine.run.worker import Run, perform
from kaboom.jobs.engine.webhook_sender import run_courier
from kaboom.jobs.model import PLAN, Tally
from kaboom.jobs.redis.store import ChunkRef
from kaboom.jobs.runs import name_slot
from kaboom.notify.notifier import Notifier
from kaboom.schedules.overdue import read_missing
from kaboom.schedules.scheduler import Scheduler
from kaboom.schedules.store import open_schedules
from kaboom.settings import load_settings

SLOTS = 4
QUEUE = "ingest"
SYMBOLS = 4_000


async def plan(run: Run) -> Tally:
    """Plan a day of 4,000 symbols."""
    await run.fan_out({"provider": "synthetic", "session": "2025-11-04"}, daily_chunks(SYMBOLS))
    return run.chunk.tally


async def chunk(run: Run) -> Tally:
    """Take as long as a chunk does, and report half of it in between."""
    seconds = float(os.environ["KABOOM_BENCH_CHUNK_S"])
    whole = end_chunk(run.chunk).tally
    if seconds:
        await asyncio.sleep(seconds / 2)
        run.report(replace(whole, cursor=whole.cursor // 2, done=whole.done // 2, written=whole.written // 2, notes=()))
        await asyncio.sleep(seconds / 2)
    return whole


async def _work(name: str) -> None:
    """Be one slot: a process of the pool, which has connections of its own."""
    settings = load_settings()
    parts = replace(build_parts(settings, CATALOG, role="worker"), name=name)
    broker = connect_redis(settings.require_redis_url(), client_name=f"{name}-consumer")
    while True:
        try:
            with redis_errors():
                found = await broker.brpop([list_key(QUEUE)], timeout=1)
            if found:
                _, kwargs, _ = orjson.loads(base64.b64decode(orjson.loads(found[1])["body"]))
                await perform(parts, ChunkRef(QUEUE, kwargs["job_id"], kwargs.get("n", PLAN)))
        except KaboomError as e:
            print("chunk_not_claimed", e.message, flush=True)


async def _run_worker() -> None:
    parts = build_parts(load_settings(), CATALOG, role="worker-main")
    async with asyncio.TaskGroup() as group:
        group.create_task(Reaper(parts).run())
        group.create_task(Scheduler(Jobs(parts), parts.database.open(open_schedules)).run())
        group.create_task(run_courier(parts))
        group.create_task(Notifier(Jobs(parts), partial(read_missing, parts)).run())
        group.create_task(report_alive(parts, SLOTS))
        for slot in range(1, SLOTS + 1):
            group.create_task(_work(name_slot(parts.name, slot)))


async def _run_workers(count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(_run_worker())
            # Not all in one moment: their sweeps would stay together for ever.
            await asyncio.sleep(0.05)


def main() -> None:
    """Run some workers until the end."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    module = "benchmarks.rig.scale_workers"
    job_type = replace(RUN_DAILY, plan=f"{module}:plan", run_chunk=f"{module}:chunk")
    CATALOG._by_name[job_type.name] = job_type  # noqa: SLF001  the one seam, as in `rig/worker.py`
    asyncio.run(_run_workers(int(sys.argv[1])))


if __name__ == "__main__":
    main()

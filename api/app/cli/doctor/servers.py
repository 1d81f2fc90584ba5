"""What doctor asks of the servers: Redis, the broker, the ledger, workers and schedules."""

import asyncio

from app.auth import INGEST_OWNER
from app.cli.doctor.finding import Finding, ask_part
from app.cli.session import Session
from app.jobs.schedules.model import PUNCTUAL_S
from app.jobs.store import JobStore
from app.tasks.dispatch import Dispatcher
from app.tasks.parts import Parts
from batch.errors import ConfigurationError, StoreError
from batch.kit.clock import utc_now


async def find_servers(session: Session, parts: Parts) -> list[Finding]:
    """Return what each server answers to a question and to a small write."""
    run, settings = session.find_run(), parts.settings
    redis = await _redis("redis", parts.store, "REDIS_URL", is_ours=bool(run.get("redis_url")))
    findings = [redis]
    if not settings.disable_celery:
        is_ours = bool(run.get("redis_url")) and settings.broker_setting == "REDIS_URL"
        findings.append(await _redis("broker", parts.dispatcher, settings.broker_setting, is_ours=is_ours))
    database = await _database(parts, is_ours=bool(run.get("database_url")))
    findings.append(database)
    has_workers = False
    if redis.verdict == "ok":
        workers = await parts.store.workers()
        has_workers, slots = bool(workers), sum(worker.slots for worker in workers)
        detail = f"{len(workers)} online with {slots} slots"
        mend = "" if workers else "kaboom worker"
        findings.append(Finding("workers", "ok" if workers else "warning", detail, mend))
    if database.verdict == "ok":
        findings.append(await _schedules(parts, has_workers=has_workers))
    return findings


async def _redis(part: str, store: JobStore | Dispatcher, setting: str, *, is_ours: bool) -> Finding:
    try:
        await store.check()
        await store.try_write()
    except ConfigurationError as e:
        keep_all = f'redis-cli -u "${setting}" CONFIG SET maxmemory-policy noeviction'
        mend = keep_all if "maxmemory-policy" in e.message else f"correct {setting}"
        return Finding(part, "fault", e.message, mend)
    except StoreError as e:
        return Finding(part, "fault", e.message, _start_again("Redis", setting, is_ours=is_ours))
    return Finding(part, "ok", "takes a write, and evicts nothing")


def _start_again(server: str, setting: str, *, is_ours: bool) -> str:
    if is_ours:
        return "kaboom up"
    return f"start {server} where {setting} says, or see what its own log says it lacks (memory, disk)"


async def _database(parts: Parts, *, is_ours: bool) -> Finding:
    from app.cli.migrate import check_schema  # noqa: PLC0415  Alembic costs 0.2 s that no other command needs

    url = parts.settings.database_url
    mend = _start_again("PostgreSQL", "DATABASE_URL", is_ours=is_ours)
    if url is None:
        return await ask_part("database", parts.history.try_write, "in the memory of each process", mend)
    try:
        await asyncio.to_thread(check_schema, url.get_secret_value())
    except StoreError as e:
        return Finding("database", "fault", e.message, "kaboom migrate" if "kaboom migrate" in e.message else mend)
    return await ask_part("database", parts.history.try_write, "takes a write, and its schema is this release's", mend)


async def _schedules(parts: Parts, *, has_workers: bool) -> Finding:
    found = [s for s in await parts.schedules.list_schedules(INGEST_OWNER) if s.is_enabled]
    if not found:
        return Finding("schedules", "ok", "none is enabled; `kaboom schedules list` shows all")
    late_s = max((utc_now() - (s.next_at or utc_now())).total_seconds() for s in found)
    if late_s > PUNCTUAL_S:
        mend = "look at the log of a worker's main process, which fires schedules" if has_workers else "kaboom worker"
        return Finding("schedules", "fault", f"one is {late_s / 60:,.0f} min overdue: no worker fires it", mend)
    names = ", ".join(schedule.name for schedule in found)
    return Finding("schedules", "ok", f"{len(found)} enabled: {names}")

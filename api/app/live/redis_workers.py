"""The workers in Redis: a sorted set by the time of the last report, and the facts that each worker reports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import orjson

from app.jobs.records import dump_json
from app.jobs.runs import parse_runs
from app.live import keys
from app.live.store import LOST_S, WORKER_S
from app.live.workers import RunningChunk, Worker, WorkerFacts
from batch.kit.clock import from_ms
from batch.kit.redis.client import Redis, redis_errors

#: The most chunks to list.
_MOST_RUNNING = 2000


async def report(redis: Redis, name: str, slots: int, release: str | None, facts: WorkerFacts | None) -> None:
    """Record, by the clock of Redis, that a worker is alive; remove workers that have not reported for `LOST_S`."""
    with redis_errors():
        seconds, _ = await redis.time()
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.WORKERS, {dump_json([name, slots, release]): seconds})
            pipe.zremrangebyscore(keys.WORKERS, 0, seconds - LOST_S)
            if facts:
                pipe.set(keys.worker(name), dump_json(facts.to_json()), ex=round(LOST_S))
            await pipe.execute()


async def forget(redis: Redis, name: str, slots: int, release: str | None) -> None:
    """Drop a worker."""
    with redis_errors():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zrem(keys.WORKERS, dump_json([name, slots, release]))
            pipe.delete(keys.worker(name))
            await pipe.execute()


async def look(redis: Redis) -> tuple[list[Worker], list[Worker]]:
    """Return the workers that reported recently, and the lost workers."""
    with redis_errors():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.zrange(keys.WORKERS, 0, -1, withscores=True)
            (seconds, _), found = await pipe.execute()
    # During a rollout workers of another release report, too; their entries may have more or fewer fields.
    parsed = [(orjson.loads(text), score) for text, score in found]
    workers = [Worker(name, from_ms(score * 1000), *words[:2]) for (name, *words), score in parsed]
    silent_s = [seconds - worker.seen_at.timestamp() for worker in workers]
    online = [worker for worker, silent in zip(workers, silent_s, strict=True) if silent <= WORKER_S]
    lost = [worker for worker, silent in zip(workers, silent_s, strict=True) if WORKER_S < silent <= LOST_S]
    return online, lost


async def load_facts(redis: Redis, names: Sequence[str]) -> Mapping[str, WorkerFacts]:
    """Return the facts that workers reported; a worker without a report is left out."""
    if not names:
        return {}
    with redis_errors():
        found = cast("list[str | None]", await redis.mget([keys.worker(name) for name in names]))
    return {name: WorkerFacts.from_json(orjson.loads(text)) for name, text in zip(names, found, strict=True) if text}


async def load_running(redis: Redis, queue: str) -> list[RunningChunk]:
    """Return the leased chunks of a queue, in two round trips."""
    with redis_errors():
        members = cast("list[str]", await redis.zrange(keys.leases(queue), 0, _MOST_RUNNING - 1))
        refs = [tuple(member.split("|", 1)) for member in members]
        async with redis.pipeline(transaction=False) as pipe:
            for job_id, n in refs:
                pipe.hmget(keys.chunks(queue, job_id), [f"owner:{n}", f"runs:{n}"])
                pipe.hget(keys.job(queue, job_id), "owner")
            found = await pipe.execute() if refs else []
    return [
        RunningChunk(queue, job_id, n, owner, worker, _begun_at(runs))
        for (job_id, n), (worker, runs), owner in zip(refs, found[::2], found[1::2], strict=True)
        if worker and owner
    ]


def _begun_at(runs: str | None) -> datetime | None:
    parsed = parse_runs(orjson.loads(runs or "[]"))
    return parsed[-1].started_at if parsed else None

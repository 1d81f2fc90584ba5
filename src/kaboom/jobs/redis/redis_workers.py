"""The workers in Redis: a sorted set by the time of the last report, and the facts that each worker reports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import orjson

from kaboom.drivers.batcher import CallBatcher
from kaboom.drivers.clock import from_ms
from kaboom.drivers.redis.client import Redis, redis_errors
from kaboom.jobs.records import dump_json, parse_runs
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.store import LOST_S, WORKER_S, Report
from kaboom.jobs.redis.workers import RunningChunk, Worker, WorkerFacts

#: The most chunks to list.
_MOST_RUNNING = 2000


class RedisWorkers:
    """`WorkerReports` on one Redis or Valkey, by its clock; a report removes workers that are silent for `LOST_S`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._looks = CallBatcher(self._look_once, server="Redis")

    async def report_worker(
        self, name: str, slots: int, release: str | None = None, *, facts: WorkerFacts | None = None
    ) -> None:
        with redis_errors():
            seconds, _ = await self._redis.time()
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(keys.WORKERS, {dump_json([name, slots, release]): seconds})
                pipe.zremrangebyscore(keys.WORKERS, 0, seconds - LOST_S)
                if facts:
                    pipe.set(keys.worker(name), dump_json(facts.to_json()), ex=round(LOST_S))
                await pipe.execute()

    async def forget_worker(self, name: str, slots: int, release: str | None = None) -> None:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zrem(keys.WORKERS, dump_json([name, slots, release]))
                pipe.delete(keys.worker(name))
                await pipe.execute()

    async def workers(self) -> list[Worker]:
        return (await self._looks.call(None))[0]

    async def list_lost(self) -> list[Worker]:
        return (await self._looks.call(None))[1]

    async def load_facts(self, names: Sequence[str]) -> Mapping[str, WorkerFacts]:
        if not names:
            return {}
        with redis_errors():
            found = cast("list[str | None]", await self._redis.mget([keys.worker(name) for name in names]))
        pairs = zip(names, found, strict=True)
        return {name: WorkerFacts.from_json(orjson.loads(text)) for name, text in pairs if text}

    async def load_reports(self, names: Sequence[str]) -> Mapping[str, Report]:
        """Return the last reports of some workers; one that signed off, or is lost, is left out."""
        facts, (now_s, workers) = await self.load_facts(names), await self._list_workers()
        return {
            worker.name: Report(now_s - worker.seen_at.timestamp(), facts[worker.name].pids)
            for worker in workers
            if worker.name in facts
        }

    async def load_running(self, queue: str) -> list[RunningChunk]:
        with redis_errors():
            members = cast("list[str]", await self._redis.zrange(keys.leases(queue), 0, _MOST_RUNNING - 1))
            refs = [tuple(member.split("|", 1)) for member in members]
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id, n in refs:
                    pipe.hmget(keys.chunks(queue, job_id), [f"owner:{n}", f"runs:{n}"])
                    pipe.hget(keys.job(queue, job_id), "owner")
                found = await pipe.execute() if refs else []
        return [
            RunningChunk(queue, job_id, n, owner, worker, _begun_at(runs))
            for (job_id, n), (worker, runs), owner in zip(refs, found[::2], found[1::2], strict=True)
            if worker and owner
        ]

    async def _look_once(self, calls: Sequence[None]) -> list[tuple[list[Worker], list[Worker]]]:
        """Return for each call the workers that reported recently, and the lost workers."""
        now_s, workers = await self._list_workers()
        silent_s = [now_s - worker.seen_at.timestamp() for worker in workers]
        online = [worker for worker, silent in zip(workers, silent_s, strict=True) if silent <= WORKER_S]
        lost = [worker for worker, silent in zip(workers, silent_s, strict=True) if WORKER_S < silent <= LOST_S]
        return [(online, lost)] * len(calls)

    async def _list_workers(self) -> tuple[float, list[Worker]]:
        """Return the time of the server, and every worker that did not sign off."""
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.zrange(keys.WORKERS, 0, -1, withscores=True)
                (seconds, micros), found = await pipe.execute()
        # During a rollout workers of another release report, too; their entries may have more or fewer fields.
        parsed = [(orjson.loads(text), score) for text, score in found]
        workers = [Worker(name, from_ms(score * 1000), *words[:2]) for (name, *words), score in parsed]
        return seconds + micros / 1e6, workers


def _begun_at(runs: str | None) -> datetime | None:
    parsed = parse_runs(orjson.loads(runs or "[]"))
    return parsed[-1].started_at if parsed else None

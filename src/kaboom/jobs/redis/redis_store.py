"""Live job state in Redis or Valkey. Every change is one Lua script, and uses the server's clock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import inf
from time import monotonic
from typing import Any, cast
from uuid import uuid4

import orjson
import structlog

from kaboom.drivers.batcher import CallBatcher
from kaboom.drivers.clock import to_ms
from kaboom.drivers.redis.client import (
    Redis,
    ServerLoad,
    check_server,
    read_load,
    redis_errors,
    register_script,
    run_together,
    try_key,
)
from kaboom.errors import StoreError
from kaboom.jobs.model import PLAN, Chunk, ChunkState, Job, JobStatus, Tally
from kaboom.jobs.records import (
    CHUNK_FIELDS,
    STATE_FIELDS,
    dump_chunk,
    dump_job,
    dump_json,
    parse_chunk,
    parse_chunks,
    parse_job,
    parse_runs,
    parse_status,
)
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_workers import RedisWorkers
from kaboom.jobs.redis.store import (
    DISPATCH_S,
    LEASE_S,
    MAX_ATTEMPTS,
    NEWEST_KEPT,
    RESEND_S,
    RETRY_S,
    Beat,
    ChunkRef,
    Claim,
    Ended,
    Ending,
    Expired,
    Lease,
    Refusal,
    judge_lapse,
)
from kaboom.jobs.runs import REASON_KEPT, split_slot

_log = structlog.get_logger(__name__)
_SCRIPTS = ("put", "claim", "beat", "set_plan", "end", "fail", "cancel", "expire", "retries", "due", "forget", "settle")
#: How many chunks of each kind one sweep takes.
_SWEPT_AT_ONCE = 500


class RedisJobStore(RedisWorkers):
    """`JobStore` on one Redis or Valkey. A Redis Cluster is rejected at start: it would split the keys of a script."""

    def __init__(
        self, redis: Redis, *, lease_s: float = LEASE_S, dispatch_s: float = DISPATCH_S, retry_s: float = RETRY_S
    ) -> None:
        super().__init__(redis)
        self._lease_ms = round(lease_s * 1000)
        self._dispatch_ms = round(dispatch_s * 1000)
        self._retry_ms = round(retry_s * 1000)
        self._scripts = {name: register_script(redis, "kaboom.jobs.redis", name) for name in _SCRIPTS}
        self._heard_at = -inf
        self._puts = CallBatcher(self._put_all, server="Redis")
        self._pings = CallBatcher(self._ping_once, server="Redis")
        self._loads = CallBatcher(self._load_all, server="Redis")

    async def put(self, job: Job, chunks: Sequence[Chunk]) -> bool:
        ref = ChunkRef(job.queue, job.job_id, PLAN)
        dumped = dump_json([dump_chunk(chunk) for chunk in chunks])
        fields = dump_json(dump_job(job))
        return await self._puts.call((ref, [job.job_id, self._dispatch_ms, NEWEST_KEPT, fields, dumped]))

    async def claim(self, ref: ChunkRef, *, owner: str) -> Claim | Refusal:
        nonce = uuid4().hex[:8]
        answer = await self._run("claim", ref, ref.job_id, ref.n, owner, self._lease_ms, nonce)
        if answer[0] != "ok":
            return Refusal(answer[0])
        _, fence, attempts, spec, tally, task, request, plan, waits, job_owner = answer
        chunk = parse_chunk(
            ref.n, {"spec": spec, "state": ChunkState.RUNNING.value, "tally": tally, "attempts": attempts}
        )
        return Claim(
            lease=Lease(ref, fence),
            chunk=chunk,
            task=task,
            owner=job_owner,
            request=orjson.loads(request),
            plan=orjson.loads(plan) if plan else None,
            waits=int(waits),
        )

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        ref = lease.ref
        dumped = dump_json(tally.to_json())
        return Beat(await self._run("beat", ref, ref.job_id, ref.n, lease.fence, self._lease_ms, dumped))

    async def set_plan(
        self,
        lease: Lease,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> Ended:
        ref, dumped = lease.ref, dump_json([dump_chunk(chunk) for chunk in chunks])
        planned = (dump_json(dict(plan)), dumped, "" if result is None else dump_json(dict(result)))
        answer = await self._run("set_plan", ref, ref.job_id, lease.fence, self._dispatch_ms, *planned)
        return _ended(answer)

    async def end(self, lease: Lease, ending: Ending, tally: Tally, *, error: str = "", pause_s: float = 0.0) -> Ended:
        ref = lease.ref
        run = (ref.job_id, ref.n, lease.fence, ending.value, dump_json(tally.to_json()))
        # With at most 0 attempts, the chunk is not tried again.
        most_attempts = 0 if ending is Ending.FAILED else MAX_ATTEMPTS
        retry = (most_attempts, self._retry_ms, error, round(pause_s * 1000))
        reason_of_run = error[:REASON_KEPT]
        answer = await self._run("end", ref, *run, *retry, reason_of_run)
        return replace(_ended(answer), runs=parse_runs(orjson.loads(answer[3])))

    async def fail(self, lease: Lease, error: Mapping[str, Any]) -> Ended:
        answer = await self._run("fail", lease.ref, lease.ref.job_id, lease.fence, dump_json(dict(error)))
        return _ended(answer)

    async def cancel(self, queue: str, job_id: str) -> Job | None:
        if not await self._run("cancel", ChunkRef(queue, job_id, PLAN), job_id):
            return None
        return (await self.load(queue, [job_id]))[0]

    async def list_open(self, queues: Sequence[str]) -> list[str]:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for queue in queues:
                    pipe.exists(keys.leases(queue), keys.dispatch(queue), keys.retries(queue))
                return [queue for queue, count in zip(queues, await pipe.execute(), strict=True) if count]

    async def expire(self, queue: str) -> list[Expired]:
        expired = []
        overdue = await self._overdue(queue, keys.leases(queue))
        claims = await self._load_claims([ref for ref, _ in overdue])
        reports = await self.load_reports([split_slot(owner)[0] for owner, _ in claims]) if claims else {}
        for (ref, silent_s), (owner, fence) in zip(overdue, claims, strict=True):
            seen = judge_lapse(owner, silent_s, reports.get(split_slot(owner)[0]))
            if seen is None:
                continue
            verdict, status = await self._run("expire", ref, ref.job_id, ref.n, MAX_ATTEMPTS, fence, seen.value)
            if verdict != "skip":
                expired.append(Expired(ref, verdict, is_final=bool(status), seen=seen))
        return expired

    async def take_retries(self, queue: str) -> list[ChunkRef]:
        found = await self._run("retries", ChunkRef(queue, "", ""), round(RESEND_S * 1000), _SWEPT_AT_ONCE)
        return [ChunkRef(queue, *member.split("|", 1)) for member in found]

    async def take_due(self, queue: str, *, older_than_s: float = 0.0) -> list[ChunkRef]:
        arguments = (self._dispatch_ms, round(older_than_s * 1000), _SWEPT_AT_ONCE)
        found = await self._run("due", ChunkRef(queue, "", ""), *arguments)
        return [ChunkRef(queue, *member.split("|", 1)) for member in found]

    async def load(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        return await self._loads.call([keys.job(queue, job_id) for job_id in job_ids]) if job_ids else []

    async def statuses(self, queue: str, job_ids: Sequence[str]) -> list[JobStatus | None]:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in job_ids:
                    pipe.hmget(keys.job(queue, job_id), STATE_FIELDS)
                return [parse_status(values) for values in await pipe.execute()]

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        with redis_errors():
            record = cast("dict[str, str]", await self._redis.hgetall(keys.chunks(queue, job_id)))
        try:
            return parse_chunks(record)
        except (KeyError, TypeError, ValueError) as e:
            raise StoreError(f"the chunks of job {job_id} are damaged in Redis: {e}", retryable=False) from e

    async def load_chunk(self, ref: ChunkRef) -> Chunk | None:
        names = [f"{name}:{ref.n}" for name in CHUNK_FIELDS]
        with redis_errors():
            values = cast("list[str | None]", await self._redis.hmget(keys.chunks(ref.queue, ref.job_id), names))
        fields = dict(zip(CHUNK_FIELDS, values, strict=True))
        return parse_chunk(ref.n, fields) if fields["spec"] and fields["state"] else None

    async def newest(self, queue: str) -> list[str]:
        with redis_errors():
            return cast("list[str]", await self._redis.lrange(keys.newest(queue), 0, NEWEST_KEPT - 1))

    async def forget(self, queue: str, job_id: str) -> None:
        await self._run("forget", ChunkRef(queue, job_id, PLAN), job_id)

    async def unsettled(self, queue: str) -> list[str]:
        with redis_errors():
            return cast("list[str]", await self._redis.zrange(keys.active(queue), 0, 999))

    async def mark_settled(self, job: Job) -> bool:
        ended_ms = to_ms(job.completed_at) if job.completed_at else ""
        return bool(await self._run("settle", ChunkRef(job.queue, job.job_id, PLAN), job.job_id, ended_ms))

    async def running(self, queue: str) -> int:
        with redis_errors():
            return int(await self._redis.zcard(keys.leases(queue)))

    async def renew_epoch(self) -> bool:
        with redis_errors():
            return bool(await self._redis.set(keys.EPOCH, "1", nx=True))

    async def check(self) -> None:
        await check_server(self._redis, "REDIS_URL")

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        return {"state": await read_load(self._redis)}

    async def ping(self, *, fresh_s: float = 0.0) -> None:
        if monotonic() - self._heard_at >= fresh_s:
            await self._pings.call(None)

    async def try_write(self) -> None:
        await try_key(self._redis, keys.PROBE)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, script: str, ref: ChunkRef, *arguments: str | int) -> Any:
        with redis_errors():
            return await self._scripts[script](keys=keys.of_job(ref.queue, ref.job_id), args=list(arguments))

    async def _put_all(self, calls: Sequence[tuple[ChunkRef, list[str | int]]]) -> list[bool]:
        put = self._scripts["put"]
        keyed = [(put, keys.of_job(ref.queue, ref.job_id), arguments) for ref, arguments in calls]
        with redis_errors():
            answers = await run_together(self._redis, keyed)
        self._heard_at = monotonic()
        return [bool(answer) for answer in answers]

    async def _load_all(self, calls: Sequence[list[str]]) -> list[list[Job | None]]:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for wanted in calls:
                    for key in wanted:
                        pipe.hgetall(key)
                records = iter(await pipe.execute())
        return [[_read_job(record) for record in islice(records, len(wanted))] for wanted in calls]

    async def _ping_once(self, calls: Sequence[None]) -> Sequence[None]:
        with redis_errors():
            await self._redis.ping()
        self._heard_at = monotonic()
        return calls

    async def _overdue(self, queue: str, key: str) -> list[tuple[ChunkRef, float]]:
        """Return the chunks whose lease ran out, each with the seconds since its last heartbeat."""
        with redis_errors():
            seconds, micros = await self._redis.time()
            now_ms = seconds * 1000 + micros // 1000
            found = await self._redis.zrangebyscore(key, 0, now_ms, start=0, num=_SWEPT_AT_ONCE, withscores=True)
        leases = cast("list[tuple[str, float]]", found)
        return [
            (ChunkRef(queue, *member.split("|", 1)), (now_ms - ends + self._lease_ms) / 1000) for member, ends in leases
        ]

    async def _load_claims(self, refs: Sequence[ChunkRef]) -> list[tuple[str, str]]:
        """Return the owner and the fence of each chunk that runs; empty texts for one that does not."""
        if not refs:
            return []
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for ref in refs:
                    names = [f"{name}:{ref.n}" for name in ("state", "owner", "fence")]
                    pipe.hmget(keys.chunks(ref.queue, ref.job_id), names)
                found = await pipe.execute()
        return [(owner or "", fence or "") if state == "running" else ("", "") for state, owner, fence in found]


def _read_job(record: Mapping[str, str]) -> Job | None:
    """Return a job; None if it has no record, or a damaged one: the ledger has the job, and the reaper restores it."""
    try:
        return parse_job(record) if record else None
    except (KeyError, OverflowError, TypeError, ValueError) as e:
        _log.warning("record_damaged", job_id=record.get("job_id"), queue=record.get("queue"), reason=repr(e))
        return None


def _ended(answer: Sequence[str]) -> Ended:
    accepted, verdict, status = answer[:3]
    return Ended(is_accepted=accepted == "ok", is_dead=verdict == "dead", is_final=status in _FINAL)


_FINAL = frozenset({"completed", "partial", "failed", "cancelled"})

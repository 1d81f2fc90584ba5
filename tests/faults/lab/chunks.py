"""Looking at running chunks in Redis: who runs which, under what fence, and when each was claimed."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from tests.faults.lab.lab import Lab
from tests.fixtures.servers.stacks import until


@dataclass(frozen=True, slots=True)
class Running:
    """A chunk under a claim: its job and number, the claim's fence, its process, the items settled, the attempt."""

    job_id: str
    n: str
    fence: str
    pid: int
    cursor: int
    attempt: int


def running(lab: Lab, pids: Sequence[int] | None = None, *, queue: str = "ingest") -> list[Running]:
    """Return the chunks of a queue under a lease, those of some processes or all."""
    found = []
    for member in lab.redis.zrange(f"{queue}:leases", 0, -1):
        job_id, _, n = member.partition("|")
        fields = [f"{name}:{n}" for name in ("state", "fence", "owner", "tally", "attempts")]
        state, fence, owner, tally, attempt = lab.redis.hmget(f"{queue}:job:{job_id}:chunks", fields)
        if state != "running" or not fence or not owner:
            continue
        pid = int(owner.rpartition(":")[2].partition("-")[0])
        if pids is None or pid in pids:
            found.append(Running(job_id, n, fence, pid, _cursor(tally), int(attempt or 0)))
    return found


def wait_in_chunk(lab: Lab, job_id: str, *, settled: int = 1, queue: str = "ingest") -> Running:
    """Wait until a chunk of a job has told of so many settled symbols, and runs on."""

    def ask() -> list[Running]:
        return [r for r in running(lab, queue=queue) if r.job_id == job_id and r.n != "plan" and r.cursor >= settled]

    return until(ask, bool, within_s=30, every_s=0.02)[0]


def wait_claimed_again(lab: Lab, was: Running, *, within_s: float) -> Running:
    """Wait until another claim of a chunk; return it as it stands then."""
    key = f"ingest:job:{was.job_id}:chunks"
    fields = [f"{name}:{was.n}" for name in ("fence", "owner", "tally", "attempts")]

    def ask() -> Running:
        fence, owner, tally, attempt = lab.redis.hmget(key, fields)
        pid = int((owner or ":0").rpartition(":")[2].partition("-")[0])
        return Running(was.job_id, was.n, fence or "", pid, _cursor(tally), int(attempt or 0))

    return until(ask, lambda now: bool(now.fence) and now.fence != was.fence, within_s=within_s, every_s=0.02)


def items_of(lab: Lab, chunk: Running) -> list[str]:
    """Return the symbols of a chunk."""
    spec = lab.redis.hget(f"ingest:job:{chunk.job_id}:chunks", f"spec:{chunk.n}")
    assert spec
    return list(orjson.loads(spec)["items"])


def claimed_at_ms(chunk: Running) -> int:
    """Return when a claim was granted, by Redis: the first half of a fence is that time."""
    return int(chunk.fence.partition(":")[0])


def _cursor(tally: str | None) -> int:
    return int(orjson.loads(tally).get("cursor", 0)) if tally else 0

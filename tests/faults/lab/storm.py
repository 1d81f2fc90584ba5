"""Many jobs while processes die: a seeded schedule of kills, and how soon every interrupted chunk ran again."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import redis

from tests.faults.lab.chunks import Running, claimed_at_ms, running
from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab
from tests.faults.lab.process import Process
from tests.fixtures.servers.stacks import until


@dataclass(frozen=True)
class Plan:
    """How many jobs at least, how many kills of each kind, and the seed of their order."""

    jobs: int
    worker_kills: int
    redis_kills: int
    seed: int
    #: Pause before each job, and before each kill at least and at most.
    job_every_s: float = 0.2
    kill_every_s: tuple[float, float] = (1.0, 3.0)


@dataclass
class Toll:
    """What a storm did."""

    worker_kills: int = 0
    redis_kills: int = 0
    interrupted: int = 0
    back_s: list[float] = field(default_factory=list)


class Watch:
    """Waits, in a thread, for every interrupted chunk to be claimed again."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._open: dict[tuple[str, str], tuple[Running, int]] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self.back_s: list[float] = []
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def add(self, chunks: list[Running], killed_ms: int) -> None:
        """Wait for some chunks, too; one still waited for was claimed again, and cut off again, between two looks."""
        with self._lock:
            for chunk in chunks:
                self._back(chunk)
                self._open[chunk.job_id, chunk.n] = (chunk, killed_ms)

    def waiting(self) -> int:
        """Return how many have not been claimed again yet."""
        with self._lock:
            return len(self._open)

    def stop(self) -> None:
        """End the thread."""
        self._is_over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._is_over.wait(0.2):
            with self._lock:
                waiting = [was for was, _ in self._open.values()]
            try:
                found = [replace(was, fence=self._fence(was)) for was in waiting]
            except redis.RedisError:
                continue
            with self._lock:
                for now in found:
                    self._back(now)

    def _back(self, now: Running) -> None:
        """Keep how long a chunk was away, if this is a later claim than the one that was cut off. Under the lock."""
        was, killed_ms = self._open.get((now.job_id, now.n), (now, 0))
        if now.fence and claimed_at_ms(now) > claimed_at_ms(was):
            self.back_s.append((claimed_at_ms(now) - killed_ms) / 1000)
            del self._open[now.job_id, now.n]

    def _fence(self, was: Running) -> str:
        return self._lab.redis.hget(f"ingest:job:{was.job_id}:chunks", f"fence:{was.n}") or ""


def rage(lab: Lab, plan: Plan) -> Toll:
    """Submit the jobs, kill as planned, and return when everything that was interrupted runs again."""
    draw, toll, watch = random.Random(plan.seed), Toll(), Watch(lab)
    kills = ["worker"] * plan.worker_kills + ["redis"] * plan.redis_kills
    draw.shuffle(kills)
    try:
        with submitting(lab, plan) as jobs:
            for kind in kills:
                last(draw.uniform(*plan.kill_every_s))
                if kind == "redis":
                    kill_redis(lab, draw)
                    toll.redis_kills += 1
                else:
                    toll.interrupted += kill_worker(lab, draw, watch)
                    toll.worker_kills += 1
            jobs.finish()
        until(watch.waiting, lambda count: count == 0, within_s=60)
    finally:
        watch.stop()
    toll.back_s = watch.back_s
    return toll


class Submitting:
    """Submits jobs in a thread, as many as planned and on until it may finish: a kill needs a job to interrupt."""

    def __init__(self, submit: Callable[[int], None], *, least: int, is_over: threading.Event) -> None:
        self._submit = submit
        self._least = least
        self._is_over = is_over
        self._may_finish = threading.Event()
        self._thread = threading.Thread(target=self._run, name="submit", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Return when the planned number is reached, which no kill waits for any more."""
        self._may_finish.set()
        self._thread.join(600)

    def stop(self) -> None:
        """End the thread, however many were submitted."""
        self._is_over.set()
        self._thread.join(20)

    def _run(self) -> None:
        for number in itertools.count():
            is_enough = number >= self._least and self._may_finish.is_set()
            if is_enough or self._is_over.is_set():
                return
            self._submit(number)


@contextmanager
def submitting(lab: Lab, plan: Plan) -> Iterator[Submitting]:
    """Submit jobs beside what the body does; one that is refused comes again with its key."""
    is_over = threading.Event()

    def submit(number: int) -> None:
        body = lab.requests.build(2)
        while not is_over.is_set():
            attempt = lab.caller.try_submit(body, key=f"storm-{plan.jobs}-{plan.seed}-{number}")
            if attempt.job_id:
                lab.caller.expected[attempt.job_id] = frozenset({"completed"})
                break
            is_over.wait(0.5)
        is_over.wait(plan.job_every_s)

    jobs = Submitting(submit, least=plan.jobs, is_over=is_over)
    try:
        yield jobs
    finally:
        jobs.stop()


def kill_redis(lab: Lab, draw: random.Random) -> None:
    """Kill Redis, leave it away for a moment, and start it on its data."""
    lab.kill_valkey()
    last(draw.uniform(0.2, 1.5))
    lab.valkey.start()


def kill_worker(lab: Lab, draw: random.Random, watch: Watch, *, spared: Process | None = None) -> int:
    """Kill a worker that runs something, with its pool, and start another; return how many chunks that cut off."""

    def candidates() -> list[tuple[Process, list[Running]]]:
        ready = [w for w in lab.workers if w.is_alive and w.spec.is_ready(w.pid)]
        held = [(worker, running(lab, worker.children())) for worker in ready if worker is not spared]
        # Another must be there to take over, and three claims are the stated end of a chunk.
        return [(w, chunks) for w, chunks in held if chunks and len(ready) > 1 and all(c.attempt < 3 for c in chunks)]

    victim, _ = draw.choice(until(candidates, bool, within_s=60))
    pool = victim.children()
    killed_ms = lab.now_ms()
    victim.kill()
    # A look before the kill would count what it ended meanwhile, and miss what it began.
    cut = running(lab, pool)
    watch.add(cut, killed_ms)
    victim.spawn()
    return len(cut)

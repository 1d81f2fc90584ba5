"""Callers of the API: they submit, look, change their minds, and do not give up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from kaboom.errors import Conflict, NotFound, StoreError
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs, fingerprint
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.port import Terms
from tests.faults.simulation.work import draw_request, truth_of

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

_OWNER = "ingest"


class Client:
    """One caller with one request, and perhaps a retry of what failed."""

    def __init__(self, world: "World", number: int) -> None:
        self._world = world
        self._request = draw_request(world.rng, number)
        self._key = f"key-{number}" if world.rng.random() < 0.6 else None

    async def run(self) -> None:
        """Take the request to its end."""
        rng = self._world.rng
        await asyncio.sleep(rng.uniform(0, self._world.weather.storm_s / 2))
        submissions = [self._submit() for _ in range(rng.choice((1, 1, 2, 3)))]
        jobs = await asyncio.gather(*submissions)
        if self._key and len({job.job_id for job in jobs}) > 1:
            self._world.witness.blame(f"{self._key} was answered with {len(jobs)} jobs")
        job = jobs[0]
        if rng.random() < 0.3:
            await asyncio.sleep(rng.uniform(0, 15))
            await self._cancel(job)
        job = await self._wait(job)
        if rng.random() < 0.3:
            job = await self._wait(await self._retry(job))
        if rng.random() < 0.2:
            await self._delete(job)

    async def _submit(self) -> Job:
        may_join = self._key is None
        terms = Terms(fingerprint(RUN_DAILY, self._request), key=self._key, may_join=may_join)
        return await self._insist(
            lambda jobs: _admitted(jobs.submit(RUN_DAILY, self._request, owner=_OWNER, terms=terms))
        )

    async def _wait(self, job: Job) -> Job:
        """Look until the job is final, also when looked at a second time."""
        rng, ends = self._world.rng, 0
        while True:
            found = await self._insist(lambda jobs: jobs.find(job.queue, job.job_id, owner=_OWNER))
            self._world.witness.see_client(found)
            ends = ends + 1 if found.status.is_final else 0
            if ends == 2:
                return found
            await asyncio.sleep(rng.uniform(0, 20) if ends else rng.uniform(0.5, 4))

    async def _cancel(self, job: Job) -> None:
        async def find_and_cancel(jobs: Jobs) -> Job:
            return await jobs.cancel(await jobs.find(job.queue, job.job_id, owner=_OWNER))

        try:
            self._world.witness.see_client(await self._insist(find_and_cancel))
        except Conflict:
            self._world.say("too late to cancel")

    async def _retry(self, job: Job) -> Job:
        left = [item for item in job.request["items"] if truth_of(item) != "ok"]
        request = {**job.request, "items": left}
        return await self._insist(lambda jobs: _admitted(jobs.retry(job, request)))

    async def _delete(self, job: Job) -> None:
        await self._insist(lambda jobs: jobs.delete(job))

    async def _insist[T](self, question: Callable[[Jobs], Awaitable[T]]) -> T:
        while True:
            try:
                return await self._world.ask(question)
            except (StoreError, NotFound) as e:
                self._world.say(f"client hears: {e.message}")
                await asyncio.sleep(self._world.rng.uniform(0.1, 2))


async def _admitted(submission: Awaitable[object]) -> Job:
    admission = await submission
    job: Job = admission.job  # type: ignore[attr-defined]
    return job

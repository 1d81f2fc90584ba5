"""The jobs of one owner, as a handler may read them."""

from dataclasses import dataclass

from kaboom.errors import NotFound
from kaboom.jobs.model import Chunk, Job
from kaboom.jobs.postgres.port import JobHistory


@dataclass(frozen=True, slots=True)
class OwnHistory:
    """Reads the ledger's jobs of one owner; a job of somebody else does not exist for it."""

    history: JobHistory
    owner: str

    async def load(self, queue: str, job_id: str) -> Job:
        """Return a job of a queue.

        Raises:
            NotFound: the owner has no such job.
            StoreError: the ledger is unavailable.

        """
        job = await self.history.load(queue, job_id)
        if job is None or job.owner != self.owner:
            raise NotFound(f"job {job_id} does not exist in queue {queue}")
        return job

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        """Return the planned chunks of a job of a queue; raises as `load`."""
        await self.load(queue, job_id)
        return await self.history.load_chunks(job_id)

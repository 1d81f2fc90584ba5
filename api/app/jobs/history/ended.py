"""Jobs that ended, as they were last read: they never change again, and lists show mostly these."""

from collections import OrderedDict
from collections.abc import Iterable

from app.jobs.model import Job

#: Some 2 KB each.
_MOST = 1000


class EndedJobs:
    """The most recently listed jobs that are final; it knows nothing of whether they still exist."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def find(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Return those that are known."""
        return {job_id: self._jobs[job_id] for job_id in job_ids if job_id in self._jobs}

    def keep(self, jobs: Iterable[Job]) -> None:
        """Take note of the final ones of some jobs; the ones not listed for longest are forgotten."""
        for job in jobs:
            if job.status.is_final:
                self._jobs[job.job_id] = job
                self._jobs.move_to_end(job.job_id)
        while len(self._jobs) > _MOST:
            self._jobs.popitem(last=False)

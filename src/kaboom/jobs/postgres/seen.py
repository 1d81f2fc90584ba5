"""A cache of job rows, so that a list reads only the rows that have changed."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from kaboom.jobs.model import Job

#: About 2 KB each.
_MOST = 1000


class SeenJobs:
    """The most recently listed jobs, each with the version of its row: PostgreSQL's `xmin`, new with every change."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, tuple[str, Job]] = OrderedDict()

    def find(self, versions: Mapping[str, str]) -> dict[str, Job]:
        """Return the cached jobs whose version is the same; a job is the same object each time."""
        known = [(job_id, self._jobs.get(job_id), version) for job_id, version in versions.items()]
        return {job_id: seen[1] for job_id, seen, version in known if seen and seen[0] == version}

    def keep(self, read: Iterable[tuple[str, Job]]) -> None:
        """Cache jobs with their versions; the jobs that were cached longest ago are evicted."""
        for version, job in read:
            self._jobs[job.job_id] = version, job
            self._jobs.move_to_end(job.job_id)
        while len(self._jobs) > _MOST:
            self._jobs.popitem(last=False)

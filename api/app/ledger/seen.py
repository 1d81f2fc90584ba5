"""Rows of jobs as they were last read, so that a list reads again only those that have changed."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from app.jobs.model import Job

#: Some 2 KB each.
_MOST = 1000


class SeenJobs:
    """The most recently listed jobs, each with the version of its row: PostgreSQL's `xmin`, new with every change."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, tuple[str, Job]] = OrderedDict()

    def find(self, versions: Mapping[str, str]) -> dict[str, Job]:
        """Return those of some jobs that are known in just this version; the very object each time."""
        known = [(job_id, self._jobs.get(job_id), version) for job_id, version in versions.items()]
        return {job_id: seen[1] for job_id, seen, version in known if seen and seen[0] == version}

    def keep(self, read: Iterable[tuple[str, Job]]) -> None:
        """Take note of versions and jobs; those that were not read for longest are forgotten."""
        for version, job in read:
            self._jobs[job.job_id] = version, job
            self._jobs.move_to_end(job.job_id)
        while len(self._jobs) > _MOST:
            self._jobs.popitem(last=False)

"""The rows that live pages show, and which of them have changed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kaboom.jobs.model import JobStatus

#: The row of a running job is sent again after this long without a change: it shows how long the job has run.
_AGAIN_S = 4.0
#: Rows that are neither listed nor sent for this long are dropped.
_KEPT_S = 120.0


@dataclass(frozen=True, slots=True)
class _Shown:
    text: bytes
    sent_at: float


class ShownRows:
    """The rows that were last sent."""

    def __init__(self) -> None:
        self._rows: dict[str, _Shown] = {}
        self._is_new = True

    def keep(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Store some jobs as sent now."""
        now = time.monotonic()
        self._rows |= {job["job_id"]: _Shown(orjson.dumps(job), now) for job in jobs}

    def changed(self, jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Return the jobs whose rows have changed, by id, and store them as sent.

        The first call returns none: the pages have just been rendered.
        """
        now = time.monotonic()
        self._rows = {i: row for i, row in self._rows.items() if i in jobs or now - row.sent_at < _KEPT_S}
        news = {job_id: job for job_id, job in jobs.items() if self._is_news(job, now)}
        self.keep(list(news.values()))
        is_first, self._is_new = self._is_new, False
        return {} if is_first else news

    def _is_news(self, job: Mapping[str, Any], now: float) -> bool:
        known = self._rows.get(job["job_id"])
        if known is None or known.text != orjson.dumps(job):
            return True
        return job["status"] == JobStatus.RUNNING and now - known.sent_at >= _AGAIN_S

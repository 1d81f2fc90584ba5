"""The rows that live pages show: which have changed, and their text."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.dashboard.shapes.job_rows import JobRow

#: A running job's row is sent again after so long without news: it says how long the job has been running.
_AGAIN_S = 5.0
#: How long the row of a job that has ended is sent to pages that open.
_ENDED_S = 120.0


@dataclass(slots=True)
class _Shown:
    job: Mapping[str, Any]
    text: str
    html: str
    at: float

    @property
    def is_over(self) -> bool:
        return JobRow(self.job).is_final


class ShownRows:
    """The rows of jobs that are open, or ended a short while ago."""

    def __init__(self) -> None:
        self._rows: dict[str, _Shown] = {}

    def shown(self) -> str:
        """Return all rows, for a page that has just opened."""
        return "".join(row.html for row in self._rows.values())

    def open_jobs(self) -> list[Mapping[str, Any]]:
        """Return the jobs that were open at the last look."""
        return [row.job for row in self._rows.values() if not row.is_over]

    def changed(self, jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the jobs whose rows would say something else; forget those that ended long ago."""
        now = time.monotonic()
        for job_id in [i for i, row in self._rows.items() if row.is_over and now - row.at > _ENDED_S]:
            del self._rows[job_id]
        return [job for job in jobs if self._is_news(job, now)]

    def keep(self, jobs: Sequence[Mapping[str, Any]], html: Sequence[str]) -> str:
        """Keep the rows of some jobs, and return them as one text."""
        now = time.monotonic()
        for job, row in zip(jobs, html, strict=True):
            self._rows[job["job_id"]] = _Shown(job, _text_of(job), row, now)
        return "".join(html)

    def forget(self, job_ids: Sequence[str]) -> None:
        """Drop the rows of jobs that are gone."""
        for job_id in job_ids:
            self._rows.pop(job_id, None)

    def _is_news(self, job: Mapping[str, Any], now: float) -> bool:
        known = self._rows.get(job["job_id"])
        if known is None or known.text != _text_of(job):
            return True
        return job["status"] == "running" and now - known.at >= _AGAIN_S


def _text_of(job: Mapping[str, Any]) -> str:
    return orjson.dumps(job).decode()

"""A job of the API as a row of a table: its page, its title, and its outcomes."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from kaboom.analysis.results import AnalysisResult
from kaboom.backtest.report.text import short_parameters
from kaboom.catalog import CATALOG
from kaboom.dashboard.links import link_to
from kaboom.ingest.results import IngestResult
from kaboom.jobs.api.view import JobView, QueueStats
from kaboom.jobs.model import writes_bars
from kaboom.jobs.results import OfProvider, OfSession, OfSpans, PlannedResult, list_facts
from kaboom.market.outcome import Outcome, is_fine

#: The reference of a job in forms: the queue as in paths, and the id.
_REFERENCE = re.compile(r"[a-z][a-z-]{0,30}/[0-9a-f]{32}")
_LINK = re.compile(r"/api/v1/([a-z][a-z-]{0,30})/jobs/([0-9a-f]{32})")
_PAPER = "backtest.paper"
#: The pages for the results of a queue.
_OWN_PAGES: Mapping[str, str] = {"backtest": "/backtests", "ai_analysis": "/analyses"}
#: The mark of each state: its kind, which selects the colour, and its shape.
MARKS: Mapping[str, tuple[str, str]] = {
    "queued": ("idle", "wait"),
    "running": ("run", "run"),
    "cancelling": ("run", "stop"),
    "completed": ("ok", "ok"),
    "partial": ("warn", "partial"),
    "failed": ("bad", "bad"),
    "cancelled": ("idle", "stop"),
}
#: The area of each outcome in a proportion bar, in the order of the bar; any other outcome is a fault.
AREAS: Mapping[str, str] = {"ok": "f-ok", "no_trades": "f-ok2", "not_listed": "f-none", "rate_limited": "f-warn"}
_FAULT = "f-bad"
#: Fewer items say little about the speed.
_LEAST_ITEMS = 10
#: Widens the estimate on both sides: one job does not show how much the time varies.
_SPREAD = 1.25


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as pages show it; `job` is the API's."""

    job: JobView

    @property
    def reference(self) -> str:
        """The reference of the job in forms."""
        return self.path.removeprefix("/jobs/")

    @property
    def path(self) -> str:
        """The page of the job."""
        return job_page(self.job.queue, self.job.job_id)

    @property
    def own_page(self) -> str:
        """The page that shows the result of this kind of job; "" if the page of the job shows it."""
        if self.job.task == _PAPER:
            portfolio_id = (self.job.request or {}).get("portfolio_id")
            return f"/portfolios/{portfolio_id}/paper" if portfolio_id else ""
        folder = _OWN_PAGES.get(self.job.queue, "")
        return folder and f"{folder}/{self.job.job_id}"

    @property
    def own_page_name(self) -> str:
        """What the link to `own_page` says, as a key of the labels `job_page`."""
        return "paper" if self.job.task == _PAPER else self.job.queue

    @property
    def short_id(self) -> str:
        """The first 8 characters of the id."""
        return self.job.job_id[:8]

    @property
    def mark(self) -> tuple[str, str]:
        """The kind and the shape of its state."""
        return MARKS[self.job.status]

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.job.status.is_final

    @property
    def result(self) -> Mapping[str, Any]:
        """Its result, or {} without one."""
        return self.job.result or {}

    def has(self, model: type[BaseModel]) -> bool:
        """Return whether the job has a result, and results of its kind of job are of this model or a subclass."""
        expected = CATALOG.result_of(self.job.task)
        return bool(self.result) and expected is not None and issubclass(expected, model)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The fields of a result without outcomes, and their values as text."""
        known = {name: value for name, value in self.result.items() if value is not None}
        return [] if self.has(PlannedResult) else list_facts(known)

    @property
    def provider(self) -> str:
        """The provider of its bars; "" if its result has none."""
        has_provider = self.has(OfProvider) or self.has(AnalysisResult)
        return self.result.get("provider") or "" if has_provider else ""

    @property
    def universe(self) -> Mapping[str, Any] | None:
        """The source of its symbols; None if the job is no ingest."""
        return self.result.get("universe") if self.has(IngestResult) else None

    @property
    def counts(self) -> Mapping[str, int]:
        """Its further counts, such as quality flags."""
        return self.result["counts"] if self.has(PlannedResult) else {}

    @property
    def intervals(self) -> str:
        """The intervals of its request, such as `1m, 1d`."""
        return ", ".join(self.job.intervals or {})

    @property
    def parameters(self) -> str:
        """The parameters of a backtest's strategy, such as `10/20`; "" without any."""
        subject = self.job.subject
        return short_parameters(subject.strategy or "", subject.parameters)

    @property
    def sessions(self) -> tuple[str, str, int] | None:
        """The first and the last session, and how many there are; None if the job has no sessions."""
        if self.has(OfSpans) and (spans := self.result.get("sessions", {}).values()):
            widest = max(spans, key=lambda each: (each.get("count", 1), each["last"]))
            return widest["first"], widest["last"], widest.get("count", 2 if widest["first"] != widest["last"] else 1)
        session = self.result.get("session") if self.has(OfSession) or self.has(AnalysisResult) else None
        return (session, session, 1) if session else None

    @property
    def faults(self) -> list[tuple[str, int]]:
        """The outcomes that are faults, with their counts, the most frequent first."""
        return sorted(((word, n) for word, n in self.outcomes if n and not is_fine(word)), key=lambda each: -each[1])

    @property
    def will_repeat(self) -> bool:
        """Whether a retry will fail for the same cause: all that failed is in the provider's data or in a file."""
        return bool(self.faults) and all(word == Outcome.INVALID for word, _ in self.faults)

    def rejected_rows(self, interval: str | None = None, symbol: str = "") -> str:
        """Return the link to its rejected rows of an interval, by default its first one; "" if it rejected none."""
        if not self.counts.get("quarantined"):
            return ""
        shown = interval or next(iter(self.job.intervals or {}), "")
        return link_to("/quarantine", interval=shown, provider=self.provider, symbol=symbol)

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """Its outcomes with their counts, in the order of the proportion bar."""
        order = list(AREAS)
        found = self.result["outcomes"].items() if self.has(PlannedResult) else ()
        return sorted(found, key=lambda each: order.index(each[0]) if each[0] in order else len(order))

    @property
    def has_bars(self) -> bool:
        """Whether it writes bars, as far as its queue and its progress say; a sweep has none."""
        return writes_bars(self.job.queue, self.job.progress.rows)

    @property
    def counted(self) -> tuple[int, int]:
        """How many items are done, and how many there are; of a sweep its trials, without the step that ends it."""
        progress = self.job.progress
        trials = self.result.get("trials") if self.job.task == "backtest.sweep" else None
        return (min(progress.done, trials), trials) if trials else (progress.done, progress.total)

    @property
    def area(self) -> str:
        """The colour of the finished part: muted once the job has ended."""
        return "f-ok" if self.is_final else "f-run"

    @property
    def retry_count(self) -> int:
        """How many items a retry would run again."""
        return self.job.progress.failed + self.job.progress.cancelled


def area_of(outcome: str) -> str:
    """Return the area of an outcome in a proportion bar."""
    return AREAS.get(outcome, _FAULT)


def sum_states(queues: Iterable[QueueStats]) -> Mapping[str, int]:
    """Return the jobs by state of some queues of the API's statistics."""
    total = Counter[str]()
    for queue in queues:
        total.update(queue.by_status)
    return total


def is_reference(text: str) -> bool:
    """Return whether a text is the reference of a job."""
    return _REFERENCE.fullmatch(text) is not None


def job_page(queue: str, job_id: str) -> str:
    """Return the page of a job of a queue."""
    return f"/jobs/{queue.replace('_', '-')}/{job_id}"


def page_of(link: str) -> str:
    """Return the page of a job for the API link `/api/v1/{queue}/jobs/{id}`; "" for any other link."""
    found = _LINK.fullmatch(link)
    return f"/jobs/{found[1]}/{found[2]}" if found else ""


def api_path(reference: str) -> str:
    """Return the API path of a job for its reference in forms."""
    queue, _, job_id = reference.partition("/")
    return f"/api/v1/{queue}/jobs/{job_id}"


def estimate_s(jobs: Iterable[JobView], *, provider: str, interval: str, symbols: int) -> tuple[float, float] | None:
    """Return the least and the most seconds for some symbols, from jobs of the API; None without a similar job."""
    found = [
        (job.completed_at - job.started_at).total_seconds() / job.progress.total * symbols
        for job in jobs
        if (job.result or {}).get("provider") == provider
        and interval in (job.intervals or {})
        and job.progress.total >= _LEAST_ITEMS
        and job.started_at
        and job.completed_at
    ]
    return (min(found) / _SPREAD, max(found) * _SPREAD) if found else None

"""Jobs: their queues, their states and transitions, their chunks, and the tally of a chunk; does no I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from kaboom.jobs.runs import ChunkRun

#: The weight of a sample falls with its age: after this long it is 37 %.
SMOOTHED_S = 10.0
#: Shorter than this, a sample is mostly chance.
SHORTEST_S = 0.5
#: Standard deviations on either side: a job ends within the range in four of five cases.
_WIDTH = 1.28
#: The widest range to show: from a third of the likely time to three times as long.
_MOST_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class Pace:
    """A smoothed rate.

    Attributes:
        rate: items settled per second.
        spread: the variance of the number settled in one second; None before the second sample.

    """

    rate: float
    spread: float | None = None

    def after(self, items: float, seconds: float) -> "Pace":
        """Return the pace after another sample: `items` settled in `seconds`. The Lua prelude does the same."""
        weight = 1 - math.exp(-seconds / SMOOTHED_S)
        surprise = (items - self.rate * seconds) ** 2 / seconds
        spread = surprise if self.spread is None else self.spread + weight * (surprise - self.spread)
        return Pace(self.rate + weight * (items / seconds - self.rate), spread)


def foresee(left: int, pace: Pace, *, seen_s: float) -> tuple[float, float] | None:
    """Return the shortest and longest probable seconds until `left` more items are settled; None if little is known.

    Two things vary: the measured rate, which covers the last 20 s at most (`seen_s` is how long the job has run), and
    the rate from now on. The spread gives the variance of both.
    """
    if pace.spread is None or pace.rate <= 0 or seen_s <= 0:
        return None
    likely_s = left / pace.rate
    if likely_s <= 0:
        return 0.0, 0.0
    if not math.isfinite(likely_s):
        return None
    known_s = min(seen_s, 2 * SMOOTHED_S)
    deviation = math.sqrt(pace.spread * (1 / likely_s + 1 / known_s)) / pace.rate
    if _WIDTH * deviation > math.log(_MOST_FACTOR):
        # A wider range is of no use, and for a job that hangs the factor would overflow.
        return None
    factor = math.exp(_WIDTH * deviation)
    return likely_s / factor, likely_s * factor


class Queue(StrEnum):
    """A queue: the key of its messages and of its live state, and a part of its paths."""

    INGEST = "ingest"
    AI_ANALYSIS = "ai_analysis"
    BACKTEST = "backtest"
    MARKET_DATA = "market_data"
    NOTIFICATIONS = "notifications"

    @property
    def path(self) -> str:
        """Where the API submits its jobs, and the name of its commands: `market-data`."""
        return self.value.replace("_", "-")

    @property
    def root(self) -> str:
        """The path that its routes begin with."""
        return f"/api/v1/{self.path}"

    @property
    def chunk_name(self) -> str:
        """The Celery task that runs a chunk of any of its jobs: the job's record names the handler."""
        return f"{self.value}.chunk"


#: The queues of jobs that users submit or schedule: lists for people leave the others out unless asked. Kaboom submits
#: each job of `notifications` itself.
USER_QUEUES = tuple(queue for queue in Queue if queue is not Queue.NOTIFICATIONS)

_BAR_QUEUES = (Queue.INGEST, Queue.MARKET_DATA)


def writes_bars(queue: str, rows: int) -> bool:
    """Return whether a job writes bars, as far as its queue and the rows of its progress say; a sweep has none."""
    return queue in _BAR_QUEUES or bool(rows)


def jobs_path(queue: str) -> str:
    """Return the path of the jobs of a queue."""
    return f"/api/v1/{queue.replace('_', '-')}/jobs"


def job_links(queue: str, job_id: str) -> dict[str, str]:
    """Return the paths of a job, by name: its own, and those of what it has and of what it can be asked to do."""
    here = f"{jobs_path(queue)}/{job_id}"
    names = ("events", "logs", "failures", "chunks", "cancel", "retry")
    return {"self": here} | {name: f"{here}/{name}" for name in names}


#: A range of the remaining time is shown only after this many items are settled.
LEAST_FOR_RANGE = 10
#: The name of the step that plans a job; it is claimed, leased and retried like any chunk.
PLAN = "plan"
#: The fields of a job that count items, bars and chunks.
COUNTS = ("total", "done", "failed", "cancelled", "written", "rows", "chunks_total", "chunks_done", "dead")


class JobStatus(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job will never change again."""
        return not TRANSITIONS[self]


#: The states that each state may change to. A final state never changes: a retry is a new job.
TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.CANCELLING, JobStatus.COMPLETED, JobStatus.PARTIAL, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.PARTIAL: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


class ChunkState(StrEnum):
    """The state of a chunk."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the chunk will never run again."""
        return self in {ChunkState.DONE, ChunkState.DEAD, ChunkState.CANCELLED}


def settle_status(*, written: int, failed: int, is_cancelled: bool) -> JobStatus:
    """Return the final state of a job whose chunks have all ended.

    If no item failed, the job is `completed`. If items failed, it is `partial` if it wrote something, else `failed`.
    """
    if is_cancelled:
        return JobStatus.CANCELLED
    if failed == 0:
        return JobStatus.COMPLETED
    return JobStatus.PARTIAL if written > 0 else JobStatus.FAILED


def describe_given_up(attempts: int, cause: str) -> str:
    """Return the message of a chunk that was given up, and of each item that it left unsettled."""
    text = f"given up after {attempts} attempt{'' if attempts == 1 else 's'}"
    return f"{text}: {cause}" if cause else text


def describe_failed_items(*, failed: int, total: int, cause: str) -> dict[str, Any]:
    """Return the `error` of a job in which items failed."""
    text = f"{failed} of {total} items failed"
    return {"type": "items_failed", "message": f"{text}; first cause: {cause}" if cause else text}


@dataclass(frozen=True, slots=True)
class ItemNote:
    """An item (a symbol) whose outcome is not a plain success."""

    item: str
    outcome: str
    message: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """The progress of a chunk, in absolute values, so that a repeated report is not counted twice.

    Attributes:
        cursor: number of items settled; a chunk that runs again continues from here.
        done: items whose outcome is fine. failed: the others. `done + failed == cursor`.
        written: items of `done` for which something was written.
        rows: bars written.
        outcomes: how many items ended with each outcome.
        counts: further named counts, such as quality flags.
        notes: every settled item whose outcome is not a plain success.
        cause: why the first failed item failed; for a chunk that was given up, why it was given up.

    """

    cursor: int = 0
    done: int = 0
    failed: int = 0
    written: int = 0
    rows: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[ItemNote, ...] = ()
    cause: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the tally as JSON types."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["outcomes"] = dict(self.outcomes)
        values["counts"] = dict(self.counts)
        values["notes"] = [[n.item, n.outcome, n.message, n.attempts] for n in self.notes]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Tally":
        """Return the tally that `to_json` wrote."""
        # Lua's cjson writes an empty array as {}, too.
        notes = values.get("notes") or []
        return cls(
            **{k: int(values.get(k, 0)) for k in ("cursor", "done", "failed", "written", "rows")},
            outcomes=dict(values.get("outcomes") or {}),
            counts=dict(values.get("counts") or {}),
            notes=tuple(ItemNote(*note) for note in notes),
            cause=values.get("cause") or "",
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some items of a job: the unit of claim, checkpoint and retry. `payload` belongs to the task.

    `error` is why the chunk was given up; only the live record has it. The ledger keeps it as the tally's `cause`.
    """

    n: str
    items: tuple[str, ...]
    payload: Mapping[str, Any]
    state: ChunkState = ChunkState.QUEUED
    tally: Tally = field(default_factory=Tally)
    attempts: int = 0
    error: str = field(default="", compare=False)
    #: Its newest runs, oldest first.
    runs: tuple[ChunkRun, ...] = field(default=(), compare=False)

    @property
    def lost(self) -> int:
        """The number of items that will never have an outcome, because the chunk was given up."""
        return len(self.items) - self.tally.cursor if self.state is ChunkState.DEAD else 0

    def left_over(self, outcome: str, message: str) -> Tally:
        """Return the tally of a dead chunk, in which every unsettled item has failed with `outcome`."""
        rest = self.items[self.tally.cursor :]
        notes = tuple(ItemNote(item, outcome, message, self.attempts) for item in rest)
        outcomes = dict(self.tally.outcomes)
        if rest:
            outcomes[outcome] = outcomes.get(outcome, 0) + len(rest)
        return replace(
            self.tally,
            cursor=len(self.items),
            failed=self.tally.failed + len(rest),
            outcomes=outcomes,
            notes=self.tally.notes + notes,
            cause=message if rest else self.tally.cause,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as its caller sees it. Times are aware UTC.

    `total`, `done`, `failed`, `cancelled` and `written` count items, `rows` counts bars, and `chunks_total`,
    `chunks_done` and `dead` count chunks.
    """

    job_id: str
    queue: str
    task: str
    owner: str
    request: Mapping[str, Any]
    status: JobStatus = JobStatus.QUEUED
    parent_id: str | None = None
    attempt: int = 1
    requested_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    updated_at: datetime | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    written: int = 0
    rows: int = 0
    chunks_total: int = 0
    chunks_done: int = 0
    dead: int = 0
    rate: float | None = None
    #: The variance of the items settled in one second; the ledger does not keep it.
    rate_spread: float | None = field(default=None, compare=False)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    version: int = 0
    paused_until: datetime | None = None
    pause_reason: str | None = None
    #: The outcome of items whose chunk was given up; the ledger does not keep it.
    lost_item: str = field(default="lost", compare=False)

    @property
    def shown_result(self) -> dict[str, Any] | None:
        """The result of a job without chunks, else the plan and the totals; the type's `result` is the model of it."""
        if self.result is not None:
            return dict(self.result)
        if self.plan is None:
            return None
        return {**self.plan, "rows": self.rows, "outcomes": dict(self.outcomes), "counts": dict(self.counts)}

    @property
    def is_live(self) -> bool:
        """Whether this is the live record; the ledger's record has no version."""
        return self.version > 0

    @property
    def settled(self) -> int:
        """Items that have an outcome."""
        return self.done + self.failed

    @property
    def eta_s(self) -> float | None:
        """The seconds until the last item is settled at the present rate; None before 5 % of the items are settled."""
        if self.status.is_final or not self.rate or self.settled < self.total * 0.05:
            return None
        return (self.total - self.settled) / self.rate

    @property
    def eta_range_s(self) -> tuple[float, float] | None:
        """The probable range of `eta_s`; None while `eta_s` is None, or before ten items are settled."""
        if self.eta_s is None or self.settled < LEAST_FOR_RANGE or not self.started_at or not self.updated_at:
            return None
        seen_s = (self.updated_at - self.started_at).total_seconds()
        return foresee(self.total - self.settled, Pace(self.rate or 0.0, self.rate_spread), seen_s=seen_s)

    def pause_left_s(self, now: datetime) -> float:
        """Return the seconds until the chunks that wait for a provider or a store may run again; 0 if none waits."""
        if self.status.is_final or self.paused_until is None:
            return 0.0
        return max(0.0, (self.paused_until - now).total_seconds())

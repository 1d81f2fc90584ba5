"""The five queues that workers consume."""

from enum import StrEnum


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

"""Follow a job until it ends: with a bar on a terminal, else with a line when something has changed."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from kaboom.cli.client import ApiClient
from kaboom.cli.exits import BY_STATUS, CliError, Exit
from kaboom.cli.lookup import QueuedJob
from kaboom.cli.output.headline import describe_progress
from kaboom.cli.output.standstill import Standstill
from kaboom.cli.session import Session

_POLL_S = 0.25
_LINE_S = 2.0
_AWAY_S = 30.0
_COUNTS = ("done", "failed", "cancelled", "rows", "total", "paused_until")


def watch_job(
    session: Session,
    client: ApiClient,
    job_id: str,
    *,
    timeout_s: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Return the job when it is final, or as it is when `should_stop` turns true.

    If the server does not answer, it is asked again for 30 s: the job continues meanwhile.

    Raises:
        CliError: the time is up, the job does not exist, or the server does not answer for 30 s.

    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    queued = QueuedJob(client, job_id)
    standstill = Standstill(queued, client)
    with _display(session) as show:
        while True:
            job = _load(session, queued)
            show(job, standstill.explain(job))
            if job["status"] in BY_STATUS or should_stop():
                return job
            if deadline is not None and time.monotonic() > deadline:
                message = session.words.say(
                    "stopped waiting after {timeout_s:g} s; the job goes on: kaboom jobs watch {job_id}",
                    timeout_s=timeout_s,
                    job_id=job_id,
                )
                raise CliError(Exit.TIMED_OUT, message)
            time.sleep(_POLL_S)


def _load(session: Session, queued: QueuedJob) -> dict[str, Any]:
    deadline, is_reported = time.monotonic() + _AWAY_S, False
    while True:
        try:
            job: dict[str, Any] = queued.call("GET")
        except CliError as e:
            if e.code is not Exit.UNAVAILABLE or time.monotonic() > deadline:
                raise
            if not is_reported:
                session.say("{reason}; asking again for {seconds:.0f} s", reason=e.message, seconds=_AWAY_S)
                is_reported = True
            time.sleep(1)
        else:
            return job


def _display(session: Session) -> AbstractContextManager[Callable[[dict[str, Any], str], None]]:
    if sys.stderr.isatty():
        from kaboom.cli.output.bar import open_bar  # noqa: PLC0415  with what draws bars

        return open_bar(session)
    return nullcontext(_Lines(session))


class _Lines:
    """A line on stderr when the state changes or why the job stands still, and of its counts every two seconds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown = ("", "")
        self._counts: list[Any] = []
        self._shown_at = 0.0

    def __call__(self, job: dict[str, Any], why: str) -> None:
        now, shown = time.monotonic(), (job["status"], why)
        # The estimates of a job that stands still change all the time.
        counts = [job["progress"].get(name) for name in _COUNTS]
        if shown == self._shown and (counts == self._counts or now - self._shown_at < _LINE_S):
            return
        self._shown, self._counts, self._shown_at = shown, counts, now
        words = self._session.words
        self._session.tell(f"{words.coded('job', job['status']):<10} {describe_progress(words, job, why)}".rstrip())

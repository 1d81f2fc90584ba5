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
from kaboom.cli.session import Session
from kaboom.jobs.model import Queue

_POLL_S = 0.25
_LINE_S = 2.0
_AWAY_S = 30.0
_COUNTS = ("done", "failed", "cancelled", "rows", "total", "paused_until")
#: The server is asked whenever the progress has been the same for this long.
_STILL_S = 4.0
_ANSWER_S = 3.0
_PARTS = ("database", "redis", "broker", "bars")


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


class Standstill:
    """Finds out why a job that is polled makes no progress."""

    def __init__(self, queued: QueuedJob, client: ApiClient) -> None:
        self._queued = queued
        self._client = client
        self._log = {"level": "info"}
        self._is_compiling = False
        self._progress: tuple[Any, ...] = ()
        self._since = 0.0
        self._reason = ""

    def explain(self, job: dict[str, Any]) -> str:
        """Return the reason; "" if there is progress, or none is known."""
        counts = (job["progress"][name] for name in ("done", "failed", "cancelled", "rows"))
        now, progress = time.monotonic(), (job["status"], *counts)
        if progress != self._progress:
            self._progress, self._reason, self._since = progress, "", now
        elif now - self._since >= _STILL_S:
            self._reason = find_unready(self._client) or self._find_wait(job)
            self._since = time.monotonic()
        return self._reason

    def _find_wait(self, job: dict[str, Any]) -> str:
        """Return what a backtest waits for, by the lines that its log has got."""
        if job.get("queue") != Queue.BACKTEST:
            return ""
        try:
            page = self._queued.call("GET", "/logs", params=self._log)
        except CliError:
            return ""
        self._log["after"] = page["after"]
        for event in (line["event"] for line in page["items"] if line["event"].startswith("kernel_")):
            self._is_compiling = event == "kernel_compiling"
        return (
            self._client.words.say("the worker compiles the fill model, once on its machine")
            if self._is_compiling
            else ""
        )


def find_unready(client: ApiClient) -> str:
    """Return the parts that `/readyz` reports as not ready, in a sentence; "" if all are, or it does not answer."""
    try:
        said = client.readiness(timeout_s=_ANSWER_S)
        parts, workers = said["parts"], said["workers_online"]
        # A full disk is the reason why other parts are unavailable.
        names = ["disk"] if "disk" in parts else [name for name in _PARTS if name in parts]
        faults = [parts[name]["detail"] for name in names if not parts[name]["is_ok"]]
    except (CliError, KeyError, TypeError):
        return ""
    words = client.words
    if not faults and not workers:
        return words.say("no worker is online: kaboom worker")
    # A broker on the same Redis has the same fault.
    found = words.say(" · ").join(words.detail(fault) for fault in dict.fromkeys(faults))
    return words.say("not ready: {reason}", reason=found) if found else ""

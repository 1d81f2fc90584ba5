"""Following a job to its end: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.cli.client import ApiClient
from app.cli.exits import CliError, Exit
from app.cli.output.upkeep import unit_of
from app.cli.queued import QueuedJob
from app.cli.session import Session
from batch.kit.printable import clean

_POLL_S = 0.25
_LINE_S = 2.0
_FINAL = frozenset({"completed", "partial", "failed", "cancelled"})


def watch_job(
    session: Session,
    client: ApiClient,
    job_id: str,
    *,
    timeout_s: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Return the job when it is final, or as it is when `should_stop` turns true.

    A server that is away for a while is waited for: the job is safe, whoever watches.

    Raises:
        CliError: the time is up, the job is not known, or the server stays away for 30 s.

    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    queued = QueuedJob(client, job_id)
    with _display(session) as show:
        while True:
            job = _patient_get(queued)
            show(job)
            if job["status"] in _FINAL or should_stop():
                return job
            if deadline is not None and time.monotonic() > deadline:
                message = session.words.say("wait_timed_out", timeout_s=timeout_s, job_id=job_id)
                raise CliError(Exit.TIMED_OUT, message)
            time.sleep(_POLL_S)


def _patient_get(queued: QueuedJob) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        try:
            job: dict[str, Any] = queued.call("GET")
        except CliError as e:
            if e.code is not Exit.UNAVAILABLE or time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return job


def _display(session: Session) -> AbstractContextManager[Callable[[dict[str, Any]], None]]:
    if sys.stderr.isatty():
        return _Bar(session)
    return nullcontext(_Lines(session))


class _Bar:
    """A live progress bar on stderr."""

    def __init__(self, session: Session) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=32),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=session.err,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        self._progress.start()
        self._task = self._progress.add_task("queued", text="", total=None)
        return self._show

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def _show(self, job: dict[str, Any]) -> None:
        progress = job["progress"]
        if self._task is not None:
            self._progress.update(
                self._task,
                description=clean(job["status"]),
                total=progress["total"] or None,
                completed=progress["done"] + progress["failed"] + progress["cancelled"],
                text=clean(describe(job)),
            )


class _Lines:
    """A line on stderr when the state changes, and every two seconds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._status = ""
        self._shown_at = 0.0

    def __call__(self, job: dict[str, Any]) -> None:
        now = time.monotonic()
        if job["status"] == self._status and now - self._shown_at < _LINE_S:
            return
        self._status, self._shown_at = job["status"], now
        self._session.tell(f"{job['status']:<10} {describe(job)}")


def describe(job: dict[str, Any]) -> str:
    """Return a job's progress in a line: symbols or files, rows, rate, time to go, failures."""
    progress = job["progress"]
    settled = progress["done"] + progress["failed"]
    parts = [f"{settled:,}/{progress['total']:,} {unit_of(job)}", f"{progress['rows']:,} rows"]
    if progress["rate"]:
        parts.append(f"{progress['rate']:,.0f}/s")
    if progress["eta_s"] is not None:
        parts.append(f"ETA {progress['eta_s']:.0f} s")
    parts.append(f"{progress['failed']:,} failed")
    if progress.get("paused_until"):
        parts.append(f"paused until {progress['paused_until'][11:19]} UTC: {progress['pause_reason']}")
    return " · ".join(parts)

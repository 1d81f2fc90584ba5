"""Why a job makes no progress: parts that `/readyz` reports as not ready, or a wait that the job's log names."""

import time
from typing import Any

from kaboom.cli.client import ApiClient
from kaboom.cli.exits import CliError
from kaboom.cli.lookup import QueuedJob
from kaboom.jobs.queues import Queue

#: The server is asked whenever the progress has been the same for this long.
_STILL_S = 4.0
_ANSWER_S = 3.0
_PARTS = ("database", "redis", "broker", "bars")


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
        now, progress = time.monotonic(), (job["status"], *_count(job))
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


def _count(job: dict[str, Any]) -> tuple[int, ...]:
    return tuple(job["progress"][name] for name in ("done", "failed", "cancelled", "rows"))

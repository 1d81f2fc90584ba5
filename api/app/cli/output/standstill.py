"""Why a job makes no progress: the parts that `/readyz` reports as not ready."""

import time
from typing import Any

from app.cli.client import ApiClient
from app.cli.exits import CliError

#: The server is asked whenever the progress has been the same for this long.
_STILL_S = 4.0
_ANSWER_S = 3.0
_PARTS = ("database", "redis", "broker", "bars")


class Standstill:
    """Finds out why a job that is polled makes no progress."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._progress: tuple[Any, ...] = ()
        self._since = 0.0
        self._reason = ""

    def explain(self, job: dict[str, Any]) -> str:
        """Return the reason; "" if there is progress, or the server reports every part as ready."""
        now, progress = time.monotonic(), (job["status"], *_count(job))
        if progress != self._progress:
            self._progress, self._reason, self._since = progress, "", now
        elif now - self._since >= _STILL_S:
            self._reason = find_unready(self._client)
            self._since = time.monotonic()
        return self._reason


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
        return words.say("no_worker_online")
    # A broker on the same Redis has the same fault.
    found = words.say("join").join(words.detail(fault) for fault in dict.fromkeys(faults))
    return words.say("not_ready", reason=found) if found else ""


def _count(job: dict[str, Any]) -> tuple[int, ...]:
    return tuple(job["progress"][name] for name in ("done", "failed", "cancelled", "rows"))

"""Why a job makes no progress: the parts that `/readyz` reports as not ready."""

import time
from typing import Any

from app.words.speaker import Speaker

#: The server is asked when the progress has been the same for `_STILL_S`, and then every `_AGAIN_S`.
_STILL_S, _AGAIN_S = 4.0, 4.0
_ANSWER_S = 3.0
_PARTS = ("database", "redis", "broker", "bars")


class Standstill:
    """Finds out why a job that is polled makes no progress."""

    def __init__(self, words: Speaker, url: str) -> None:
        self._words, self._url = words, url
        self._progress: tuple[Any, ...] = ()
        self._asked_at = 0.0
        self._reason = ""

    def explain(self, job: dict[str, Any]) -> str:
        """Return the reason; "" if there is progress, or the server reports every part as ready."""
        now, progress = time.monotonic(), (job["status"], *_count(job))
        if progress != self._progress:
            self._progress, self._reason = progress, ""
            self._asked_at = now + _STILL_S - _AGAIN_S
        elif now - self._asked_at >= _AGAIN_S:
            self._reason = find_unready(self._words, self._url)
            self._asked_at = time.monotonic()
        return self._reason


def find_unready(words: Speaker, url: str) -> str:
    """Return the parts that `/readyz` reports as not ready, in a sentence; "" if all are, or it does not answer."""
    import httpx2  # noqa: PLC0415  completion does not need it

    try:
        answer = httpx2.get(f"{url}/readyz", timeout=_ANSWER_S, trust_env=not url.startswith("http://127."))
        said = answer.json()
        parts, workers = said["parts"], said["workers_online"]
        # A full disk is the reason why other parts are unavailable.
        names = ["disk"] if "disk" in parts else [name for name in _PARTS if name in parts]
        faults = [parts[name]["detail"] for name in names if not parts[name]["is_ok"]]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return ""
    if not faults and not workers:
        return words.say("no_worker_online")
    # A broker on the same Redis has the same fault.
    found = words.say("join").join(words.detail(fault) for fault in dict.fromkeys(faults))
    return words.say("not_ready", reason=found) if found else ""


def _count(job: dict[str, Any]) -> tuple[int, ...]:
    return tuple(job["progress"][name] for name in ("done", "failed", "cancelled", "rows"))

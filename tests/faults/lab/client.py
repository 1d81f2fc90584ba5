"""A caller of the lab's API that remembers what it was told."""

import itertools
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx2

from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, TOKEN
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import FINAL, until

#: A running chunk hears of a stop with its next beat, 5 s later at worst.
_STOPS_WITHIN_S = 8.0
_SESSION = date(2025, 10, 31)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission: the status code that came back (0: none came) and, after a 202, the job's id.

    `is_unsure` where a 503 says that the ledger did not answer in time: it may have taken the job all the same.
    """

    code: int
    job_id: str | None
    symbols: tuple[str, ...]
    is_unsure: bool = False


class Caller:
    """Submits jobs and keeps the history that the auditor holds the system to."""

    def __init__(self, url: str, *, timeout_s: float = 15.0) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=url, headers={"x-ingest-token": TOKEN}, timeout=timeout_s, trust_env=False)
        self.attempts: list[Attempt] = []
        #: The final states that a job may end in, where it is not `completed` alone.
        self.expected: dict[str, frozenset[str]] = {}
        #: Jobs that were deleted, with the symbols that they took.
        self.deleted: dict[str, tuple[str, ...]] = {}
        #: Where the job of an id is found.
        self._places: dict[str, str] = {}
        self._lock = threading.Lock()

    def try_submit(self, body: Mapping[str, Any], *, key: str | None = None, path: str = RUN_DAILY) -> Attempt:
        """Submit once, whatever comes of it; `path` takes the kind of job."""
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self.http.post(path, json=dict(body), headers=headers)
            code, told = answer.status_code, answer.json()
        except httpx2.HTTPError:
            code, told = 0, {}
        is_unsure = code == 503 and "no answer came" in told.get("detail", "")
        symbols = tuple(body.get("symbols", ()))
        attempt = Attempt(code, told.get("job_id") if code == 202 else None, symbols, is_unsure)
        with self._lock:
            self.attempts.append(attempt)
            if attempt.job_id:
                self._places[attempt.job_id] = answer.headers["location"]
        return attempt

    def submit(
        self,
        body: Mapping[str, Any],
        *,
        ends: Iterable[str] = ("completed",),
        key: str | None = None,
        path: str = RUN_DAILY,
    ) -> str:
        """Submit a job that must be accepted, and say in which states it may end."""
        attempt = self.try_submit(body, key=key, path=path)
        assert attempt.code == 202, attempt
        assert attempt.job_id is not None
        self.expected[attempt.job_id] = frozenset(ends)
        return attempt.job_id

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job; where it cannot be told right now it is asked for again."""

        def ask() -> dict[str, Any] | None:
            try:
                answer = self.http.get(self._place(job_id))
            except httpx2.HTTPError:
                return None
            assert answer.status_code in {200, 503}, f"{job_id}: {answer.status_code} {answer.text}"
            found: dict[str, Any] = answer.json()
            return found if answer.status_code == 200 else None

        found = until(ask, lambda answer: answer is not None, within_s=60, every_s=0.1)
        assert found is not None
        return found

    def wait(self, job_id: str, *, within_s: float = 90.0) -> dict[str, Any]:
        """Return a job when it is final."""
        return until(lambda: self.job(job_id), lambda j: j["status"] in FINAL, within_s=within_s, every_s=0.1)

    def cancel(self, job_id: str) -> int:
        """Ask a job to stop, and return the status code of the answer."""
        return self.http.post(f"{self._place(job_id)}/cancel").status_code

    def retry(self, job_id: str) -> str | None:
        """Retry a final job; return the id of what goes on with it, None where nothing is left or no answer came."""
        try:
            answer = self.http.post(f"{self._place(job_id)}/retry")
            code, told = answer.status_code, answer.json()
        except httpx2.HTTPError:
            code, told = 0, {}
        assert code in {0, 202, 404, 409, 503}, f"{job_id}: {code} {told}"
        child = told.get("job_id") if code == 202 else None
        is_unsure = code == 503 and "no answer came" in told.get("detail", "")
        with self._lock:
            if code in {0, 202, 503}:
                self.attempts.append(Attempt(code, child, (), is_unsure))
            if child:
                self.expected.setdefault(child, frozenset({"completed"}))
        return child

    def delete(self, job_id: str, symbols: tuple[str, ...], *, within_s: float = 60.0) -> None:
        """Delete a final job, as often as it takes."""

        def ask() -> int:
            try:
                return self.http.delete(self._place(job_id)).status_code
            except httpx2.HTTPError:
                return 0

        with self._lock:
            self.deleted[job_id] = symbols
        code = until(ask, lambda code: code in {204, 404}, within_s=within_s, every_s=0.3)
        assert code in {204, 404}

    def stop(self, job_id: str, *, within_s: float = _STOPS_WITHIN_S) -> float:
        """Cancel a job twice, wait for its end, which must be that, and return how long it took."""
        begun_at = time.monotonic()
        assert self.cancel(job_id) == 202
        assert self.cancel(job_id) in {202, 409}
        job = self.wait(job_id, within_s=30)
        took_s = time.monotonic() - begun_at
        assert took_s <= within_s * crowd()
        assert job["status"] == "cancelled"
        return took_s

    def _place(self, job_id: str) -> str:
        return self._places.get(job_id, f"{JOBS}/{job_id}")

    def close(self) -> None:
        """Release connections."""
        self.http.close()


class Requests:
    """Requests whose symbols no other request of the lab has: what one job leaves cannot hide what another loses."""

    def __init__(self) -> None:
        sections = (market for market in Market if market.is_section)
        # Made-up bars are of listed symbols alone. The iterator of a list, which callers in threads may share.
        self._codes = iter([symbol for each in sections for symbol in load_universe(each, _SESSION).symbols])

    def build(self, symbols: int = 6) -> dict[str, Any]:
        """Return a request of so many symbols, some twenty bars each."""
        codes = list(itertools.islice(self._codes, symbols))
        assert len(codes) == symbols, "the lab has no symbols left"
        return {"intervals": {"1h": 3}, "session": _SESSION.isoformat(), "symbols": codes}

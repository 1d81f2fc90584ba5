"""A token is changed under load, the API replaced process by process, and no call fails; without overlap some do."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import redis

from tests.fixtures.jobs.apps import JOBS, RUN_DAILY
from tests.fixtures.servers.front import Front, front
from tests.fixtures.servers.stacks import serving, until

pytestmark = pytest.mark.timeout(240)
OLD, NEW = "an-old-token-of-the-tests", "a-new-token-of-the-tests"
CALLERS = 4
#: Rounds of five calls that each caller makes in each phase.
ROUNDS = 5


class Caller:
    """Submits, repeats, lists and reads all the time, with a token that may be changed; keeps what failed."""

    def __init__(self, url: str) -> None:
        self.token = OLD
        self.calls = self.rounds = 0
        self.failures: Counter[str] = Counter()
        self._url = url
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caller")
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        # A connection for each call: one that is kept would stay with the process that it began with.
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(base_url=self._url, timeout=15, trust_env=False, limits=limits) as http:
            # With a breath between: a process that starts needs a core too.
            while not self._stopped.wait(0.05):
                self._make_round(http)
                self.rounds += 1

    def _make_round(self, http: httpx2.Client) -> None:
        body = {"intervals": {"1m": 1}, "symbols": ["7203"], "session": "2025-11-04"}
        key = {"Idempotency-Key": uuid.uuid4().hex}
        first = self._ask(http, "POST", RUN_DAILY, json=body, headers=key)
        again = self._ask(http, "POST", RUN_DAILY, json=body, headers=key)
        if first and again:
            self.failures["another job"] += again.json()["job_id"] != first.json()["job_id"]
            self._ask(http, "GET", first.headers["location"])
        page = self._ask(http, "GET", f"{JOBS}?limit=1")
        if page:
            # Given out by one process, and taken by another.
            self._ask(http, "GET", f"{JOBS}?limit=1&cursor={page.json()['next_cursor']}")

    def _ask(self, http: httpx2.Client, method: str, path: str, **options: Any) -> httpx2.Response | None:
        headers = {"x-ingest-token": self.token} | options.pop("headers", {})
        self.calls += 1
        try:
            answer = http.request(method, path, headers=headers, **options)
        except httpx2.HTTPError as e:
            self.failures[type(e).__name__] += 1
            return None
        if answer.status_code not in {200, 202}:
            self.failures[str(answer.status_code)] += 1
            return None
        return answer


class Service:
    """The API behind one port, replaced generation by generation as Cloud Run does it."""

    def __init__(self, entry: Front, start: Callable[[str], Any]) -> None:
        self._front = entry
        self._start = start
        self._now = ExitStack()
        self._port = 0

    def deploy(self, tokens: str, meanwhile: Callable[[], None]) -> None:
        """Start processes with these tokens; both generations serve `meanwhile`, then the older one ends."""
        with ExitStack() as started:
            api = started.enter_context(self._start(tokens))
            port, before = int(api.url.rpartition(":")[2]), self._port
            if before:
                self._front.send_to((before, port))
                meanwhile()
            self._front.send_to((port,))
            if before:
                self._front.drain(before)
            self._now.close()
            self._now, self._port = started.pop_all(), port

    def close(self) -> None:
        """End what serves."""
        self._now.close()


@contextmanager
def calling(port: int) -> Iterator[list[Caller]]:
    callers: list[Caller] = []
    try:
        callers += [Caller(f"http://127.0.0.1:{port}") for _ in range(CALLERS)]
        yield callers
    finally:
        for caller in callers:
            caller.stop()


def go_on(callers: list[Caller]) -> None:
    """Wait until each caller has made some more rounds."""
    wanted = [caller.rounds + ROUNDS for caller in callers]
    until(lambda: all(c.rounds >= n for c, n in zip(callers, wanted, strict=True)), bool, within_s=60)


def change_tokens(callers: list[Caller]) -> None:
    """Give the callers the new token, one after another."""
    for caller in callers:
        caller.token = NEW
        seen = caller.rounds
        until(partial(_has_gone_on, caller, seen), bool, within_s=60)


def _has_gone_on(caller: Caller, seen: int) -> bool:
    return caller.rounds > seen


@pytest.fixture
def service(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[tuple[Service, Front]]:
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    # No worker takes what is submitted.
    shared = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "DISABLE_CELERY": "false", "DISABLE_REDIS": "false"}
    with front() as entry:
        service = Service(entry, lambda tokens: serving(tmp_path / "data", **shared, INGEST_API_TOKEN=tokens))
        try:
            yield service, entry
        finally:
            service.close()


def total(callers: list[Caller]) -> tuple[int, Counter[str]]:
    # A sum of counters is without zeros.
    return sum(caller.calls for caller in callers), sum((caller.failures for caller in callers), Counter[str]())


def test_with_two_valid_tokens_no_call_fails(service: tuple[Service, Front]) -> None:
    api, entry = service
    api.deploy(OLD, meanwhile=lambda: None)
    with calling(entry.port) as callers:
        go_on(callers)
        api.deploy(f"{NEW} {OLD}", meanwhile=lambda: go_on(callers))
        change_tokens(callers)
        go_on(callers)
        api.deploy(NEW, meanwhile=lambda: go_on(callers))
        go_on(callers)
    calls, failures = total(callers)
    assert failures == Counter(), f"of {calls} calls"
    # Five phases of whole rounds, each call of which was made.
    assert calls >= CALLERS * 5 * ROUNDS * 5


def test_without_the_overlap_calls_fail(service: tuple[Service, Front]) -> None:
    api, entry = service
    api.deploy(OLD, meanwhile=lambda: None)

    def change() -> None:
        go_on(callers)
        change_tokens(callers)
        go_on(callers)

    with calling(entry.port) as callers:
        go_on(callers)
        api.deploy(NEW, meanwhile=change)
        go_on(callers)
    _, failures = total(callers)
    # The same load, the same replacing: either generation refuses the other's token, and its cursors.
    assert failures["401"] > CALLERS
    assert set(failures) <= {"400", "401"}

"""Analyses by models in workers that are killed in the middle of calls (row 61)."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter
from tests.fixtures.servers.stacks import until

ANALYSE = "/api/v1/ai-analysis/analyse"
SESSION = "2025-10-31"
JOBS, KILLS = 60, 3
#: Of an answer of the fake, in micro-dollars.
COST = 421
DEADLINE_S = 4


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeOpenRouter]:
    """A fake OpenRouter that thinks for a while."""
    with fake_openrouter() as server:
        server.slow_s = 1.0
        yield server


@pytest.fixture(scope="module")
def size(fake: FakeOpenRouter) -> Size:
    """Two workers, so that one can take over."""
    models = {"OPENROUTER_BASE_URL": fake.url, "OPENROUTER_API_KEY": KEY, "KABOOM_AI_MODELS": "slow/a slow/b"}
    return Size(workers=2, chunk_bars=240, env=models | {"KABOOM_AI_DEADLINE_S": str(DEADLINE_S)})


def read_rows(lab: Lab, table: str) -> list[dict[str, Any]]:
    with psycopg.connect(lab.database_url, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def kill_in_a_call(lab: Lab, fake: FakeOpenRouter, draw: random.Random) -> None:
    """Kill a worker while it waits for an answer, and start another in its place."""
    asked = len(fake.requests)
    until(lambda: len(fake.requests), lambda n: n > asked, within_s=30)
    worker = draw.choice(lab.workers)
    worker.kill()
    worker.spawn()
    worker.wait_ready()


@pytest.mark.timeout(400)
def test_no_content_is_paid_twice_and_the_budget_is_exact(lab: Lab, fake: FakeOpenRouter, measure: Measures) -> None:
    taken = lab.requests.build(JOBS) | {"intervals": {"1d": 40}}
    lab.caller.wait(lab.caller.submit(taken))
    begun_at, draw = time.monotonic(), random.Random(61)
    asked = {"session": SESSION, "sessions": 30, "kind": "risk"}
    job_ids = [lab.caller.submit(asked | {"symbols": [symbol]}, path=ANALYSE) for symbol in taken["symbols"]]
    for _ in range(KILLS):
        kill_in_a_call(lab, fake, draw)
    jobs = [lab.caller.wait(job_id, within_s=120) for job_id in job_ids]
    took_s = time.monotonic() - begun_at

    assert Counter(job["status"] for job in jobs) == {"completed": JOBS}
    assert set(fake.paid.values()) == {1}, "some content was paid twice"
    calls, spending = read_rows(lab, "ai_calls"), {row["scope"]: row["used"] for row in read_rows(lab, "ai_spending")}
    lost = [call for call in calls if call["settled_at"] is None]
    assert len(calls) == 2 * JOBS
    assert 1 <= len(lost) <= 4 * KILLS
    # A worker may die before it has sent what it reserved.
    assert len(calls) - len(lost) <= len(fake.paid) <= len(calls)
    assert {call["cost"] for call in calls if call["settled_at"]} == {COST}
    used = Counter[str]()
    for call in calls:
        for scope in (f"day:{call['day']}", f"job:{call['job_id']}"):
            used[scope] += call["reserved"] if call["cost"] is None else call["cost"]
    assert spending == used
    told = [model for job in jobs for one in job["result"]["analyses"] for model in one["models"]]
    assert len([model for model in told if "its worker was lost" in model["reason"]]) == len(lost)
    measure.note(
        61,
        f"{JOBS} analyses by models, {KILLS} workers killed in a call: no content paid twice, the budget exact",
        calls=len(calls),
        lost=len(lost),
        took_s=took_s,
    )

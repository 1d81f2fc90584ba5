"""Fifty threads with one Idempotency-Key over real HTTP are one job."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.fixtures.jobs.apps import RUN_DAILY
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, stack

THREADS = 50
BODY = {"intervals": {"1d": 1}, "market": "TSE_PRIME", "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


@pytest.fixture(scope="module")
def up() -> Iterator[Stack]:
    """A whole Kaboom: its API, its ledger and its Redis are real."""
    with open_folder() as folder, stack(folder / "data", concurrency=1) as running:
        yield running


def post_at_once(up: Stack, key: str, bodies: list[dict[str, Any]]) -> list[httpx2.Response]:
    """Send all bodies with one key, each from a thread of its own, at the same moment."""
    gate = threading.Barrier(len(bodies))

    def post(body: dict[str, Any]) -> httpx2.Response:
        with httpx2.Client(base_url=up.api.url, headers=up.api.http.headers, timeout=60, trust_env=False) as client:
            gate.wait()
            return client.post(RUN_DAILY, json=body, headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(post, bodies))


def job_ids(up: Stack) -> set[str]:
    """Return the ids of all jobs."""
    return {job["job_id"] for job in up.api.get("/jobs?limit=200")["items"]}


def test_of_fifty_at_once_one_is_new_and_all_get_its_id(up: Stack) -> None:
    before = job_ids(up)
    answers = post_at_once(up, "storm", [BODY] * THREADS)
    assert {answer.status_code for answer in answers} == {202}
    (job_id,) = {answer.json()["job_id"] for answer in answers}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert job_ids(up) - before == {job_id}
    assert up.api.wait(job_id)["status"] == "completed"


def test_a_key_with_two_bodies_is_rejected_in_either_order(up: Stack) -> None:
    # Not the other test's body, either: a new key still joins an unfinished job of the same request.
    one, other = BODY | {"symbols": ["9984"]}, BODY | {"symbols": ["6758"]}
    answers = post_at_once(up, "two-bodies", [one, other] * (THREADS // 2))
    assert {answer.status_code for answer in answers} == {202, 422}
    accepted = {answer.json()["job_id"] for answer in answers if answer.status_code == 202}
    assert len(accepted) == 1
    assert sum(answer.status_code == 422 for answer in answers) == THREADS // 2

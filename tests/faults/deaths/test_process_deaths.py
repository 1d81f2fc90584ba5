"""Processes that die, freeze or are sent away in the middle of a chunk (rows 1, 2, 3, 8 and 10 of the list)."""

import os
import signal
import time
from dataclasses import replace

import pytest

from tests.faults.lab.chunks import claimed_at_ms, items_of, running, wait_claimed_again, wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.jobs.apps import INGEST
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import until

#: A lease of 15 s, a sweep each second, and as much again for a loaded machine.
BACK_WITHIN_S = 19.0


@pytest.fixture(scope="module")
def size() -> Size:
    """Two workers, so that one can take over, and chunks of some six symbols."""
    return Size(workers=2, chunk_bars=240)


def worker_of(lab: Lab, pid: int) -> int:
    """Return the number of the worker whose pool a process belongs to."""
    return next(n for n, worker in enumerate(lab.workers) if pid in worker.children())


# Row 1.
def test_a_killed_workers_chunk_runs_again_from_where_it_was(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(24))
    was = wait_in_chunk(lab, job_id)
    worker = lab.workers[worker_of(lab, was.pid)]
    killed_ms = lab.now_ms()
    worker.kill()
    lab.plan()
    again = wait_claimed_again(lab, was, within_s=BACK_WITHIN_S + 10)
    back_s = (claimed_at_ms(again) - killed_ms) / 1000
    assert back_s <= BACK_WITHIN_S * crowd()
    assert again.attempt == 2
    assert again.cursor >= was.cursor
    lab.caller.wait(job_id)
    measure.note(1, "a chunk of a worker that was killed runs again, from its checkpoint", back_s=back_s)


def test_a_killed_backfill_fetches_each_missing_bar_once(lab: Lab, measure: Measures) -> None:
    held, wanted = lab.requests.build(6), lab.requests.build(24)
    lab.caller.wait(lab.caller.submit(held))
    lab.plan(pace_s=0.5)
    symbols = held["symbols"] + wanted["symbols"]
    body = {"intervals": wanted["intervals"], "last": wanted["session"], "symbols": symbols}
    job_id = lab.caller.submit(body, path=f"{INGEST}/backfill")
    was = wait_in_chunk(lab, job_id)
    killed_ms = lab.now_ms()
    lab.workers[worker_of(lab, was.pid)].kill()
    lab.plan()
    again = wait_claimed_again(lab, was, within_s=BACK_WITHIN_S + 10)
    back_s = (claimed_at_ms(again) - killed_ms) / 1000
    assert back_s <= BACK_WITHIN_S * crowd()
    assert (again.attempt, again.cursor >= was.cursor) == (2, True)
    job = lab.caller.wait(job_id)
    # The auditor compares the rows with those of an undisturbed run.
    asked = {symbol for n in range(job["result"]["chunks"]) for symbol in items_of(lab, replace(was, n=str(n)))}
    assert asked == set(wanted["symbols"])
    assert job["progress"]["done"] == len(asked)
    measure.note(1, "a backfill's chunk of a worker that was killed runs again, from its checkpoint", back_s=back_s)


# Row 2.
def test_a_killed_pool_process_costs_its_worker_nothing_else(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(24))
    was = wait_in_chunk(lab, job_id)
    worker = lab.workers[worker_of(lab, was.pid)]
    killed_ms = lab.now_ms()
    os.kill(was.pid, signal.SIGKILL)
    lab.plan()
    again = wait_claimed_again(lab, was, within_s=BACK_WITHIN_S + 10)
    back_s = (claimed_at_ms(again) - killed_ms) / 1000
    assert back_s <= BACK_WITHIN_S * crowd()
    assert again.cursor >= was.cursor
    assert worker.is_alive
    lab.caller.wait(job_id)
    measure.note(2, "a chunk of a pool process that was killed runs again; its worker lives on", back_s=back_s)


# Row 3.
def test_a_worker_stopped_by_sigterm_hands_its_chunks_back(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=1.5)
    job_id = lab.caller.submit(lab.requests.build(36))
    was = wait_in_chunk(lab, job_id)
    worker = lab.workers[worker_of(lab, was.pid)]
    held = running(lab, worker.children())
    # The other worker gets room: what is timed is the way back, not its own chunks.
    lab.plan(slow={symbol: 1.5 for chunk in held for symbol in items_of(lab, chunk)})
    asked_ms = lab.now_ms()
    worker.send(signal.SIGTERM)
    took_s = worker.wait_end(12)
    assert worker.exit_code == 0
    assert took_s < 9.5 * crowd()
    lab.plan()
    again = [wait_claimed_again(lab, chunk, within_s=12) for chunk in held]
    worker.kill()
    back_s = max((claimed_at_ms(chunk) - asked_ms) / 1000 for chunk in again)
    assert back_s <= 10 * crowd()
    assert [chunk.attempt for chunk in again] == [1] * len(held)
    lab.caller.wait(job_id)
    measure.note(
        3, "a worker that gets SIGTERM ends inside 9.5 s; its chunks run elsewhere", ends_s=took_s, back_s=back_s
    )


# Row 8. Frozen for longer than a lease; the full set's 60 s prove no more than that.
def test_a_frozen_worker_comes_back_to_closed_doors(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.4)
    job_id = lab.caller.submit(lab.requests.build(24))
    was = wait_in_chunk(lab, job_id)
    worker = lab.workers[worker_of(lab, was.pid)]
    worker.freeze()
    try:
        again = wait_claimed_again(lab, was, within_s=BACK_WITHIN_S + 10)
        lab.plan()
        job = lab.caller.wait(job_id)
    finally:
        worker.thaw()
    assert again.pid not in worker.children()
    # What it does now is refused, and it goes on with other work.
    until(lambda: "lease_lost" in worker.last_words() or "chunk_end_refused" in worker.last_words(), bool, within_s=20)
    after = lab.caller.job(job_id)
    assert {k: after[k] for k in ("status", "progress", "result")} == {
        k: job[k] for k in ("status", "progress", "result")
    }
    measure.note(8, "a worker frozen past its lease is refused when it comes back", refused=1)


def test_a_pool_process_frozen_past_its_lease_keeps_its_chunk(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(24))
    was = wait_in_chunk(lab, job_id)
    os.kill(was.pid, signal.SIGSTOP)
    frozen_ms = lab.now_ms()
    lab.plan()
    try:
        until(lambda: lab.now_ms() - frozen_ms, lambda ms: ms > 18_000, within_s=40)
    finally:
        os.kill(was.pid, signal.SIGCONT)
    lab.caller.wait(job_id)
    page = lab.caller.http.get(f"/api/v1/ingest/jobs/{job_id}/chunks").json()
    (chunk,) = [chunk for chunk in page["items"] if chunk["n"] == was.n]
    assert (chunk["attempts"], [run["ending"] for run in chunk["runs"]]) == (1, ["done"])
    measure.note(8, "a pool process frozen for 18 s goes on with its chunk: no attempt is lost", lost=0)


# Row 10.
def test_a_chunk_that_kills_its_process_is_given_up_after_three(lab: Lab, measure: Measures) -> None:
    body = lab.requests.build(24)
    poison = body["symbols"][4]
    lab.plan(crash=[poison])
    begun_at = time.monotonic()
    job_id = lab.caller.submit(body, ends=["partial"])
    job = lab.caller.wait(job_id, within_s=90)
    took_s = time.monotonic() - begun_at
    assert took_s < 70 * crowd()
    letters = lab.caller.http.get("/api/v1/dead-letters").json()["items"]
    (dead,) = [letter for letter in letters if letter["job_id"] == job_id]
    assert (dead["attempts"], "in 3 of 3 attempts the worker process died" in dead["cause"]) == (3, True)
    assert job["result"]["outcomes"]["ok"] >= 18
    assert job["progress"]["failed"] == 24 - job["progress"]["done"] <= 6
    failures = lab.caller.http.get(f"/api/v1/ingest/jobs/{job_id}/failures").json()["items"]
    assert poison in {failure["item"] for failure in failures}
    assert all(worker.is_alive for worker in lab.workers)
    measure.note(10, "a chunk that kills its process three times is dead, and only that chunk", took_s=took_s)

"""Messages that come five times or not at all (rows 13 and 14): a message is a hint."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from kaboom.jobs.engine.reaper import SWEEP_S
from kaboom.jobs.redis.store import DISPATCH_S
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import until

#: A lost message may cost so much: the wait before it is sent again, and until a sweep looks.
MOST_DELAY_S = DISPATCH_S + 2 * SWEEP_S


@pytest.fixture(scope="module")
def size() -> Size:
    """Many chunks of one symbol: a message each."""
    return Size(chunk_bars=1)


def attempts(lab: Lab, job_ids: list[str]) -> list[int]:
    """Return how often each chunk of some jobs was claimed, once the ledger has the end of each."""
    return until(lambda: _attempts(lab, job_ids), lambda found: 0 not in found, within_s=10)


def _attempts(lab: Lab, job_ids: list[str]) -> list[int]:
    with psycopg.connect(lab.database_url) as connection:
        rows = connection.execute("SELECT attempts FROM job_chunks WHERE job_id = ANY(%s)", (job_ids,)).fetchall()
    return [count for (count,) in rows]


# Row 13.
def test_a_message_that_comes_five_times_is_one_chunk(lab: Lab, measure: Measures) -> None:
    lab.plan(copies=5, pace_s=0.05)
    job_ids = [lab.caller.submit(lab.requests.build(12)) for _ in range(4)]
    for job_id in job_ids:
        lab.caller.wait(job_id)
    found = attempts(lab, job_ids)
    assert found == [1] * 48
    measure.note(13, "each message sent five times: each chunk is claimed once", chunks=len(found), claims=sum(found))


def lost_in_a_row(lab: Lab, job_id: str) -> int:
    """Return how many lost messages a job had to wait for one after another: its plan's, and then a chunk's."""
    lines = Path(lab.folder / "lost.txt").read_text(encoding="utf-8").splitlines()
    lost = Counter(n for owner, n in map(str.split, lines) if owner == job_id)
    return lost.pop("plan", 0) + max(lost.values(), default=0)


# Row 14.
def test_a_lost_message_costs_its_deadline_and_nothing_else(lab: Lab, measure: Measures) -> None:
    lab.plan(loses=0.1)
    job_ids = [lab.caller.submit(lab.requests.build(12)) for _ in range(8)]
    delays = []
    for job_id in job_ids:
        job = lab.caller.wait(job_id, within_s=150)
        assert job["status"] == "completed"
        took = datetime.fromisoformat(job["completed_at"]) - datetime.fromisoformat(job["requested_at"])
        in_a_row = lost_in_a_row(lab, job_id)
        # Undisturbed a job takes a second or two.
        assert took.total_seconds() <= (5 + in_a_row * MOST_DELAY_S) * crowd(), f"{in_a_row} were lost in a row"
        if in_a_row:
            delays.append(took.total_seconds() / in_a_row)
    assert delays
    assert attempts(lab, job_ids) == [1] * 96
    measure.note(14, "one message in ten lost", jobs=len(job_ids), most_s_for_each_lost=max(delays))

"""What a retry does again: the items that failed, and those that were never reached."""

from dataclasses import replace

import pytest

from kaboom.errors import Conflict
from kaboom.jobs.job_type import items_left, retry_items
from kaboom.jobs.model import JobStatus
from tests.fixtures.jobs.jobs import advance, make_chunk, make_job


def test_what_is_left_begins_with_the_item_at_which_a_chunk_broke_off() -> None:
    chunk = make_chunk(0, 4)
    broken = replace(chunk, tally=advance(chunk, ["provider_error", "ok"]))
    assert items_left(broken) == [chunk.items[0], *chunk.items[2:]]
    assert items_left(chunk) == list(chunk.items)


def test_a_retry_asks_for_what_is_left_of_all_chunks_in_the_session_of_the_plan() -> None:
    first, second = make_chunk(0, 2), make_chunk(1, 2)
    chunks = [replace(first, tally=advance(first, ["ok", "write_failed"])), second]
    job = make_job(plan={"session": "2025-11-04", "chunks": 2})
    build = retry_items("symbols", from_plan=("session",))
    assert build(job, chunks) == {
        **job.request, "symbols": [first.items[1], *second.items], "session": "2025-11-04",
    }  # fmt: skip
    assert build(replace(job, plan=None), []) == job.request
    done = replace(first, tally=advance(first, ["ok", "ok"]))
    with pytest.raises(Conflict, match="was completed with nothing left to retry"):
        build(replace(job, status=JobStatus.COMPLETED), [done])

"""The record of a job is trusted only if its chunks add up to it."""

from dataclasses import replace

import pytest

from kaboom.jobs.engine.settle import _adds_up
from kaboom.jobs.model import Chunk, ChunkState
from tests.fixtures.jobs.jobs import finish, make_chunk, make_job

_DONE = [replace(chunk, state=ChunkState.DONE, tally=finish(chunk)) for chunk in (make_chunk(0), make_chunk(1))]
_CANCELLED = make_chunk(2, state=ChunkState.CANCELLED)
_JOB = make_job(total=12, done=8, cancelled=4, chunks_total=3)


def test_all_final_chunks_add_up_to_their_job() -> None:
    assert _adds_up(_JOB, [*_DONE, _CANCELLED])


@pytest.mark.parametrize(
    "chunks",
    [_DONE, [_DONE[0], _CANCELLED, _CANCELLED], [*_DONE, make_chunk(2)]],
    ids=["a chunk is missing", "items are missing", "a chunk has not ended"],
)
def test_lost_chunks_do_not_add_up(chunks: list[Chunk]) -> None:
    assert not _adds_up(_JOB, chunks)

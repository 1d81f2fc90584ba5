"""States, tallies and what a dead chunk leaves over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.jobs.model import TRANSITIONS, Chunk, ChunkState, ItemNote, JobStatus, Tally, settle_status
from kaboom.jobs.records import dump_job, parse_job
from tests.fixtures.jobs.jobs import advance, make_chunk, make_job

COUNTS = st.integers(0, 2**53)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMED = st.dictionaries(WORDS, COUNTS, max_size=4)
NOTES = st.builds(ItemNote, WORDS, WORDS, WORDS, st.integers(1, 9))
TALLIES = st.builds(
    Tally,
    cursor=COUNTS,
    done=COUNTS,
    failed=COUNTS,
    written=COUNTS,
    rows=COUNTS,
    outcomes=NAMED,
    counts=NAMED,
    notes=st.lists(NOTES, max_size=4).map(tuple),
)


class TestStates:
    def test_every_state_has_its_transitions(self) -> None:
        assert set(TRANSITIONS) == set(JobStatus)

    def test_final_states_have_no_way_out(self) -> None:
        final = {status for status in JobStatus if status.is_final}
        assert final == {JobStatus.COMPLETED, JobStatus.PARTIAL, JobStatus.FAILED, JobStatus.CANCELLED}

    def test_a_job_being_cancelled_ends_as_cancelled_only(self) -> None:
        assert TRANSITIONS[JobStatus.CANCELLING] == {JobStatus.CANCELLED}

    def test_every_open_state_can_end_and_no_transition_goes_back(self) -> None:
        for status in JobStatus:
            seen, ahead = set(), set(TRANSITIONS[status])
            while ahead:
                seen.add(step := ahead.pop())
                ahead |= TRANSITIONS[step] - seen
            assert status not in seen
            assert status.is_final or any(step.is_final for step in seen)

    def test_final_chunk_states(self) -> None:
        assert {s for s in ChunkState if s.is_final} == {ChunkState.DONE, ChunkState.DEAD, ChunkState.CANCELLED}


@pytest.mark.parametrize(
    ("written", "failed", "is_cancelled", "status"),
    [
        (5, 0, False, JobStatus.COMPLETED),
        (0, 0, False, JobStatus.COMPLETED),
        (5, 1, False, JobStatus.PARTIAL),
        (1, 999, False, JobStatus.PARTIAL),
        (0, 1, False, JobStatus.FAILED),
        (0, 999, False, JobStatus.FAILED),
        (5, 0, True, JobStatus.CANCELLED),
        (0, 5, True, JobStatus.CANCELLED),
    ],
)
def test_the_final_state_follows_from_the_counts(
    *, written: int, failed: int, is_cancelled: bool, status: JobStatus
) -> None:
    assert settle_status(written=written, failed=failed, is_cancelled=is_cancelled) is status


class TestTally:
    @given(TALLIES)
    def test_it_comes_back_from_json(self, tally: Tally) -> None:
        assert Tally.from_json(orjson.loads(orjson.dumps(tally.to_json()))) == tally

    def test_lua_writes_an_empty_list_as_an_object(self) -> None:
        assert Tally.from_json({"cursor": 2, "notes": {}, "outcomes": {}, "counts": {}}) == Tally(cursor=2)

    def test_nothing_is_an_empty_tally(self) -> None:
        assert Tally.from_json({}) == Tally()


class TestLeftOver:
    def test_the_unsettled_items_fail_with_a_note_each(self) -> None:
        chunk = make_chunk(0, 4, attempts=3)
        chunk = replace(chunk, tally=advance(chunk, ["ok", "invalid"]))
        left = chunk.left_over("write_failed", "given up")
        assert (left.cursor, left.done, left.failed, left.written, left.rows) == (4, 1, 3, 1, 10)
        assert left.outcomes == {"ok": 1, "invalid": 1, "write_failed": 2}
        given_up = [ItemNote(item, "write_failed", "given up", 3) for item in chunk.items[2:]]
        assert list(left.notes) == [*chunk.tally.notes, *given_up]
        assert left.counts == chunk.tally.counts

    def test_a_chunk_with_nothing_left_stays_as_it_is(self) -> None:
        chunk = make_chunk(0, 2)
        whole = replace(chunk, tally=advance(chunk, ["ok", "ok"]))
        assert whole.left_over("write_failed", "given up") == whole.tally

    def test_twice_is_once(self) -> None:
        chunk = make_chunk(0)
        once = replace(chunk, tally=chunk.left_over("write_failed", "given up"))
        assert once.left_over("write_failed", "given up") == once.tally

    @given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
    def test_every_item_is_counted_once(self, fine: int, failed: int, left: int) -> None:
        items = tuple(map(str, range(fine + failed + left)))
        chunk = Chunk("0", items, {})
        chunk = replace(chunk, tally=advance(chunk, ["ok"] * fine + ["invalid"] * failed))
        over = chunk.left_over("write_failed", "")
        assert over.done + over.failed == over.cursor == len(items) == sum(over.outcomes.values())


@pytest.mark.parametrize(("done", "failed", "is_known"), [(9, 0, False), (9, 1, True), (10, 0, True)])
def test_the_range_of_the_time_to_go_is_known_from_ten_settled_items(done: int, failed: int, *, is_known: bool) -> None:
    begin = datetime(2025, 11, 4, 7, tzinfo=UTC)
    times = {"started_at": begin, "updated_at": begin + timedelta(seconds=10)}
    job = make_job(status=JobStatus.RUNNING, total=100, done=done, failed=failed, rate=1.0, rate_spread=0.1, **times)
    assert job.eta_s == 100 - done - failed
    assert (job.eta_range_s is not None) == is_known


def test_a_job_comes_back_from_the_fields_of_its_hash() -> None:
    job = make_job(status=JobStatus.RUNNING, plan={"a": [1]}, parent_id="b" * 32, attempt=2)
    assert parse_job(dump_job(job)) == job

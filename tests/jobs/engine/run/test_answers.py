"""A handler's answer: of the model of its job type, and with the items that failed."""

import pytest

from kaboom.catalog import CATALOG
from kaboom.errors import NotFound
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.completion import check_plan
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.port import OwnHistory, Terms
from tests.fixtures.jobs.example_results import RESULTS
from tests.fixtures.jobs.job_runs import assert_agree, submit, work_off
from tests.fixtures.workers.answers import TRAP, Trap

pytestmark = pytest.mark.anyio


async def end_of(parts: Parts, answer: str) -> Job:
    """Run a job whose handler answers so to its end, and return it; store and ledger agree on it."""
    job = (await Jobs(parts).submit(TRAP, {"answer": answer}, owner="ingest", terms=Terms("test"))).job
    await work_off(parts)
    return (await assert_agree(parts, job))[0]


@pytest.fixture(autouse=True)
def trap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue has the kind of job, too."""
    monkeypatch.setitem(CATALOG._by_name, TRAP.name, TRAP)


class TestModel:
    async def test_a_result_of_the_model_is_kept(self, parts: Parts) -> None:
        job = await end_of(parts, "trap")
        assert (job.status, job.total) == ("completed", 0)
        assert job.shown_result == Trap().model_dump()

    @pytest.mark.parametrize(("answer", "found"), [("other", "Other"), ("dict", "dict")])
    async def test_a_result_of_another_model_fails_the_job(self, parts: Parts, answer: str, found: str) -> None:
        job = await end_of(parts, answer)
        assert (job.status, job.result) == ("failed", None)
        assert job.error == {
            "type": "TypeError",
            "message": f"market_data.trap returned a {found}, expected its result Trap",
        }

    def test_a_plan_that_is_no_result_is_refused_by_field(self) -> None:
        totals = ("rows", "outcomes", "counts")
        plan = {name: value for name, value in RESULTS[RUN_DAILY.name].items() if name not in totals}
        check_plan(RUN_DAILY, plan)
        wrong = "^ingest.run_daily planned what is no IngestResult, its result: session: .*; colour: Extra inputs"
        with pytest.raises(TypeError, match=wrong):
            check_plan(RUN_DAILY, plan | {"session": "soon", "colour": "red"})


class TestItems:
    @pytest.mark.parametrize(
        ("answer", "status", "error"),
        [
            ("2/0", "completed", None),
            ("2/1", "partial", "1 of 3 items failed; first cause: bad0 failed: the receiver answered 503"),
            ("0/2", "failed", "2 of 2 items failed; first cause: bad0 failed: the receiver answered 503"),
        ],
    )
    async def test_failed_items_decide_how_the_job_ends(
        self, parts: Parts, answer: str, status: str, error: str | None
    ) -> None:
        job = await end_of(parts, answer)
        done, failed = map(int, answer.split("/"))
        assert (job.status, job.done, job.failed, job.total) == (status, done, failed, done + failed)
        assert (job.error or {}).get("message") == error
        # Its result is that of the model all the same.
        assert job.shown_result == Trap().model_dump()
        (chunk,) = await parts.history.load_chunks(job.job_id)
        assert [note.item for note in chunk.tally.notes] == [f"bad{n}" for n in range(failed)]


async def test_a_handler_reads_the_jobs_of_its_owner_alone(parts: Parts) -> None:
    job = await submit(parts)
    own, other = OwnHistory(parts.history, job.owner), OwnHistory(parts.history, "other")
    assert (await own.load(job.queue, job.job_id)).job_id == job.job_id
    assert await own.load_chunks(job.queue, job.job_id) == []
    for read in (other.load, other.load_chunks):
        with pytest.raises(NotFound, match=f"job {job.job_id} does not exist in queue ingest"):
            await read(job.queue, job.job_id)

"""Both ledgers find the same jobs by the same words."""

from dataclasses import replace

import pytest

from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.postgres.port import JobHistory, JobQuery, Terms
from tests.fixtures.jobs.jobs import OWNER, QUEUE, make_job

pytestmark = pytest.mark.anyio
ID = "dc84d88371794773b929d2957f6a663b"
# No random one: the start of an id is looked for too, and a job in 256 begins with "99".
OTHER = "b1e5c0a47f0d4f7c8a3e6d2b9c4f1a08"
REQUEST = {
    "intervals": {"1m": 1},
    "market": "TSE_PRIME",
    "symbols": ["7203", "285A"],
    "provider": "synthetic",
    "only": {"5m": ["9984"]},
}


async def planted(ledger: JobHistory) -> Job:
    """Accept the job that is looked for, failed, beside one of another market."""
    await ledger.admit(make_job(job_id=OTHER, request={"market": "FILE", "intervals": {"1d": 7203}}), Terms("test"))
    job = (await ledger.admit(make_job(job_id=ID, request=REQUEST), Terms("test"))).job
    error = {"type": "InvalidRequest", "message": "100% of path_a\\b was refused"}
    await ledger.save_final(replace(job, status=JobStatus.FAILED, error=error))
    return job


async def find(ledger: JobHistory, text: str) -> list[str]:
    found = await ledger.list_jobs(JobQuery((QUEUE,), OWNER, words=tuple(text.split())))
    return [job.job_id for job in found]


@pytest.mark.parametrize(
    "text",
    [
        ID, "dc84d883", "DC84", "7203", "285a", "9984", "prime", "tse_PRIME", "synthetic", "ingest.run prime",
        "100%", "path_a\\b", "REFUSED 7203",
    ],
)  # fmt: skip
async def test_what_a_job_mentions_finds_it(ledger: JobHistory, text: str) -> None:
    await planted(ledger)
    found = await find(ledger, text)
    assert found == [ID]


@pytest.mark.parametrize(
    "text",
    ["84d883", "720", "72033", "99", "%", "_%", "\\", "pathXa", "prime 1301", "'; DROP TABLE jobs; --", "日本", "5m"],
)
async def test_what_it_does_not_mention_does_not(ledger: JobHistory, text: str) -> None:
    await planted(ledger)
    if text in {"%", "\\"}:
        # They stand in the error message, as letters.
        assert await find(ledger, text) == [ID]
        text += text
    assert await find(ledger, text) == []


async def test_a_word_that_two_jobs_mention_finds_both(ledger: JobHistory) -> None:
    await planted(ledger)
    assert len(await find(ledger, "run_daily")) == 2


async def test_a_search_stops_after_some_jobs_and_goes_on_there(ledger: JobHistory) -> None:
    made = []
    for n, queue in enumerate((QUEUE, "market_data", "market_data", QUEUE, QUEUE)):
        job = make_job(queue=queue, request={"market": "ODD" if n % 2 else "EVEN"})
        made.append((await ledger.admit(job, Terms("test"))).job)
    newest = made[::-1]
    query = JobQuery((QUEUE, "market_data"), OWNER, words=("odd",))
    end = await ledger.find_end(query, jobs=3)
    assert end == (newest[2].requested_at, newest[2].job_id)
    assert await ledger.list_jobs(replace(query, down_to=end)) == [newest[1]]
    rest = replace(query, before=end)
    assert await ledger.list_jobs(rest) == [newest[3]]
    assert await ledger.find_end(rest, jobs=3) is None
    assert await ledger.find_end(rest, jobs=2) == (newest[4].requested_at, newest[4].job_id)
    assert await ledger.find_end(replace(query, queues=(QUEUE,)), jobs=2) == (newest[1].requested_at, newest[1].job_id)
    assert await ledger.find_end(replace(query, since=newest[2].requested_at), jobs=4) is None


async def test_any_case_finds_a_text_of_the_request_in_any_case(ledger: JobHistory) -> None:
    given = ("UPPER", "lower", "MiXed")
    made = {
        word: (await ledger.admit(make_job(request={"market": "FILE", "provider": word}), Terms("test"))).job.job_id
        for word in given
    }
    asked = ("UPPER", "upper", "Upper", "LOWER", "lower", "Lower", "MiXed")
    assert [await find(ledger, word) for word in asked] == [
        *([[made["UPPER"]]] * 3),
        *([[made["lower"]]] * 3),
        [made["MiXed"]],
    ]


async def test_words_count_within_the_other_filters(ledger: JobHistory) -> None:
    job = await planted(ledger)
    query = JobQuery((QUEUE,), OWNER, words=("prime",))
    assert await ledger.list_jobs(replace(query, statuses=frozenset({JobStatus.COMPLETED}))) == []
    assert await ledger.list_jobs(replace(query, owner="nobody")) == []
    assert await ledger.list_jobs(replace(query, until=job.requested_at)) == []
    assert len(await ledger.list_jobs(replace(query, since=job.requested_at))) == 1

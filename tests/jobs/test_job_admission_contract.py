"""A submission is admitted once for each Idempotency-Key and each unfinished request, by both ledgers."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from kaboom.audit.log import AuditQuery
from kaboom.audit.postgres import PostgresAuditLog
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import StoreError
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import Admitted, JobDeleted, JobHistory, KeyReused, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.jobs.postgres.tables import JOBS
from tests.fixtures.accounts.records import make_change
from tests.fixtures.jobs.jobs import make_job

pytestmark = pytest.mark.anyio
KEYED = Terms("request-1", key="key-1")
JOINING = Terms("request-1", may_join=True)
JOINING_KEYED = replace(JOINING, key="key-2")


class TestKeys:
    async def test_the_same_key_and_request_is_the_same_job(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), KEYED)
        again = await ledger.admit(make_job(), KEYED)
        assert (first.how, again.how) == (Admitted.NEW, Admitted.REPLAYED)
        assert again.job.job_id == first.job.job_id

    async def test_the_key_of_a_deleted_job_is_refused(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), KEYED)
        await ledger.delete(first.job.job_id)
        for _ in range(2):
            with pytest.raises(JobDeleted, match=f"{first.job.job_id}, was deleted"):
                await ledger.admit(make_job(), KEYED)
        assert (await ledger.admit(make_job(), replace(KEYED, key="another"))).how is Admitted.NEW

    async def test_the_same_key_with_another_request_is_refused(self, ledger: JobHistory) -> None:
        await ledger.admit(make_job(), KEYED)
        with pytest.raises(KeyReused, match="another request"):
            await ledger.admit(make_job(), Terms("request-2", key="key-1"))

    async def test_keys_of_two_owners_are_two(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(owner="a"), KEYED)
        other = await ledger.admit(make_job(owner="b"), KEYED)
        assert other.how is Admitted.NEW
        assert other.job.job_id != first.job.job_id

    async def test_a_replay_returns_the_job_of_its_own_owner(self, ledger: JobHistory) -> None:
        first = {owner: (await ledger.admit(make_job(owner=owner), KEYED)).job.job_id for owner in ("a", "b")}
        again = {owner: await ledger.admit(make_job(owner=owner), KEYED) for owner in ("b", "a")}
        assert {admission.how for admission in again.values()} == {Admitted.REPLAYED}
        assert {owner: admission.job.job_id for owner, admission in again.items()} == first

    async def test_another_owners_request_with_the_same_key_is_not_a_conflict(self, ledger: JobHistory) -> None:
        await ledger.admit(make_job(owner="a"), KEYED)
        other = Terms("request-2", key="key-1")
        first = await ledger.admit(make_job(owner="b"), other)
        again = await ledger.admit(make_job(owner="b"), other)
        assert (first.how, again.how, again.job) == (Admitted.NEW, Admitted.REPLAYED, first.job)

    async def test_a_key_that_joined_leaves_another_owners_key_alone(self, ledger: JobHistory) -> None:
        kept = await ledger.admit(make_job(owner="a"), Terms("request-3", key="key-2"))
        running = await ledger.admit(make_job(owner="b"), JOINING)
        joined = await ledger.admit(make_job(owner="b"), JOINING_KEYED)
        assert (joined.how, joined.job.job_id) == (Admitted.JOINED, running.job.job_id)
        again = await ledger.admit(make_job(owner="a"), Terms("request-3", key="key-2"))
        assert (again.how, again.job.job_id) == (Admitted.REPLAYED, kept.job.job_id)

    async def test_of_fifty_at_once_one_is_new(self, ledger: JobHistory) -> None:
        admissions = await asyncio.gather(*(ledger.admit(make_job(), KEYED) for _ in range(50)))
        assert Counter(a.how for a in admissions) == {Admitted.NEW: 1, Admitted.REPLAYED: 49}
        assert len({a.job.job_id for a in admissions}) == 1

    async def test_a_key_that_joined_stands_for_the_joined_job_once_confirmed(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), JOINING)
        joined = await ledger.admit(make_job(), JOINING_KEYED)
        confirmed = await ledger.confirm_join(joined.job, JOINING_KEYED)
        again = await ledger.admit(make_job(), JOINING_KEYED)
        assert [a.how for a in (joined, confirmed, again)] == [Admitted.JOINED, Admitted.JOINED, Admitted.REPLAYED]
        assert {a.job.job_id for a in (joined, confirmed, again)} == {first.job.job_id}

    async def test_a_key_that_joined_a_job_that_had_ended_is_free(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), JOINING)
        await ledger.admit(make_job(), JOINING_KEYED)
        await ledger.save_final(replace(first.job, status=JobStatus.COMPLETED))
        again = await ledger.admit(make_job(), JOINING_KEYED)
        assert again.how is Admitted.NEW
        assert again.job.job_id != first.job.job_id

    async def test_a_key_that_got_a_job_meanwhile_stands_for_that(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), JOINING)
        late = await ledger.admit(make_job(), JOINING_KEYED)
        await ledger.save_final(replace(first.job, status=JobStatus.COMPLETED))
        new = await ledger.admit(make_job(), JOINING_KEYED)
        confirmed = await ledger.confirm_join(late.job, JOINING_KEYED)
        assert (confirmed.how, confirmed.job.job_id) == (Admitted.REPLAYED, new.job.job_id)

    async def test_a_join_without_a_key_is_confirmed_as_it_is(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), JOINING)
        confirmed = await ledger.confirm_join(first.job, JOINING)
        assert (confirmed.how, confirmed.job.job_id) == (Admitted.JOINED, first.job.job_id)

    async def test_of_twenty_with_one_key_that_join_all_get_one_job(self, ledger: JobHistory) -> None:
        await ledger.admit(make_job(), JOINING)

        async def submit() -> str:
            joined = await ledger.admit(make_job(), JOINING_KEYED)
            return (await ledger.confirm_join(joined.job, JOINING_KEYED)).job.job_id

        assert len(set(await asyncio.gather(*(submit() for _ in range(20))))) == 1


class TestJoining:
    @pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING])
    async def test_an_unfinished_job_of_the_same_request_is_joined(self, ledger: JobHistory, status: JobStatus) -> None:
        first = await ledger.admit(make_job(), JOINING)
        await ledger.save_status(first.job.job_id, status)
        again = await ledger.admit(make_job(), JOINING)
        assert (again.how, again.job.job_id) == (Admitted.JOINED, first.job.job_id)

    async def test_a_cancelled_job_is_not_joined(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), JOINING)
        await ledger.save_status(first.job.job_id, JobStatus.CANCELLING)
        assert (await ledger.admit(make_job(), JOINING)).how is Admitted.NEW

    async def test_a_finished_job_is_not_joined(self, ledger: JobHistory) -> None:
        first = await ledger.admit(make_job(), JOINING)
        await ledger.save_final(replace(first.job, status=JobStatus.COMPLETED))
        assert (await ledger.admit(make_job(), JOINING)).how is Admitted.NEW

    @pytest.mark.parametrize("key", [None, "key-1"])
    async def test_another_request_or_owner_is_not_joined(self, ledger: JobHistory, key: str | None) -> None:
        other = Terms("request-2", may_join=True)
        planned = [("a", JOINING), ("a", other), ("b", JOINING), ("b", other)]
        first = [(await ledger.admit(make_job(owner=owner), terms)).job.job_id for owner, terms in planned]
        assert len(set(first)) == 4
        again = [await ledger.admit(make_job(owner=owner), replace(terms, key=key)) for owner, terms in planned]
        assert [(each.how, each.job.job_id) for each in again] == [(Admitted.JOINED, job_id) for job_id in first]
        # The joined job of a key is not bound to it yet.
        new = await ledger.admit(make_job(owner="c"), replace(JOINING, key=key))
        assert new.how is Admitted.NEW

    @pytest.mark.parametrize("key", [None, "key-1"])
    async def test_a_running_job_is_joined_beside_an_ended_one(self, ledger: JobHistory, key: str | None) -> None:
        ended = (await ledger.admit(make_job(), JOINING)).job
        await ledger.save_final(replace(ended, status=JobStatus.COMPLETED))
        running = (await ledger.admit(make_job(), JOINING)).job
        for _ in range(2):
            joined = await ledger.admit(make_job(), replace(JOINING, key=key))
            assert (joined.how, joined.job.job_id) == (Admitted.JOINED, running.job_id)
            if isinstance(ledger, PostgresJobHistory):
                # PostgreSQL reads the ended job first; a row that is written again is read last.
                async with ledger._engine.begin() as connection:
                    await connection.execute(JOBS.update().where(JOBS.c.job_id == ended.job_id).values(attempt=1))

    async def test_a_job_requested_as_new_is_never_joined(self, ledger: JobHistory) -> None:
        alone = await ledger.admit(make_job(), Terms("request-1"))
        joinable = await ledger.admit(make_job(), JOINING)
        assert (alone.how, joinable.how) == (Admitted.NEW, Admitted.NEW)

    async def test_of_twenty_at_once_one_is_new(self, ledger: JobHistory) -> None:
        admissions = await asyncio.gather(*(ledger.admit(make_job(), JOINING) for _ in range(20)))
        assert Counter(a.how for a in admissions) == {Admitted.NEW: 1, Admitted.JOINED: 19}


class TestManyAtOnce:
    async def test_each_gets_its_own_answer(self, ledger: JobHistory) -> None:
        jobs = [make_job(request={"n": n}) for n in range(40)]
        terms = [Terms(f"request-{n % 20}", may_join=n < 30, key="key-1" if n == 35 else None) for n in range(40)]
        admissions = await asyncio.gather(*(ledger.admit(*each) for each in zip(jobs, terms, strict=True)))
        # 20 to 29 ask for the same as 0 to 9, whichever of two comes first; the last ten want one of their own.
        assert Counter(a.how for a in admissions) == {Admitted.NEW: 30, Admitted.JOINED: 10}
        for n, (job, admission) in enumerate(zip(jobs, admissions, strict=True)):
            if admission.how is Admitted.NEW:
                assert replace(admission.job, requested_at=None) == job
                assert await ledger.load(job.queue, job.job_id) == admission.job
            else:
                assert admission.job.job_id == admissions[(n + 20) % 40].job.job_id


async def test_what_postgresql_cannot_keep_is_refused_alone(database_url: str) -> None:
    engine = connect_postgres(database_url, application_name="test")
    history = PostgresJobHistory(engine)
    jobs = [make_job(request={"text": text}) for text in ("one", "NUL \x00", "two")]
    answers = await asyncio.gather(*(history.admit(job, Terms("test")) for job in jobs), return_exceptions=True)
    kept = [await history.load(job.queue, job.job_id) for job in jobs]
    await engine.dispose()
    assert [isinstance(answer, StoreError) for answer in answers] == [False, True, False]
    assert [job is None for job in kept] == [False, True, False]


@pytest.mark.parametrize("key", [None, "key-1"])
async def test_a_new_job_and_its_audit_line_are_one_commit(database_url: str, key: str | None) -> None:
    engine, owner = connect_postgres(database_url, application_name="test"), uuid4().hex
    history, audit = PostgresJobHistory(engine), PostgresAuditLog(engine)
    terms = Terms("request-1", key=key, may_join=True, change=make_change(owner))
    first = await history.admit(make_job(owner=owner), terms)
    second = await history.admit(make_job(owner=owner), terms)
    (line,) = await audit.list_lines(AuditQuery(owner))
    await engine.dispose()
    assert (first.how, first.is_logged) == (Admitted.NEW, True)
    assert (second.how, second.is_logged) == (Admitted.REPLAYED if key else Admitted.JOINED, False)
    assert (line.target, line.action, line.status) == (first.job.job_id, "run_daily", 202)


@pytest.mark.parametrize("key", [None, "key-2"])
async def test_a_job_whose_audit_line_cannot_be_kept_is_refused_alone(database_url: str, key: str | None) -> None:
    engine = connect_postgres(database_url, application_name="test")
    history = PostgresJobHistory(engine)
    jobs, names = [make_job() for _ in range(3)], ("one", "NUL \x00", "two")
    terms = [Terms(name, key=key and key + name, change=make_change("ingest", name=name)) for name in names]
    submissions = [history.admit(*each) for each in zip(jobs, terms, strict=True)]
    answers = await asyncio.gather(*submissions, return_exceptions=True)
    kept = [await history.load(job.queue, job.job_id) for job in jobs]
    await engine.dispose()
    assert [isinstance(answer, StoreError) for answer in answers] == [False, True, False]
    assert [job is None for job in kept] == [False, True, False]


async def test_a_key_is_forgotten_after_a_day(database_url: str) -> None:
    engine = connect_postgres(database_url, application_name="test")
    history = PostgresJobHistory(engine)
    first = await history.admit(make_job(), Terms("request-1", key="old"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    again = await history.admit(make_job(), Terms("request-2", key="old"))
    await engine.dispose()
    assert again.how is Admitted.NEW
    assert again.job.job_id != first.job.job_id

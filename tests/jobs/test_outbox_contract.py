"""The promises of the outbox, kept by PostgreSQL and by its memory twin."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import StoreError
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.outbox import KEPT_DAYS, LEASE_S, AttemptEnd, DeliveryQuery, DeliveryStatus
from kaboom.jobs.postgres.port import Admitted, JobHistory, KeyReused, Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from tests.fixtures.jobs.jobs import OWNER, make_job
from tests.fixtures.jobs.outboxes import URL, accept, claim, deliveries, due, end, pass_time

pytestmark = pytest.mark.anyio
DELIVERED = AttemptEnd(DeliveryStatus.DELIVERED, 200)
DEAD = AttemptEnd(DeliveryStatus.DEAD, 500, "the receiver answered 500")
OTHER = "https://other.example.com/hook"


class TestBirth:
    async def test_it_waits_for_its_job(self, ledger: JobHistory) -> None:
        job = await accept(ledger)
        (delivery,) = await deliveries(ledger, job)
        assert (delivery.status, delivery.url, delivery.body) == (DeliveryStatus.WAITING, URL, None)
        assert delivery.delivery_id.startswith("msg_")
        assert await claim(ledger) == []

    @pytest.mark.parametrize("status", [status for status in JobStatus if status.is_final])
    async def test_it_is_due_when_its_job_is_final(self, ledger: JobHistory, status: JobStatus) -> None:
        job = await accept(ledger)
        ended_at = datetime(2026, 11, 25, 7, 36, tzinfo=UTC)
        await ledger.save_final(replace(job, status=status, completed_at=ended_at))
        (delivery,) = await deliveries(ledger, job)
        assert delivery.status is DeliveryStatus.PENDING
        assert delivery.body is not None
        here = f"/api/v1/ingest/jobs/{job.job_id}"
        assert orjson.loads(delivery.body) == {
            "type": f"ingest.job.{status}",
            "timestamp": "2026-11-25T07:36:00+00:00",
            "data": {
                "job_id": job.job_id,
                "status": status.value,
                "parent_id": None,
                "links": {"self": here, "failures": f"{here}/failures"},
            },
        }
        assert await claim(ledger) == [delivery.delivery_id]

    async def test_a_repeated_end_tells_nothing_twice(self, ledger: JobHistory) -> None:
        job = await accept(ledger)
        await end(ledger, job)
        (claimed,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        await ledger.outbox.save_attempt(claimed, DELIVERED)
        await end(ledger, job, JobStatus.FAILED)
        (delivery,) = await deliveries(ledger, job)
        assert (delivery.status, delivery.body) == (DeliveryStatus.DELIVERED, claimed.body)

    async def test_a_job_without_a_url_tells_nobody(self, ledger: JobHistory) -> None:
        job = await accept(ledger, None)
        await end(ledger, job)
        assert await deliveries(ledger, job) == []

    async def test_it_outlives_its_job(self, ledger: JobHistory) -> None:
        delivery = await due(ledger)
        await ledger.delete(delivery.job_id)
        assert await claim(ledger) == [delivery.delivery_id]


class TestRegister:
    async def test_who_joins_is_reported_too_and_the_same_url_once(self, ledger: JobHistory) -> None:
        job = await accept(ledger)
        for url in (OTHER, URL, OTHER):
            await ledger.outbox.register(job.job_id, url=url)
        await end(ledger, job)
        assert sorted(d.url for d in await deliveries(ledger, job)) == [URL, OTHER]
        assert len(await claim(ledger)) == 2

    async def test_a_job_that_has_ended_is_reported_at_once(self, ledger: JobHistory) -> None:
        job = await accept(ledger, None)
        await end(ledger, job, JobStatus.PARTIAL)
        await ledger.outbox.register(job.job_id, url=URL)
        (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        assert '"type":"ingest.job.partial"' in str(delivery.body)

    async def test_another_receiver_of_an_ended_job_is_reported_alone(self, ledger: JobHistory) -> None:
        delivery = await due(ledger)
        waiting = (await deliveries(ledger, await accept(ledger)))[0]
        (claimed,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        await ledger.outbox.save_attempt(claimed, DELIVERED)
        sent = await ledger.outbox.load(OWNER, delivery.delivery_id)
        await ledger.outbox.register(delivery.job_id, url=OTHER)
        assert await ledger.outbox.load(OWNER, delivery.delivery_id) == sent
        assert await ledger.outbox.load(OWNER, waiting.delivery_id) == waiting
        (new,) = await ledger.outbox.claim(limit=9, per_host=9, busy=())
        assert (new.job_id, new.url) == (delivery.job_id, OTHER)

    async def test_of_an_unknown_job_nothing_is_reported(self, ledger: JobHistory) -> None:
        await ledger.outbox.register("f" * 32, url=URL)
        assert await deliveries(ledger) == []

    async def test_joining_a_job_that_is_ending_still_gives_a_webhook(self, ledger: JobHistory) -> None:
        for _ in range(20):
            job = await accept(ledger)
            await asyncio.gather(ledger.outbox.register(job.job_id, url=OTHER), end(ledger, job))
            assert {d.status for d in await deliveries(ledger, job)} == {DeliveryStatus.PENDING}
        assert len(await claim(ledger)) == 40

    async def test_a_child_sends_webhooks_to_the_receivers_of_its_parent(self, ledger: JobHistory) -> None:
        await accept(ledger, "https://stranger.example.com/hook")
        parent = await accept(ledger)
        await ledger.outbox.register(parent.job_id, url=OTHER)
        await end(ledger, parent, JobStatus.FAILED)
        child = await accept(ledger, None, parent_id=parent.job_id)
        assert sorted(d.url for d in await deliveries(ledger, child)) == [URL, OTHER]
        await end(ledger, child)
        assert f'"parent_id":"{parent.job_id}"' in str((await deliveries(ledger, child))[0].body)

    async def test_a_child_leaves_those_alone_who_said_410(self, ledger: JobHistory) -> None:
        parent = await accept(ledger)
        await end(ledger, parent, JobStatus.FAILED)
        (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        await ledger.outbox.save_attempt(delivery, AttemptEnd(DeliveryStatus.DEAD, 410, "the receiver answered 410"))
        child = await accept(ledger, None, parent_id=parent.job_id)
        assert await deliveries(ledger, child) == []

    async def test_a_key_comes_with_the_same_url(self, ledger: JobHistory) -> None:
        terms = Terms("request-1", key="key-1", callback_url=URL)
        first = await ledger.admit(make_job(), terms)
        again = await ledger.admit(make_job(), terms)
        assert (again.how, again.job.job_id) == (Admitted.REPLAYED, first.job.job_id)
        assert len(await deliveries(ledger)) == 1
        with pytest.raises(KeyReused):
            await ledger.admit(make_job(), replace(terms, callback_url=OTHER))

    async def test_a_url_does_not_keep_a_request_from_joining(self, ledger: JobHistory) -> None:
        await ledger.admit(make_job(), Terms("request-1", may_join=True))
        joined = await ledger.admit(make_job(), Terms("request-1", may_join=True, callback_url=URL))
        assert joined.how is Admitted.JOINED


class TestClaim:
    async def test_a_claimed_one_is_with_one_courier_until_its_lease_ends(self, ledger: JobHistory) -> None:
        delivery = await due(ledger)
        assert await claim(ledger) == [delivery.delivery_id]
        assert await claim(ledger) == []
        await pass_time(ledger, LEASE_S + 1)
        (again,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        assert (again.delivery_id, again.attempts, again.body) == (delivery.delivery_id, 2, delivery.body)

    async def test_of_ten_couriers_each_takes_its_own(self, ledger: JobHistory) -> None:
        made = [(await due(ledger)).delivery_id for _ in range(30)]
        taken = await asyncio.gather(*(claim(ledger, limit=5) for _ in range(10)))
        ids = [delivery_id for part in taken for delivery_id in part]
        assert len(ids) == len(set(ids))
        # Whoever found only what others were taking got less; nothing is left behind.
        ids += await claim(ledger)
        assert sorted(ids) == sorted(made)

    async def test_oldest_first_and_a_few_of_each_host(self, ledger: JobHistory) -> None:
        first = [(await due(ledger)).delivery_id for _ in range(3)]
        other = (await due(ledger, OTHER)).delivery_id
        assert await claim(ledger, per_host=2) == [*first[:2], other]
        assert await claim(ledger, per_host=2) == [first[2]]

    async def test_deliveries_to_busy_hosts_are_skipped(self, ledger: JobHistory) -> None:
        await due(ledger)
        other = (await due(ledger, OTHER.replace("other", "OTHER"))).delivery_id
        assert await claim(ledger, busy=("hooks.example.com",)) == [other]
        assert await claim(ledger, busy=("other.example.com", "hooks.example.com")) == []

    async def test_at_most_the_limit_is_claimed(self, ledger: JobHistory) -> None:
        made = [(await due(ledger)).delivery_id for _ in range(3)]
        assert await claim(ledger, limit=2) == made[:2]


class TestAttempts:
    async def test_a_failed_delivery_is_due_after_its_delay(self, ledger: JobHistory) -> None:
        await due(ledger)
        (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        failed = AttemptEnd(DeliveryStatus.PENDING, 500, "the receiver answered 500", delay_s=300.0)
        assert await ledger.outbox.save_attempt(delivery, failed)
        await pass_time(ledger, 290)
        assert await claim(ledger) == []
        await pass_time(ledger, 20)
        (again,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        assert (again.attempts, again.last_status, again.last_error) == (2, 500, "the receiver answered 500")
        assert again.ended_at is None

    @pytest.mark.parametrize("last", [DELIVERED, DEAD])
    async def test_an_ended_delivery_is_not_sent(self, ledger: JobHistory, last: AttemptEnd) -> None:
        await due(ledger)
        (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        assert await ledger.outbox.save_attempt(delivery, last)
        kept = await ledger.outbox.load(OWNER, delivery.delivery_id)
        assert kept is not None
        assert (kept.status, kept.last_status, kept.next_attempt_at) == (last.status, last.http_status, None)
        assert kept.ended_at is not None
        await pass_time(ledger, 10 * 86_400)
        assert await claim(ledger) == []

    async def test_one_of_several_is_loaded_ended_and_replayed_alone(self, ledger: JobHistory) -> None:
        for _ in range(3):
            await due(ledger)
        made = await ledger.outbox.claim(limit=3, per_host=3, busy=())
        assert len(made) == 3
        for delivery in made:
            assert await ledger.outbox.load(OWNER, delivery.delivery_id) == delivery
        assert await ledger.outbox.load(OWNER, "0" * 32) is None
        first, second, third = made
        for delivery in (first, second):
            assert await ledger.outbox.save_attempt(delivery, DEAD)
        assert await ledger.outbox.load(OWNER, third.delivery_id) == third
        ended = await ledger.outbox.load(OWNER, second.delivery_id)
        again = await ledger.outbox.replay(OWNER, first.delivery_id)
        assert again
        assert (again.delivery_id, again.status) == (first.delivery_id, DeliveryStatus.PENDING)
        assert await ledger.outbox.load(OWNER, second.delivery_id) == ended
        assert await ledger.outbox.load(OWNER, third.delivery_id) == third

    async def test_the_result_of_an_overtaken_attempt_is_dropped(self, ledger: JobHistory) -> None:
        await due(ledger)
        (late,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        await pass_time(ledger, LEASE_S + 1)
        (now,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        assert not await ledger.outbox.save_attempt(late, DEAD)
        assert await ledger.outbox.save_attempt(now, DELIVERED)
        assert not await ledger.outbox.save_attempt(now, DEAD)


class TestReplay:
    @pytest.mark.parametrize("last", [DELIVERED, DEAD])
    async def test_an_ended_delivery_is_replayed_with_the_same_id(self, ledger: JobHistory, last: AttemptEnd) -> None:
        await due(ledger)
        (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        await ledger.outbox.save_attempt(delivery, last)
        again = await ledger.outbox.replay(OWNER, delivery.delivery_id)
        assert again is not None
        assert (again.status, again.attempts, again.ended_at) == (DeliveryStatus.PENDING, 0, None)
        (claimed,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        assert (claimed.delivery_id, claimed.body, claimed.attempts) == (delivery.delivery_id, delivery.body, 1)

    async def test_an_unfinished_delivery_is_not_replayed(self, ledger: JobHistory) -> None:
        waiting = (await deliveries(ledger, await accept(ledger)))[0]
        pending = await due(ledger)
        for delivery in (waiting, pending):
            assert await ledger.outbox.replay(OWNER, delivery.delivery_id) is None

    async def test_another_owner_s_is_unknown(self, ledger: JobHistory) -> None:
        await due(ledger)
        (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
        await ledger.outbox.save_attempt(delivery, DEAD)
        assert await ledger.outbox.replay("somebody", delivery.delivery_id) is None
        assert await ledger.outbox.load("somebody", delivery.delivery_id) is None
        assert await ledger.outbox.list_deliveries(DeliveryQuery("somebody")) == []


class TestList:
    async def test_newest_first_page_by_page(self, ledger: JobHistory) -> None:
        made = [(await due(ledger)).delivery_id for _ in range(5)]
        found, before = [], None
        while page := await ledger.outbox.list_deliveries(DeliveryQuery(OWNER, before=before, limit=2)):
            found += [delivery.delivery_id for delivery in page]
            before = page[-1].place
        assert found == made[::-1]

    async def test_by_state_and_by_job(self, ledger: JobHistory) -> None:
        job = await accept(ledger)
        pending = await due(ledger)
        query = DeliveryQuery(OWNER, statuses=frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEAD}))
        assert [d.delivery_id for d in await ledger.outbox.list_deliveries(query)] == [pending.delivery_id]
        query = DeliveryQuery(OWNER, job_id=job.job_id)
        assert [d.job_id for d in await ledger.outbox.list_deliveries(query)] == [job.job_id]


async def test_what_ended_long_ago_is_dropped(ledger: JobHistory) -> None:
    await due(ledger)
    (delivery,) = await ledger.outbox.claim(limit=1, per_host=1, busy=())
    await ledger.outbox.save_attempt(delivery, DEAD)
    waiting = await accept(ledger)
    await pass_time(ledger, (KEPT_DAYS - 1) * 86_400)
    assert await ledger.outbox.purge() == 0
    await pass_time(ledger, 2 * 86_400)
    assert await ledger.outbox.purge() == 1
    assert [d.job_id for d in await deliveries(ledger)] == [waiting.job_id]


async def test_an_unavailable_outbox_is_a_store_error() -> None:
    engine = connect_postgres("postgresql://u:p@127.0.0.1:1/none", application_name="test")
    history = PostgresJobHistory(engine)
    with pytest.raises(StoreError):
        await history.outbox.claim(limit=1, per_host=1, busy=())
    with pytest.raises(StoreError):
        await history.outbox.register("f" * 32, url=URL)
    await engine.dispose()
